"""The reference of the API: the OpenAPI document, and the same as one page that needs nothing from elsewhere."""

import base64
import hashlib
import html
from collections.abc import Mapping
from functools import cache
from http import HTTPStatus
from typing import Any

from aiohttp import web

from billing.web.app_state import OPENAPI
from billing.web.operation import Content, Operation, operation
from billing.web.responses import json_response

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;max-width:60rem;padding:1rem;color:#1b1b1b;background:#fff;"
    "overflow-wrap:anywhere}"
    "code{background:#f2f2f2;padding:.1em .3em}summary{cursor:pointer;padding:.4em 0}"
    "summary b{display:inline-block;width:4em}details{border-top:1px solid #ddd}pre{overflow:auto;background:#f2f2f2;"
    "padding:.6em}table{border-collapse:collapse}td{padding:.1em .8em .1em 0;vertical-align:top}"
    "td:first-child{overflow-wrap:normal}"
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; frame-ancestors 'none'"


@operation(
    Operation(
        tag="reference",
        responses={HTTPStatus.OK: dict[str, Any]},
    )
)
async def get_openapi(request: web.Request) -> web.Response:
    """Read this document."""
    document: dict[str, Any] = request.config_dict[OPENAPI]
    return json_response(document)


@operation(
    Operation(
        tag="reference",
        responses={HTTPStatus.OK: Content(media_type="text/html", description="The reference as a page")},
    )
)
async def get_docs(request: web.Request) -> web.Response:
    """Read the reference as a page."""
    document: dict[str, Any] = request.config_dict[OPENAPI]
    return web.Response(
        text=write_page(document),
        content_type="text/html",
        charset="utf-8",
        headers={"Content-Security-Policy": _POLICY},
    )


def write_page(document: Mapping[str, Any]) -> str:
    """The document as HTML: every address with its parameters, bodies and answers, then every schema."""
    info = document["info"]
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>",
        f"<title>{_text(info['title'])}</title><style>{_STYLE}</style>",
        f"<h1>{_text(info['title'])} {_text(info['version'])}</h1><p>{_text(info['description'])}</p>",
        "<p>The same for programs: <a href=/openapi.json>/openapi.json</a> (OpenAPI 3.1)</p>",
        "<p>Under <code>/v1</code> send your key in the header <code>Authorization: Bearer vp_…</code></p>",
    ]
    for tag in document["tags"]:
        parts.append(f"<h2>{_text(tag['name'])}</h2>")
        for path, operations in document["paths"].items():
            parts += [
                _operation(path, method, operation)
                for method, operation in operations.items()
                if tag["name"] in operation["tags"]
            ]
    parts.append("<h2>Schemas</h2>")
    parts += [
        f"<details id='{_text(name)}'><summary>{_text(name)}</summary>{_schema(schema)}</details>"
        for name, schema in document["components"]["schemas"].items()
    ]
    return "".join(parts)


def _operation(path: str, method: str, operation: Mapping[str, Any]) -> str:
    parameters = "".join(
        f"<tr><td><code>{_text(each['name'])}</code><td>{each['in']}{', required' if each.get('required') else ''}"
        f"<td>{_text(each.get('description', ''))}"
        for each in operation["parameters"]
    )
    body = "".join(
        f"<h4>Body: {_text(media_type)}</h4>{_link(content['schema'])}"
        for media_type, content in operation.get("requestBody", {}).get("content", {}).items()
    )
    answers = "".join(
        f"<tr><td>{_text(status)}<td>{_text(answer['description'])}<td>"
        + "".join(f"{_text(kind)} {_link(content['schema'])}" for kind, content in answer["content"].items())
        for status, answer in operation["responses"].items()
    )
    key = "" if operation["security"] else " · no key needed"
    return (
        f"<details><summary><b>{method.upper()}</b> <code>{_text(path)}</code> {_text(operation['summary'])}</summary>"
        f"<p>{_text(operation['description'])}{key}</p><table>{parameters}</table>{body}"
        f"<h4>Answers</h4><table>{answers}</table></details>"
    )


def _link(schema: Mapping[str, Any]) -> str:
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    return f"<a href='#{_text(name)}'>{_text(name)}</a>" if name else ""


def _schema(schema: Mapping[str, Any]) -> str:
    required = schema.get("required", ())
    rows = "".join(
        f"<tr><td><code>{_text(name)}</code><td>{_kind(field)}<td>{'' if name in required else 'optional'}"
        for name, field in schema.get("properties", {}).items()
    )
    return f"<p>{_text(schema.get('description', ''))}</p><table>{rows}</table>"


def _kind(field: Mapping[str, Any]) -> str:
    if "anyOf" in field:
        return " or ".join(_kind(each) for each in field["anyOf"])
    if "items" in field:
        return f"list of {_kind(field['items'])}"
    return _link(field) or _text(str(field.get("type", "anything")))


@cache
def _text(text: str) -> str:
    return html.escape(str(text), quote=True)

"""The OpenAPI document of the service, and the page that displays it with Swagger UI.

Swagger UI is vendored (docs/decisions/0017-api-docs-viewer.md): the page requests nothing from another host.
"""

import html
from functools import cache
from http import HTTPStatus
from typing import Any

from aiohttp import web

from billing.web.app_state import OPENAPI
from billing.web.operation import Content, Operation, operation
from billing.web.pages.static import static_address
from billing.web.responses import json_response

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Swagger UI sets inline styles; inline scripts and other hosts stay forbidden."""


@operation(
    Operation(
        tag="reference",
        responses={HTTPStatus.OK: dict[str, Any]},
    )
)
async def get_openapi(request: web.Request) -> web.Response:
    """Read this document."""
    document: dict[str, Any] = request.config_dict[OPENAPI]()
    return json_response(document)


@operation(
    Operation(
        tag="reference",
        responses={HTTPStatus.OK: Content(media_type="text/html", description="The reference as a page")},
    )
)
async def get_docs(request: web.Request) -> web.Response:
    """Read the reference as a page."""
    return web.Response(
        text=_page(request.config_dict[OPENAPI]()["info"]["title"]),
        content_type="text/html",
        charset="utf-8",
        headers={"Content-Security-Policy": _POLICY},
    )


@cache
def _page(title: str) -> str:
    scripts = "".join(
        f'<script src="{static_address(name)}" defer></script>' for name in ("swagger-ui-bundle.js", "api-docs.js")
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title>"
        f'<link rel="stylesheet" href="{static_address("swagger-ui.css")}">'
        f'<link rel="stylesheet" href="{static_address("api-docs.css")}">'
        '<link rel="icon" href="data:,">'
        f'{scripts}</head><body><div id="api-docs"></div>'
        '<noscript>This page needs JavaScript; <a href="/openapi.json">/openapi.json</a> is the same document.'
        "</noscript></body></html>"
    )

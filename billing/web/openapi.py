"""The OpenAPI 3.1 document, built from the routes and the description of each handler.

JSON schemas are pydantic's; the rest is written here. Source: OpenAPI Specification 3.1.1;
docs/decisions/0007-own-openapi.md.
"""

import inspect
import re
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from billing import __version__
from billing.core.actor import Role
from billing.web.idempotency import HEADER, REPLAYED
from billing.web.openapi_examples import read_examples
from billing.web.operation import Content, Operation, Parameter, Route, operation_of
from billing.web.pagination import LIMIT_DEFAULT, LIMIT_MAX
from billing.web.schemas import ProblemDocument
from billing.web.webhook_documents import WEBHOOKS

JSON = "application/json"
PROBLEM_JSON = "application/problem+json"
_REFERENCE = "#/components/schemas/{model}"
_PLACEHOLDER = re.compile(r"\{([a-z_]+)(?::(?:[^{}]|\{[^{}]*\})*)?\}")

_ALWAYS = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.INTERNAL_SERVER_ERROR,
)
_WITH_KEY = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
_WITH_BODY = (
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
)

_ID = "an id as returned by the API"

Json = dict[str, Any]


def write_openapi(routes: Sequence[Route], *, callbacks: Sequence[str]) -> Json:
    """The document of these routes and of the callback paths, ready to be written as JSON."""
    schemas = _Schemas(routes)
    paths: dict[str, Json] = {}
    for route in routes:
        paths.setdefault(plain_path(route.path), {})[route.method.lower()] = _operation(route, schemas)
    for path in callbacks:
        paths[plain_path(path)] = {method: _callback(path, method) for method in ("get", "post")}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "vienphi",
            "version": __version__,
            "description": "Hospital fees net of insurance, paid by bank QR, proved in a double-entry ledger. "
            "Amounts of money are whole đồng; amounts of lines are text with two decimals.",
            "license": {"name": "see the LICENSE file of the source"},
        },
        "servers": [{"url": "/"}],
        "tags": [
            {"name": tag}
            for tag in sorted({operation_of(route.handler).tag for route in routes} | {"callbacks", "webhooks"})
        ],
        "paths": paths,
        "webhooks": {topic: {"post": _webhook(topic, data, schemas)} for topic, data in WEBHOOKS.items()},
        "components": {
            "schemas": schemas.definitions,
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "bearerFormat": "vp_{organization}_{secret}"}
            },
        },
    }


def plain_path(path: str) -> str:
    """A path without the patterns of its placeholders."""
    return _PLACEHOLDER.sub(r"{\1}", path)


class _Schemas:
    """The JSON schemas of every type that routes name, each defined once."""

    def __init__(self, routes: Sequence[Route]) -> None:
        wanted: list[tuple[object, JsonSchemaMode, TypeAdapter[Any]]] = [
            (kind, "serialization", TypeAdapter(kind)) for kind in (ProblemDocument, *WEBHOOKS.values())
        ]
        for route in routes:
            operation = operation_of(route.handler)
            if operation.request is not None and not isinstance(operation.request, Mapping):
                wanted.append((operation.request, "validation", TypeAdapter(operation.request)))
            responses = [each for each in operation.responses.values() if not isinstance(each, Content)]
            wanted += [(each, "serialization", TypeAdapter(each)) for each in responses]
        unique = {(kind, mode): (kind, mode, adapter) for kind, mode, adapter in wanted}
        # Schemas are looked up by type: the key is the name of the type.
        found, definitions = TypeAdapter.json_schemas(
            [(str(kind), mode, adapter) for kind, mode, adapter in unique.values()], ref_template=_REFERENCE
        )
        self._found = found
        written = [operation_of(route.handler).request for route in routes]
        by_hand = {str(schema["title"]): schema for schema in written if isinstance(schema, Mapping)}
        self.definitions: Json = {**definitions.get("$defs", {}), **by_hand}

    def of_request(self, kind: type | Mapping[str, Any]) -> Json:
        """The schema of a request; one that is written by hand is referred to by its title."""
        if isinstance(kind, Mapping):
            return {"$ref": _REFERENCE.format(model=kind["title"])}
        return self.of(kind, "validation")

    def of(self, kind: object, mode: JsonSchemaMode) -> Json:
        """The schema of a type, or a reference to it."""
        schema: Json = dict(self._found[str(kind), mode])
        return schema


def _operation(route: Route, schemas: _Schemas) -> Json:
    operation = operation_of(route.handler)
    summary, _, rest = (inspect.getdoc(route.handler) or "").partition("\n")
    document: Json = {
        "operationId": route.handler.__name__,
        "tags": [operation.tag],
        "summary": summary.rstrip("."),
        "description": _description(route, rest.strip()),
        "parameters": _parameters(route, operation),
        "responses": _responses(route, operation, schemas),
        "security": [] if route.right is None else [{"key": []}],
    }
    if operation.request is not None or operation.request_contents:
        content: Json = {}
        if operation.request is not None:
            content[JSON] = {"schema": schemas.of_request(operation.request)}
        content |= {each.media_type: {"schema": {"type": "string"}} for each in operation.request_contents}
        document["requestBody"] = {"required": True, "content": content}
    _add_example(document, read_examples().get(route.handler.__name__, {}))
    return document


def _add_example(document: Json, example: Mapping[str, Any]) -> None:
    """Add the recorded exchange of an operation to its contents: a document to JSON, a text to another media type."""
    for key, body in (
        ("request", document.get("requestBody")),
        ("response", document["responses"].get(str(example.get("status")))),
    ):
        if key not in example or body is None:
            continue
        is_text = isinstance(example[key], str)
        for media_type, content in body["content"].items():
            if (media_type != JSON) is is_text:
                content["example"] = example[key]
                break


def _description(route: Route, rest: str) -> str:
    roles = ", ".join(role.value for role in Role if role in route.roles)
    right = "" if route.right is None else f"Right: {route.right}. Roles: {roles}."
    return "\n\n".join(part for part in (rest, right) if part)


def _parameters(route: Route, operation: Operation) -> list[Json]:
    parameters = [
        {"name": name, "in": "path", "required": True, **_parameter(operation.path.get(name, Parameter(_ID)), {})}
        for name in _PLACEHOLDER.findall(route.path)
    ]
    texts = dict(operation.query or {})
    if operation.filters is not None:
        limit: Json = {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_DEFAULT}
        parameters.append({"name": "limit", "in": "query", "schema": limit})
        texts |= {"cursor": "`next_cursor` of the page before", **operation.filters}
    parameters += [
        {"name": name, "in": "query", **_parameter(each, {"minLength": 1, "maxLength": 100})}
        for name, each in texts.items()
    ]
    if operation.is_creating:
        parameters.append(
            {
                "name": HEADER,
                "in": "header",
                "required": True,
                "description": "A fresh random value for each new request, the same for a retry",
                "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]{1,255}$"},
            }
        )
    return parameters


def _parameter(each: str | Parameter, bounds: Json) -> Json:
    """Description and schema of a parameter; `bounds` hold for a text without words or format of its own."""
    known = Parameter(each) if isinstance(each, str) else each
    if known.values:
        return {"description": known.description, "schema": {"type": "string", "enum": list(known.values)}}
    schema = {"type": "string", "format": known.format} if known.format else {"type": "string", **bounds}
    return {"description": known.description, "schema": schema}


def _responses(route: Route, operation: Operation, schemas: _Schemas) -> Json:
    responses: Json = {}
    for status, response in operation.responses.items():
        if isinstance(response, Content):
            content: Json = {response.media_type: {"schema": {"type": "string"}}}
        else:
            content = {JSON: {"schema": schemas.of(response, "serialization")}}
        responses[str(status.value)] = {"description": status.phrase, "content": content}
        if operation.is_creating:
            schema = {"type": "string", "enum": ["true"]}
            description = "The request was answered before; the response is the current state of the created resource"
            responses[str(status.value)]["headers"] = {REPLAYED: {"description": description, "schema": schema}}
    problem = {"content": {PROBLEM_JSON: {"schema": schemas.of(ProblemDocument, "serialization")}}}
    for status in _refusals(route, operation):
        responses.setdefault(str(status.value), {"description": status.phrase, **problem})
    return dict(sorted(responses.items()))


def _refusals(route: Route, operation: Operation) -> Iterable[HTTPStatus]:
    yield from operation.problems
    yield from _ALWAYS
    if route.right is not None:
        yield from _WITH_KEY
    if operation.request is not None or operation.request_contents:
        yield from _WITH_BODY
    if operation.is_creating:
        yield HTTPStatus.CONFLICT


def _webhook(topic: str, data: type, schemas: _Schemas) -> Json:
    """The webhook that is sent to the endpoints of an organization. Source: Standard Webhooks 1.0.0."""
    summary, _, rest = (inspect.getdoc(data) or "").partition("\n")
    envelope: Json = {
        "type": "object",
        "additionalProperties": False,
        "required": ["type", "timestamp", "organization_id", "data"],
        "properties": {
            "type": {"const": topic},
            "timestamp": {"type": "string", "format": "date-time", "description": "when it happened"},
            "organization_id": {"type": "integer"},
            "data": schemas.of(data, "serialization"),
        },
    }
    headers = {
        "webhook-id": "the same at every attempt: handle each id once",
        "webhook-timestamp": "seconds since 1970 of this attempt",
        "webhook-signature": "`v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`; several, parted by spaces",
    }
    return {
        "operationId": f"webhook_{topic.replace('.', '_')}",
        "tags": ["webhooks"],
        "summary": summary.rstrip("."),
        "description": rest.strip() or summary,
        "parameters": [
            {"name": name, "in": "header", "required": True, "description": text, "schema": {"type": "string"}}
            for name, text in headers.items()
        ],
        "requestBody": {"required": True, "content": {JSON: {"schema": envelope}}},
        "responses": {
            "2XX": {"description": "Accepted; after any other status the webhook is retried for three days"},
            "410": {"description": "The endpoint is gone; no further webhook is sent to it"},
        },
        "security": [],
    }


def _callback(path: str, method: str) -> Json:
    """The operation of a callback: message and reply have the provider's format and no schema."""
    anything: Mapping[str, Any] = {"*/*": {"schema": {}}}
    document: Json = {
        "operationId": f"{method}_provider_callback{'_with_path_suffix' if plain_path(path).count('{') > 2 else ''}",
        "tags": ["callbacks"],
        "summary": "Receive a callback of a provider",
        "description": "Signed by the provider; the reply has the provider's format and is sent only after COMMIT.",
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in _PLACEHOLDER.findall(path)
        ],
        "responses": {
            "default": {"description": "A reply in the provider's format, or a problem", "content": anything}
        },
        "security": [],
    }
    if method == "post":
        document["requestBody"] = {"content": anything}
    return document

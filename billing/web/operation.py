"""The description of an operation, next to its handler: request, responses, parameters. `openapi.py` writes it.

The decorator `operation` describes a handler; `routes.py` gives the handler an address and the right that it needs.
The summary is the first sentence of the handler's docstring. Nothing here changes how a request is answered.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from aiohttp import web

from billing.core.actor import Role
from billing.organizations.domain.rights import Right, roles_with

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A body that is not one of our JSON documents: its media type and what is in it."""

    media_type: str
    description: str


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a query or path: one of `values`, or a text in a format of JSON schema."""

    description: str
    values: tuple[str, ...] = ()
    format: str = ""


def one_of(description: str, values: Iterable[str]) -> Parameter:
    """A parameter that is one value of an enumeration."""
    return Parameter(description, tuple(str(value) for value in values))


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """The request and the responses of a handler. A type is the JSON document of its fields, a mapping is a schema.

    `problems` are the statuses of refusals besides those every address of its kind has. `filters` are the parameters
    of a list besides `cursor` and `limit`, each with what it is. `path` are the placeholders that are no plain id.
    """

    tag: str
    responses: Mapping[HTTPStatus, type | Content]
    request: type | Mapping[str, Any] | None = None
    request_contents: Sequence[Content] = ()
    problems: Sequence[HTTPStatus] = ()
    filters: Mapping[str, str | Parameter] | None = None
    query: Mapping[str, str | Parameter] | None = None
    path: Mapping[str, Parameter] = field(default_factory=dict)
    is_creating: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A path with its handler; `right` is None where no key is required.

    `is_of_organization`: a screen of what belongs to the organization as a whole, not for persons of some facilities.
    `takes_file`: a form with a long file; a document worker handles it, as the API's long files.
    """

    method: str
    path: str
    handler: Handler
    right: Right | None = None
    is_of_organization: bool = False
    takes_file: bool = False

    @property
    def roles(self) -> frozenset[Role]:
        """The roles that may call it; empty where no key is required."""
        return frozenset() if self.right is None else roles_with(self.right)


PREFIX = "/v1"
"""The path prefix of every route that needs a key."""


def api_route(method: str, path: str, handler: Handler, right: Right) -> Route:
    """A route below `PREFIX`, which a key with the right may call."""
    return Route(method=method, path=PREFIX + path, handler=handler, right=right)


_OPERATIONS: dict[Handler, Operation] = {}


def operation(described: Operation) -> Callable[[Handler], Handler]:
    """Describe a handler for the OpenAPI document."""

    def register(handler: Handler) -> Handler:
        _OPERATIONS[handler] = described
        return handler

    return register


def operation_of(handler: Handler) -> Operation:
    """The description of a handler. A test finds handlers without one."""
    return _OPERATIONS[handler]

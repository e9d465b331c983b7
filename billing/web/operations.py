"""What an address does, said beside its handler: request, answers, parameters. `openapi.py` writes it down.

A handler is described by a decorator; `routes.py` gives it an address and the roles that may call it. The summary is
the first sentence of the handler's docstring. Nothing here changes how a request is answered.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from aiohttp import web

from billing.core.actor import Role

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A body that is not one of our JSON documents: its media type and what is in it."""

    media_type: str
    description: str


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a query or path that is one of some words, or a text in a format of JSON schema."""

    description: str
    words: tuple[str, ...] = ()
    format: str = ""


def one_of(description: str, words: Iterable[str]) -> Parameter:
    """A parameter that is one word of an enumeration."""
    return Parameter(description, tuple(str(word) for word in words))


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What a handler takes and answers. A type stands for the JSON document of its fields, a mapping is a schema.

    `problems` are the statuses of refusals besides those every address of its kind has. `filters` are the parameters
    of a list besides `cursor` and `limit`, each with what it is. `path` are the placeholders that are no plain id.
    """

    tag: str
    answers: Mapping[HTTPStatus, type | Content]
    request: type | Mapping[str, Any] | None = None
    request_contents: Sequence[Content] = ()
    problems: Sequence[HTTPStatus] = ()
    filters: Mapping[str, str | Parameter] | None = None
    query: Mapping[str, str | Parameter] | None = None
    path: Mapping[str, Parameter] = field(default_factory=dict)
    is_creating: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """An address with its handler; `roles` is None where no key is asked for."""

    method: str
    path: str
    handler: Handler
    roles: frozenset[Role] | None = None


_DESCRIPTIONS: dict[Handler, Description] = {}


def described(description: Description) -> Callable[[Handler], Handler]:
    """Say what a handler does, for the document of all addresses."""

    def keep(handler: Handler) -> Handler:
        _DESCRIPTIONS[handler] = description
        return handler

    return keep


def description_of(handler: Handler) -> Description:
    """What was said of a handler; a handler without a description is a fault that a test finds."""
    return _DESCRIPTIONS[handler]

"""Parameters of the finance pages: a day, a page of a list, the place to return to."""

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import TypeVar
from urllib.parse import urlencode
from uuid import UUID

from aiohttp import web

from billing.core.clock import business_date
from billing.core.errors import InvalidValue
from billing.web.app_state import app_state
from billing.web.pagination import InvalidQuery, read_day
from billing.web.screens.forms import Form
from billing.web.screens.session import own_path

Choice = TypeVar("Choice", bound=StrEnum)
_TEXT_MAX = 200


def read_given(request: web.Request, *names: str) -> dict[str, str]:
    """The parameters of a page that are filled in; empty and unknown ones are left out. Raises InvalidQuery."""
    given = {}
    for name in names:
        text = request.query.get(name, "").strip()
        if len(text) > _TEXT_MAX or not text.isprintable():
            raise InvalidQuery(f"{name} is at most {_TEXT_MAX} printable characters", field=name)
        if text:
            given[name] = text
    return given


def kept_of(given: Mapping[str, str], *names: str) -> dict[str, str]:
    """The parameters among these names that are filled in, for the links of a page."""
    return {name: given[name] for name in names if name in given}


def query_of(kept: Mapping[str, str], **more: object) -> str:
    """The query of a link; what is None or empty is left out."""
    return urlencode({name: str(value) for name, value in {**kept, **more}.items() if value not in (None, "")})


def today(request: web.Request) -> date:
    """The business day of now."""
    return business_date(app_state(request).context.clock())


def read_any_day(given: Mapping[str, str], name: str) -> date | None:
    """A parameter that is a day, `28/11/2026` or `2026-11-28`; None where it is not given. Raises InvalidQuery."""
    text = given.get(name, "")
    parts = text.split("/")
    if len(parts) == 3:
        text = "-".join((parts[2], parts[1].zfill(2), parts[0].zfill(2)))
    return read_day({name: text} if text else {}, name)


def read_page_day(request: web.Request, given: Mapping[str, str]) -> date:
    """The day of a page; without one today. Raises InvalidQuery."""
    found = read_any_day(given, "day")
    return today(request) if found is None else found


def read_uuid(given: Mapping[str, str], name: str) -> UUID | None:
    """A parameter that is an id; None where it is not given. Raises InvalidQuery."""
    text = given.get(name)
    if text is None:
        return None
    try:
        return UUID(text)
    except ValueError as cause:
        raise InvalidQuery(f"{name} is no id", field=name) from cause


def read_word(given: Mapping[str, str], name: str, choices: type[Choice]) -> Choice | None:
    """A parameter that is a word of an enumeration; None where it is not given. Raises InvalidQuery."""
    text = given.get(name)
    if text is None:
        return None
    try:
        return choices(text)
    except ValueError as cause:
        raise InvalidQuery(f"{name} is one of {', '.join(choices)}", field=name) from cause


def form_id(form: Form, name: str) -> UUID:
    """A field that is an id. Raises InvalidValue."""
    try:
        return UUID(form.text(name))
    except ValueError as cause:
        raise InvalidValue("choose one of the list", field=name) from cause


def form_day(form: Form, name: str) -> date | None:
    """A field that is a day, empty: None. Raises InvalidQuery."""
    return read_any_day({name: form.text(name)}, name)


def back_of(form: Form, fallback: str) -> str:
    """The page that a form returns to: its field `back` if it is a path of this service."""
    path = own_path(form.text("back"))
    return path if path != "/" else fallback

"""Rendering of the screens: a full page, or the fragment of it that htmx requested.

A template begins with `{% extends layout %}` and fills the block `main`: `layout` is the whole page, or nothing but
that block for a fragment. Values are escaped; a missing name is an error.
"""

import secrets
import unicodedata
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from functools import cache, partial
from http import HTTPStatus
from typing import Any

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined

from billing.core.clock import VIETNAM, known_time
from billing.organizations.domain.rights import Right
from billing.web.pages.rendering import without_unseen
from billing.web.pages.static import static_address
from billing.web.screens.navigation import SHOWN, entries_of
from billing.web.screens.session import ScreenSession, address_of, current_or_none, language_of
from billing.web.screens.texts import ScreenLanguage, translate

SCREEN_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Only our own scripts, styles and fonts; no inline script or style, no other host."""

_HEADERS = {
    "Content-Security-Policy": SCREEN_POLICY,
    "Vary": "HX-Request",
    # With `no-referrer` a browser sends the forms of a page with "Origin: null".
    "Referrer-Policy": "same-origin",
}
_KEY_BYTES = 18
_OWN_KEYS = ("/finance", "/approvals", "/admin")
_BREAKS = "\n\r\t"
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
"""Categories of characters that nobody sees: control and format characters, and those that are no characters."""


def is_fragment(request: web.Request) -> bool:
    """Whether htmx requests a part of the page; the restoring of its history needs the whole page."""
    return "HX-Request" in request.headers and "HX-History-Restore-Request" not in request.headers


def render(request: web.Request, template: str, *, status: HTTPStatus = HTTPStatus.OK, **values: Any) -> web.Response:
    """The page of a template below `templates/`, as `cashier/desk.html`; for htmx its block `main` alone.

    The template also gets `session` (None before sign-in), `language`, `here` (path and query) and `is_fragment`.
    """
    fragment = is_fragment(request)
    layout = "fragment.html" if fragment else "layout.html"
    return _response(request, template, status, {"layout": layout, "is_fragment": fragment, **values})


def render_fragment(
    request: web.Request, template: str, *, status: HTTPStatus = HTTPStatus.OK, **values: Any
) -> web.Response:
    """A template that is a part of a page, as it is. It gets the same values as a page."""
    return _response(request, template, status, {"is_fragment": True, **values})


def see_other(request: web.Request, address: str) -> web.Response:
    """The answer to a form that was accepted: the browser, or htmx, opens another page of this service."""
    assert address.startswith("/"), "a path of this service"
    assert not address.startswith("//"), "a path of this service"
    if "HX-Request" in request.headers:
        return web.Response(status=HTTPStatus.OK, headers={"HX-Redirect": address})
    return web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": address})


def dong(amount: int) -> str:
    """An amount as it stands in a column: `1.234.567`, `−50.000`."""
    text = f"{abs(amount):,}".replace(",", ".")
    return f"−{text}" if amount < 0 else text


def dong_sign(amount: int) -> str:
    """The amount that matters, with its unit: `1.234.567 đ`."""
    return f"{dong(amount)}\u00a0đ"


def exact(amount: Decimal) -> str:
    """An amount of the claim, with its decimals where it has any: `1.234.567`, `1.234,50`."""
    whole, _, part = f"{abs(amount):.2f}".partition(".")
    text = f"{int(whole):,}".replace(",", ".") + ("" if part == "00" else f",{part}")
    return f"−{text}" if amount < 0 else text


def day(value: date) -> str:
    """A date, or the date of a time in Vietnam: `28/11/2026`."""
    if isinstance(value, datetime):
        value = value.astimezone(VIETNAM)
    return f"{value:%d/%m/%Y}"


def time(value: datetime) -> str:
    """The time of day in Vietnam: `09:41`."""
    return f"{value.astimezone(VIETNAM):%H:%M}"


def day_time(value: datetime) -> str:
    """Date and time in Vietnam: `28/11/2026 09:41`."""
    return f"{value.astimezone(VIETNAM):%d/%m/%Y %H:%M}"


def occurred(value: datetime) -> str:
    """Date and time of an event, or its date alone where the time is not known: `28/11/2026`."""
    return day(value) if known_time(value) is None else day_time(value)


def occurred_time(language: ScreenLanguage, value: datetime) -> str:
    """The time of day of an event, or that it is not known."""
    return translate(language, "common.time_unknown") if known_time(value) is None else time(value)


def inert(text: str) -> str:
    """A text of others without control characters and marks of direction: it moves no text next to it.

    The template escapes markup; a line break becomes a space.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(" " if letter in _BREAKS else letter for letter in text if letter in _BREAKS or _is_visible(letter))


def _is_visible(letter: str) -> bool:
    return unicodedata.category(letter) not in _INVISIBLE


def new_form_key() -> str:
    """The idempotency key of a form: created with it, sent with it."""
    return secrets.token_urlsafe(_KEY_BYTES)


def _response(request: web.Request, template: str, status: HTTPStatus, values: dict[str, Any]) -> web.Response:
    session = current_or_none(request)
    language = language_of(request)
    bar = entries_of(request)
    text = (
        _environment(language)
        .get_template(template)
        .render(
            {
                "session": session,
                "language": language.value,
                "here": address_of(request),
                "navigation": bar[:SHOWN],
                "more": bar[SHOWN:],
                "has_desk_keys": _has_desk_keys(request, session),
                **values,
            }
        )
    )
    return web.Response(status=status, text=text, content_type="text/html", charset="utf-8", headers=_HEADERS)


def _has_desk_keys(request: web.Request, session: ScreenSession | None) -> bool:
    """Whether the page acts on the keys of the desk: a page of a cashier at a desk. Pages of finance have own keys."""
    is_cashier = session is not None and session.desk is not None and session.caller.has(Right.COLLECT)
    return is_cashier and not request.path.startswith(_OWN_KEYS)


@cache
def _environment(language: ScreenLanguage) -> Environment:
    """One environment for each language, so that imported macros have the texts too."""
    environment = Environment(
        loader=PackageLoader("billing.web.screens", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        finalize=without_unseen,
    )
    functions: dict[str, Callable[..., Any]] = {
        "static": static_address,
        "t": partial(translate, language),
        "new_form_key": new_form_key,
    }
    environment.globals.update(functions)
    filters: dict[str, Callable[..., Any]] = {
        "dong": dong,
        "dong_sign": dong_sign,
        "exact": exact,
        "day": day,
        "time": time,
        "day_time": day_time,
        "occurred": occurred,
        "occurred_time": partial(occurred_time, language),
        "inert": inert,
    }
    environment.filters.update(filters)
    return environment

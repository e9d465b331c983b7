"""Rendering of templates: values are escaped, a missing name is an error, nothing is loaded from other hosts."""

import re
from functools import cache
from http import HTTPStatus
from typing import Any

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from billing.core.text import remove_unseen
from billing.web.pages.static import static_address

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Only our own script and style files; no inline script or style."""

_ORIGIN = re.compile(r"https://([0-9A-Za-z._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")


def html_response(
    template: str, *, status: HTTPStatus = HTTPStatus.OK, form_to: str = "", **values: Any
) -> web.Response:
    """Build a response with a page. `template` is its path below `billing/web/pages`.

    `form_to` is a further origin to which a form of the page may be posted; it is the only addition to the policy.
    """
    assert not form_to or _ORIGIN.fullmatch(form_to), "an origin and nothing more"
    policy = PAGE_POLICY.replace("form-action 'self'", f"form-action 'self' {form_to}") if form_to else PAGE_POLICY
    return web.Response(
        status=status,
        text=_environment().get_template(template).render(values),
        content_type="text/html",
        charset="utf-8",
        headers={"Content-Security-Policy": policy},
    )


def without_unseen(value: Any) -> Any:
    """A value of a template as it is written: a text without control characters and marks of direction.

    Names, transfer texts and file names come from others; the template escapes their markup.
    """
    if isinstance(value, Markup):
        return Markup(remove_unseen(value))  # noqa: S704 - it was markup before
    return remove_unseen(value) if isinstance(value, str) else value


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("billing.web", "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        finalize=without_unseen,
    )
    environment.globals["static"] = static_address
    return environment

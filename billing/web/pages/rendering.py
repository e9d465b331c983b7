"""Templates turned into pages: every value escaped, a missing name is a fault, nothing from elsewhere."""

from functools import cache
from http import HTTPStatus
from typing import Any

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined

from billing.web.pages.static import static_address

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Our own script and style and nothing else; no script or style stands in the page itself."""


def html_answer(template: str, *, status: HTTPStatus = HTTPStatus.OK, **values: Any) -> web.Response:
    """Answer with a page. `template` is its path below `billing/web/pages`."""
    return web.Response(
        status=status,
        text=_environment().get_template(template).render(values),
        content_type="text/html",
        charset="utf-8",
        headers={"Content-Security-Policy": PAGE_POLICY},
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("billing.web", "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals["static"] = static_address
    return environment

"""The sentence about a wrong field of a form of finance, in the language of the session.

Services state errors in English for the API; a field that a person fills in has its own sentence here.
"""

from http import HTTPStatus

from aiohttp import web

from billing.core.errors import BillingError, InvalidValue, Refused
from billing.web.screens.forms import FormError, form_errors
from billing.web.screens.session import language_of
from billing.web.screens.texts import find_text


def field_errors(request: web.Request, error: BillingError) -> list[FormError]:
    """The summary above a form that is shown again."""
    text = field_text(request, error)
    return form_errors(request, error) if text is None else [FormError(error.field or "", text)]


def field_text(request: web.Request, error: BillingError) -> str | None:
    """The sentence about the wrong field; None where the code of the error has its own, or the field has none."""
    if type(error) is not InvalidValue or not error.field:
        return None
    return find_text(language_of(request), f"finance.wrong.{error.field}")


def status_of(error: BillingError | None) -> HTTPStatus:
    """The status of a page of finance that is shown again: 409 for what the present state refuses, else 422."""
    if error is None:
        return HTTPStatus.OK
    return HTTPStatus.CONFLICT if isinstance(error, Refused) else HTTPStatus.UNPROCESSABLE_ENTITY

"""Pages and fragments for rejected requests: the text of the error's code, and the way out."""

from http import HTTPStatus

from aiohttp import web

from billing.core.errors import BillingError
from billing.web.app_state import REQUEST_ID
from billing.web.problems import Problem, problem_of
from billing.web.screens.rendering import render
from billing.web.screens.session import language_of
from billing.web.screens.texts import find_text

_TITLES = {
    HTTPStatus.UNAUTHORIZED: "refusal.sign_in",
    HTTPStatus.FORBIDDEN: "refusal.forbidden",
    HTTPStatus.NOT_FOUND: "refusal.not_found",
    HTTPStatus.CONFLICT: "refusal.conflict",
    HTTPStatus.UNPROCESSABLE_ENTITY: "refusal.invalid",
    HTTPStatus.TOO_MANY_REQUESTS: "refusal.busy",
    HTTPStatus.SERVICE_UNAVAILABLE: "refusal.busy",
    HTTPStatus.INTERNAL_SERVER_ERROR: "refusal.internal",
}


def refusal(request: web.Request, error: Exception) -> web.Response:
    """A page, or for htmx a fragment, that states why a request was rejected; the HTTP status is that of the API.

    An unforeseen error is logged and shown with the id of the request, without detail.
    """
    problem = problem_of(error)
    response = render(
        request,
        "refusal.html",
        status=problem.status,
        title_key=_TITLES.get(problem.status, "refusal.invalid"),
        sentence=_sentence(request, problem),
        request_id=request[REQUEST_ID],
        is_internal=problem.status is HTTPStatus.INTERNAL_SERVER_ERROR,
    )
    response.headers.update(problem.headers)
    return response


def error_text(request: web.Request, error: BillingError) -> str:
    """The sentence of an error in the language of the session, for the summary above a form."""
    return find_text(language_of(request), f"error.{error.code}") or error.detail


def _sentence(request: web.Request, problem: Problem) -> str:
    return find_text(language_of(request), f"error.{problem.code}") or problem.detail

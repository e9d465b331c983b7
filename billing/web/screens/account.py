"""The own account: open sessions, password, PIN and language.

GET  /my/sessions               the page
POST /my/sessions/{id}/end      end another session of the same person
GET/POST /my/password           change the password; a password that someone else has set must be changed first
POST /my/pin                    set the PIN, with the password
POST /my/language               the language of the screens
"""

from collections.abc import Sequence
from http import HTTPStatus
from uuid import UUID

from aiohttp import web

from billing.core.errors import InvalidValue, NotFound
from billing.organizations.domain.sessions import Session
from billing.organizations.service.sessions import choose_language, end_own_session, list_sessions
from billing.organizations.service.sign_in_accounts import (
    PASSWORD_LENGTH_MIN,
    WrongPassword,
    change_own_password,
    change_own_pin,
)
from billing.web.app_state import app_state
from billing.web.client_address import source_address
from billing.web.screens.forms import FormError, form_errors, read_form
from billing.web.screens.rendering import render, see_other
from billing.web.screens.session import OWN_PASSWORD, current
from billing.web.screens.texts import ScreenLanguage, translate

SESSIONS = "/my/sessions"


async def get_sessions(request: web.Request) -> web.Response:
    """The own sessions, password, PIN and language."""
    return await _page(request)


async def post_session_end(request: web.Request) -> web.Response:
    """End another session of the same person."""
    try:
        session_id = UUID(request.match_info["id"])
    except ValueError:
        raise NotFound("no such session") from None
    await end_own_session(app_state(request).context, _stored(request), session_id)
    return see_other(request, SESSIONS)


async def get_password(request: web.Request) -> web.Response:
    """The page to change the password."""
    return _password_page(request)


async def post_password(request: web.Request) -> web.Response:
    """Change the own password; the other sessions of the person end."""
    form = await read_form(request)
    app = app_state(request)
    new = form.fields.get("new_password", [""])[0]
    try:
        if new != form.fields.get("repeat_password", [""])[0]:
            return _password_page(request, [FormError("repeat_password", _t(request, "account.not_repeated"))])
        await change_own_password(
            app.context,
            _stored(request),
            present=form.fields.get("present_password", [""])[0],
            new=new,
            passwords=app.passwords,
        )
    except WrongPassword as error:
        await app.anonymous.admit_miss(source_address(request))
        return _password_page(request, form_errors(request, error))
    except InvalidValue as error:
        return _password_page(request, form_errors(request, error))
    return see_other(request, "/" if _stored(request).must_change_password else f"{SESSIONS}?saved=1")


async def post_pin(request: web.Request) -> web.Response:
    """Set the own PIN."""
    form = await read_form(request)
    app = app_state(request)
    try:
        await change_own_pin(
            app.context,
            _stored(request),
            present=form.fields.get("present_password", [""])[0],
            pin=form.text("pin"),
            passwords=app.passwords,
        )
    except InvalidValue as error:
        if isinstance(error, WrongPassword):
            await app.anonymous.admit_miss(source_address(request))
        return await _page(request, form_errors(request, error))
    return see_other(request, f"{SESSIONS}?saved=1")


async def post_language(request: web.Request) -> web.Response:
    """Set the language of the own screens."""
    form = await read_form(request)
    language = ScreenLanguage.ENGLISH if form.text("language") == ScreenLanguage.ENGLISH else ScreenLanguage.VIETNAMESE
    await choose_language(app_state(request).context, _stored(request), language.value)
    return see_other(request, SESSIONS)


async def _page(request: web.Request, errors: Sequence[FormError] = ()) -> web.Response:
    app = app_state(request)
    return render(
        request,
        "signin/sessions.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        sessions=await list_sessions(app.context, _stored(request), app.limits.sign_in),
        is_saved="saved" in request.query,
        errors=errors,
    )


def _password_page(request: web.Request, errors: Sequence[FormError] = ()) -> web.Response:
    return render(
        request,
        "signin/change_password.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        errors=errors,
        length=PASSWORD_LENGTH_MIN,
        address=OWN_PASSWORD,
    )


def _stored(request: web.Request) -> Session:
    return current(request).stored


def _t(request: web.Request, key: str, **values: object) -> str:
    return translate(current(request).language, key, **values)

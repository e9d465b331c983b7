"""The sign-in: password, PIN at a desk, lock and sign-out; and the sign-in in the middle of a form.

GET/POST /sign-in       name, password and workplace
GET/POST /sign-in/pin   the person changes at a desk, or a locked screen opens
POST /lock              the screen requires a PIN
POST /sign-out          the session ends

A form that was sent after its session had ended is kept: as hidden fields of the sign-in page, or, for htmx, in the
page itself under a dialog. It is sent again by the person, with its idempotency key; a PIN or password is typed again.
"""

from collections.abc import Sequence
from http import HTTPStatus
from urllib.parse import quote
from uuid import UUID

from aiohttp import web

from billing.core.ids import DeskId, OrganizationId, PersonId
from billing.organizations.domain.sessions import Session, split_cookie
from billing.organizations.service.sessions import (
    DeskNotAllowed,
    Hospital,
    PinRejected,
    SignInPlace,
    SignInRejected,
    change_person,
    find_session,
    list_desk_persons,
    lock,
    sign_in,
    sign_out,
)
from billing.visit_accounts.service.desk_screens import list_last_receipts
from billing.web.app_state import app_state
from billing.web.client_address import source_address
from billing.web.operation import Route
from billing.web.screens.forms import Form, FormError, read_form
from billing.web.screens.refusals import error_text
from billing.web.screens.rendering import render, render_fragment, see_other
from billing.web.screens.session import (
    CSRF_FIELD,
    LANGUAGE_COOKIE,
    PIN,
    SIGN_IN,
    bind_session,
    clear_session_cookie,
    find_session_of,
    language_of,
    own_path,
    page_of_form,
    require_form_token,
    require_own_origin,
    screen_session,
    set_session_cookie,
)
from billing.web.screens.texts import ScreenLanguage, translate

PLACE_COOKIE = "vienphi-place"
_COOKIE_LIFE_S = 400 * 24 * 3600
_KEPT = "kept."
_RESUME = "resume_path"
_KEPT_MAX = 200
_NOT_KEPT = frozenset(
    {CSRF_FIELD, "second_secret", "pin", "password", "present_password", "new_password", "repeat_password"}
)
"""The token of the ended session, and secrets: they are typed again."""


async def get_sign_in(request: web.Request) -> web.Response:
    """The sign-in page; a signed-in person goes on to the page that was requested."""
    following = own_path(request.query.get("next", "/"))
    session = await find_session_of(request)
    if session is not None and not session.stored.is_locked and "lang" not in request.query:
        return see_other(request, following)
    response = await _page(request, Form({"next": [following]}), errors=())
    if "lang" in request.query:
        response.set_cookie(
            LANGUAGE_COOKIE, language_of(request).value, max_age=_COOKIE_LIFE_S, httponly=True, samesite="Lax"
        )
    return response


async def post_sign_in(request: web.Request) -> web.Response:
    """Open a session. A rejection shows the form again, with one sentence for every reason."""
    require_own_origin(request)
    form = await read_form(request)
    app = app_state(request)
    await app.anonymous.admit_miss(source_address(request))
    place = await _place(request, form.text("place"))
    if place is None:
        return await _rejected(request, form, FormError("place", _t(request, "signin.unknown_place")))
    organization_id, desk_id = place
    try:
        cookie = await sign_in(
            app.context,
            organization_id,
            (form.text("login_name").lower(), form.fields.get("password", [""])[0]),
            place=_sign_in_place(request, desk_id),
            limits=app.limits.sign_in,
            passwords=app.passwords,
        )
    except SignInRejected:
        limits = app.limits.sign_in
        text = _t(
            request,
            "signin.rejected",
            attempts=limits.password_attempts_max,
            minutes=int(limits.password_lock.total_seconds() // 60),
        )
        return await _rejected(request, form, FormError("password", text))
    except DeskNotAllowed as error:
        return await _rejected(request, form, FormError("place", error_text(request, error)))
    stored = await find_session(app.context, cookie, app.limits.sign_in)
    assert stored is not None, "opened just now"
    response = _signed_in(request, form, stored, cookie)
    set_session_cookie(request, response, cookie)
    response.set_cookie(
        PLACE_COOKIE, form.text("place"), max_age=_COOKIE_LIFE_S, httponly=True, samesite="Lax", path="/"
    )
    return response


async def get_pin(request: web.Request) -> web.Response:
    """The page where a person of the desk continues with a PIN."""
    session = await find_session_of(request)
    if session is None:
        return see_other(request, SIGN_IN)
    return await _pin_page(request, session.stored, own_path(request.query.get("next", "/")))


async def post_pin(request: web.Request) -> web.Response:
    """Change the person at the desk, or open the locked screen."""
    session = await find_session_of(request)
    if session is None:
        return see_other(request, SIGN_IN)
    await require_form_token(request, session)
    form = await read_form(request)
    app = app_state(request)
    following = own_path(form.text("next") or "/")
    person_id = _id(form.text("person"))
    try:
        if person_id is None:
            raise PinRejected("no person is chosen", attempts_left=app.limits.sign_in.pin_attempts_max)
        cookie = await change_person(
            app.context,
            session.stored,
            PersonId(person_id),
            form.text("pin"),
            place=_sign_in_place(request, None if session.desk is None else session.desk.id),
            limits=app.limits.sign_in,
            passwords=app.passwords,
        )
    except PinRejected as error:
        minutes = int(app.limits.sign_in.pin_lock.total_seconds() // 60)
        key = "signin.pin_wrong" if error.attempts_left else "signin.pin_locked"
        text = _t(request, key, left=error.attempts_left, minutes=minutes)
        return await _pin_page(request, session.stored, following, chosen=person_id, error=text)
    is_same = person_id == session.stored.person_id
    response = see_other(request, following if is_same else "/")
    set_session_cookie(request, response, cookie)
    return response


async def post_lock(request: web.Request) -> web.Response:
    """Lock the screen; the page that was open follows after the PIN."""
    session = await find_session_of(request)
    if session is None:
        return see_other(request, SIGN_IN)
    await require_form_token(request, session)
    form = await read_form(request)
    await lock(app_state(request).context, session.stored)
    following = own_path(form.text("next") or "/")
    return see_other(request, f"{PIN}?next={quote(following, safe='')}")


async def post_sign_out(request: web.Request) -> web.Response:
    """End the session."""
    session = await find_session_of(request)
    response = see_other(request, SIGN_IN)
    if session is not None:
        await require_form_token(request, session)
        await sign_out(app_state(request).context, session.stored)
    clear_session_cookie(request, response)
    return response


async def sign_in_again(request: web.Request) -> web.Response:
    """The answer to a form whose session has ended: sign in again, and nothing that was typed is lost."""
    require_own_origin(request)
    form = await read_form(request)
    if "HX-Request" in request.headers:
        response = render_fragment(
            request,
            "signin/again_fragment.html",
            status=HTTPStatus.UNAUTHORIZED,
            errors=(),
            login_name=form.text("page_login"),
            place=request.cookies.get(PLACE_COOKIE, ""),
        )
        response.headers["HX-Retarget"] = "#session-dialog"
        response.headers["HX-Reswap"] = "innerHTML"
        return response
    kept = {f"{_KEPT}{name}": list(values) for name, values in form.fields.items() if name not in _NOT_KEPT}
    fields = {"next": [own_path(page_of_form(request))], _RESUME: [own_path(request.path_qs)], **kept}
    return await _page(request, Form(fields), errors=(), status=HTTPStatus.UNAUTHORIZED)


OPEN_SCREENS = (
    Route(method="GET", path=SIGN_IN, handler=get_sign_in),
    Route(method="POST", path=SIGN_IN, handler=post_sign_in),
    Route(method="GET", path=PIN, handler=get_pin),
    Route(method="POST", path=PIN, handler=post_pin),
    Route(method="POST", path="/lock", handler=post_lock),
    Route(method="POST", path="/sign-out", handler=post_sign_out),
)
"""Pages without a right: they open, lock and end sessions, and check the session themselves."""


def _signed_in(request: web.Request, form: Form, stored: Session, cookie: str) -> web.Response:
    """The answer to a sign-in: the page that was requested, the kept form, or the page under the dialog."""
    parts = split_cookie(cookie)
    assert parts is not None, "written just now"
    if "HX-Request" in request.headers:
        if form.text("page_login") != stored.login_name:
            return see_other(request, "/")  # The page shows the work of another person.
        response = render_fragment(request, "signin/signed_in_fragment.html")
        token = screen_session(stored, parts[1]).csrf_token
        response.headers["HX-Trigger"] = f'{{"session-renewed": {{"token": "{token}"}}}}'
        return response
    if form.text(_RESUME) and not stored.must_change_password:
        session = bind_session(request, stored, cookie)
        return render(
            request,
            "signin/resume.html",
            action=own_path(form.text(_RESUME)),
            next=own_path(form.text("next") or "/"),
            csrf_token=session.csrf_token,
            fields=[(name.removeprefix(_KEPT), value) for name, value in _kept(form) if name.startswith(_KEPT)],
        )
    return see_other(request, own_path(form.text("next") or "/"))


async def _rejected(request: web.Request, form: Form, error: FormError) -> web.Response:
    if "HX-Request" in request.headers:
        return render_fragment(
            request,
            "signin/again_fragment.html",
            status=HTTPStatus.UNPROCESSABLE_ENTITY,
            errors=(error,),
            login_name=form.text("login_name"),
            place=form.text("place"),
        )
    return await _page(request, form, errors=(error,), status=HTTPStatus.UNPROCESSABLE_ENTITY)


async def _page(
    request: web.Request, form: Form, *, errors: Sequence[FormError], status: HTTPStatus = HTTPStatus.OK
) -> web.Response:
    app = app_state(request)
    hospitals = await app.hospitals.list()
    places = _places(request, hospitals)
    return render(
        request,
        "signin/password.html",
        status=status,
        hospital_name=hospitals[0].name if hospitals else "vienphi",
        places=places if len(places) > 1 else [],
        place=form.text("place") or request.cookies.get(PLACE_COOKIE, ""),
        login_name=form.text("login_name"),
        next=own_path(form.text("next") or "/"),
        kept=_kept(form),
        is_again=bool(form.text(_RESUME)),
        errors=errors,
        phones=sorted({phone.phone for each in hospitals for phone in await app.desk_phones.find(each.id)})[:3],
        now=app.context.clock(),
    )


async def _pin_page(
    request: web.Request, stored: Session, following: str, *, chosen: UUID | None = None, error: str = ""
) -> web.Response:
    context = app_state(request).context
    persons = await list_desk_persons(context, stored)
    receipts = await list_last_receipts(context, stored.organization_id, stored.desk.id) if stored.desk else []
    return render(
        request,
        "signin/pin.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if error else HTTPStatus.OK,
        persons=persons,
        chosen=chosen or stored.person_id,
        error=error,
        next=following,
        receipts=receipts,
        has_desk=stored.desk is not None,
    )


def _kept(form: Form) -> list[tuple[str, str]]:
    """The fields of a kept form, to be carried by the sign-in page."""
    return [
        (name, value)
        for name, values in list(form.fields.items())[:_KEPT_MAX]
        for value in values
        if name.startswith(_KEPT) or name == _RESUME
    ]


def _places(request: web.Request, hospitals: Sequence[Hospital]) -> list[tuple[str, str]]:
    """Every desk, and no desk, of every hospital as a choice: `1/{desk}`, `1/`."""
    places = []
    for hospital in hospitals:
        prefix = "training_" if hospital.is_training else ""
        for desk in hospital.desks:
            text = _t(request, f"signin.{prefix}desk", hospital=hospital.name, desk=desk.name)
            places.append((f"{hospital.id}/{desk.id}", text))
        places.append((f"{hospital.id}/", _t(request, f"signin.{prefix}no_desk", hospital=hospital.name)))
    return places


async def _place(request: web.Request, text: str) -> tuple[OrganizationId, DeskId | None] | None:
    """The chosen workplace; the only one of the installation need not be chosen. None: no such workplace."""
    hospitals = await app_state(request).hospitals.list()
    choices = {value for value, _ in _places(request, hospitals)}
    if not text and len(choices) == 1:
        [text] = choices
    if text not in choices:
        return None
    organization, _, desk = text.partition("/")
    return OrganizationId(int(organization)), DeskId(UUID(desk)) if desk else None


def _sign_in_place(request: web.Request, desk_id: DeskId | None) -> SignInPlace:
    return SignInPlace(
        desk_id=desk_id, address=source_address(request)[:45], browser=request.headers.get("User-Agent", "")
    )


def _id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _t(request: web.Request, key: str, **values: object) -> str:
    language: ScreenLanguage = language_of(request)
    return translate(language, key, **values)

"""The session of a request to the screens, and its guards: sign-in, form token, right, facility.

`signin.py` opens sessions. The guards wrap every handler of the table `SCREENS`.
"""

import hmac
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from aiohttp import web

from billing.core.actor import Role
from billing.organizations.domain.api_key import hash_secret
from billing.organizations.domain.sessions import Session, SessionDesk, form_token, split_cookie
from billing.organizations.service.api_keys import Caller, NotAuthenticated, NotPermitted
from billing.organizations.service.sessions import find_session
from billing.web.app_state import LOG_FIELDS, app_state
from billing.web.client_address import source_address
from billing.web.posted_forms import read_posted
from billing.web.screens.texts import ScreenLanguage

LANGUAGE_COOKIE = "vienphi-language"
_CUSTOMER_DISPLAY = "/display/"
_COOKIE = "vienphi"
_SECURE_COOKIE = "__Host-vienphi"
SIGN_IN = "/sign-in"
PIN = "/sign-in/pin"
OWN_PASSWORD = "/my/password"  # noqa: S105 - a path
CSRF_FIELD = "csrf_token"
CSRF_HEADER = "X-CSRF-Token"
REFRESH = "refresh"
"""The query parameter of what a page requests by itself, as in `/desk/waiting?refresh`: nobody uses the session."""
_KNOWN_MAX = 10_000
_NO_SESSION = NotAuthenticated("sign in")


class FormNotOurs(NotPermitted):
    """A form without the token of the session, or from another site."""

    code = "form_not_ours"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreenSession:
    """The session of a request. `caller` is the person as services and rights know them.

    `facility` is the code of the desk's facility; None without a desk. `stored` is the session itself.
    """

    caller: Caller
    person_name: str
    roles: frozenset[Role]
    facility: str | None
    desk: SessionDesk | None
    hospital: str
    language: ScreenLanguage
    is_training: bool
    csrf_token: str
    stored: Session


SCREEN_SESSION = web.RequestKey("screen_session", ScreenSession)
SCREEN_LANGUAGE = web.RequestKey("screen_language", ScreenLanguage)


def current(request: web.Request) -> ScreenSession:
    """The session of a request; a handler of `SCREENS` always has one."""
    return request[SCREEN_SESSION]


def current_or_none(request: web.Request) -> ScreenSession | None:
    """The session of a request, or None before sign-in."""
    return request.get(SCREEN_SESSION)


def language_of(request: web.Request) -> ScreenLanguage:
    """The language of the session; before sign-in that of the query `lang` or of the cookie, else Vietnamese.

    The customer display has that of its customer, which its address may state.
    """
    session = current_or_none(request)
    if session is not None and not (request.path.startswith(_CUSTOMER_DISPLAY) and "lang" in request.query):
        return session.language
    wanted = request.query.get("lang") or request.cookies.get(LANGUAGE_COOKIE)
    return ScreenLanguage.ENGLISH if wanted == ScreenLanguage.ENGLISH else ScreenLanguage.VIETNAMESE


def screen_session(stored: Session, secret: str) -> ScreenSession:
    """A stored session as the screens use it."""
    return ScreenSession(
        caller=Caller(
            stored.organization_id,
            stored.actor,
            name=f"person {stored.person_id}",
            roles=stored.roles,
            facility_codes=stored.facility_codes,
        ),
        person_name=stored.person_name,
        roles=stored.roles,
        facility=None if stored.desk is None else stored.desk.facility_code,
        desk=stored.desk,
        hospital=stored.organization_name,
        language=ScreenLanguage(stored.language),
        is_training=stored.is_training,
        csrf_token=form_token(secret),
        stored=stored,
    )


def bind_session(request: web.Request, stored: Session, cookie: str) -> ScreenSession:
    """Make a stored session the session of a request."""
    parts = split_cookie(cookie)
    assert parts is not None, "a session was found by it"
    session = screen_session(stored, parts[1])
    request[SCREEN_SESSION] = session
    request[LOG_FIELDS]["organization"] = stored.organization_id
    return session


def sign_in_address(request: web.Request) -> str:
    """The sign-in page that leads back to the page of a request; a form leads back to the page it stood on."""
    return f"{SIGN_IN}?next={quote(address_of(request), safe='')}"


def address_of(request: web.Request) -> str:
    """The page of a request, as path and query; of a form or a refresh, the page on which it stood."""
    is_read = request.method in ("GET", "HEAD") and REFRESH not in request.query
    return own_path(request.path_qs if is_read else page_of_form(request))


def page_of_form(request: web.Request) -> str:
    """Path and query of the page on which a form or a refresh stood; empty where the browser does not state it."""
    address = request.headers.get("HX-Current-URL", request.headers.get("Referer", ""))
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    return parts.path + (f"?{parts.query}" if parts.query else "")


def own_path(text: str) -> str:
    """A path of this service to continue with; anything else becomes the start page."""
    is_own = text.startswith("/") and not text.startswith(("//", "/\\")) and text.isprintable() and len(text) <= 1_000
    return text if is_own else "/"


def is_https(request: web.Request) -> bool:
    """Whether the browser reached us over https, also through a proxy of ours or under our public address."""
    return request.secure or app_state(request).context.public_base_url.startswith("https://")


def session_cookie(request: web.Request) -> str:
    """The session cookie of a request; empty without one."""
    return request.cookies.get(_SECURE_COOKIE if is_https(request) else _COOKIE, "")


def set_session_cookie(request: web.Request, response: web.Response, value: str) -> None:
    """Give the browser its session: no script reads the cookie, no other site sends it with a form."""
    name, secure = (_SECURE_COOKIE, True) if is_https(request) else (_COOKIE, False)
    response.set_cookie(name, value, path="/", httponly=True, secure=secure, samesite="Lax")


def clear_session_cookie(request: web.Request, response: web.Response) -> None:
    """Remove the session cookie from the browser."""
    name, secure = (_SECURE_COOKIE, True) if is_https(request) else (_COOKIE, False)
    response.del_cookie(name, path="/", httponly=True, secure=secure, samesite="Lax")


def require_own_origin(request: web.Request) -> None:
    """Check that a form comes from a page of this service. Raises FormNotOurs."""
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    origin = request.headers.get("Origin")
    if site not in ("same-origin", "none") or (origin is not None and urlsplit(origin).netloc != request.host):
        raise FormNotOurs("this form comes from another site")


async def require_form_token(request: web.Request, session: ScreenSession) -> None:
    """Check the origin and the token of a form. Raises FormNotOurs."""
    require_own_origin(request)
    given = request.headers.get(CSRF_HEADER)
    if given is None:
        form = await read_posted(request)
        field = form.get(CSRF_FIELD)
        given = field if isinstance(field, str) else ""
    if not hmac.compare_digest(given.encode(), session.csrf_token.encode()):
        raise FormNotOurs("this form was made for another session; open the page again")


async def find_session_of(request: web.Request) -> ScreenSession | None:
    """The open session of the cookie of a request, bound to the request; None without one.

    An unknown cookie is a miss of an anonymous client. Raises TooManyRequests, Unavailable.
    """
    cookie = session_cookie(request)
    if split_cookie(cookie) is None:
        return None
    app = app_state(request)
    hashed = hash_secret(cookie)

    async def find() -> Session:
        is_use = REFRESH not in request.query
        found = await find_session(app.context, cookie, app.limits.sign_in, is_use=is_use)
        if found is None:
            raise _NO_SESSION
        return found

    try:
        if hashed in app.known_sessions:
            stored = await find()
        else:
            stored = await app.anonymous.look_up(source_address(request), hashed, find, missing=_NO_SESSION)
    except NotAuthenticated:
        app.known_sessions.discard(hashed)
        return None
    if len(app.known_sessions) >= _KNOWN_MAX:
        app.known_sessions.clear()
    app.known_sessions.add(hashed)
    return bind_session(request, stored, cookie)

"""Users: persons with their roles and sign-in accounts, for administrators; an auditor reads them.

GET  /admin/users                     the list, with the person of `person` next to it
POST /admin/users/{id}/password       give a generated password, shown once
POST /admin/users/{id}/pin            remove the PIN
POST /admin/users/{id}/disable        disable the account; /enable enables it again
POST /admin/users/{id}/sessions       end every session
"""

from uuid import UUID

from aiohttp import web

from billing.core.actor import Role
from billing.core.errors import NotFound
from billing.core.ids import PersonId
from billing.organizations.domain.rights import Right, roles_with
from billing.organizations.service.sign_in_accounts import (
    end_sessions_of,
    list_accounts,
    remove_pin,
    reset_password,
    set_account_enabled,
)
from billing.web.app_state import app_state
from billing.web.screens.rendering import render, see_other
from billing.web.screens.session import current

USERS = "/admin/users"

_SHOWN = (
    ("users.may_collect", Right.COLLECT),
    ("users.may_confirm", Right.CONFIRM_MANUALLY),
    ("users.may_void", Right.VOID_RECEIPT),
    ("users.may_accept_cash", Right.ACCEPT_HAND_OVER),
    ("users.may_refund", Right.REFUND),
    ("users.may_reconcile", Right.RECONCILE),
    ("users.may_close", Right.CLOSE_DAY),
    ("users.may_read_books", Right.READ_BOOKS),
    ("users.may_set_up", Right.SET_UP_DESKS),
)
"""Rights that distinguish roles, with their texts."""


async def get_users(request: web.Request) -> web.Response:
    """Every person of the organization; the chosen person with what can be changed."""
    return await _page(request, _id(request.query["person"]) if request.query.get("person") else None)


async def post_password_reset(request: web.Request) -> web.Response:
    """Give a person a generated password, shown on this answer alone; their sessions end."""
    session, person_id = current(request), _person(request)
    app = app_state(request)
    password = await reset_password(
        app.context,
        session.caller.organization_id,
        person_id,
        actor=session.caller.actor,
        passwords=app.passwords,
    )
    return await _page(request, person_id, password=password)


async def post_pin_removal(request: web.Request) -> web.Response:
    """Remove the PIN of a person."""
    session, person_id = current(request), _person(request)
    context = app_state(request).context
    await remove_pin(context, session.caller.organization_id, person_id, actor=session.caller.actor)
    return see_other(request, f"{USERS}?person={person_id}")


async def post_disabling(request: web.Request) -> web.Response:
    """Disable an account; its sessions end at once."""
    return await _set_enabled(request, is_enabled=False)


async def post_enabling(request: web.Request) -> web.Response:
    """Enable an account again."""
    return await _set_enabled(request, is_enabled=True)


async def post_sessions_end(request: web.Request) -> web.Response:
    """End every session of a person."""
    session, person_id = current(request), _person(request)
    context = app_state(request).context
    await end_sessions_of(context, session.caller.organization_id, person_id, actor=session.caller.actor)
    return see_other(request, f"{USERS}?person={person_id}")


async def _set_enabled(request: web.Request, *, is_enabled: bool) -> web.Response:
    session, person_id = current(request), _person(request)
    await set_account_enabled(
        app_state(request).context,
        session.caller.organization_id,
        person_id,
        is_enabled=is_enabled,
        actor=session.caller.actor,
    )
    return see_other(request, f"{USERS}?person={person_id}")


async def _page(request: web.Request, person_id: PersonId | None, *, password: str = "") -> web.Response:
    session = current(request)
    context = app_state(request).context
    accounts = await list_accounts(context, session.caller.organization_id)
    chosen = next((each for each in accounts if each.person_id == person_id), None)
    if person_id is not None and chosen is None:
        raise NotFound("no such person")
    return render(
        request,
        "admin/users.html",
        accounts=accounts,
        chosen=chosen,
        password=password,
        rights=_rights_of(chosen.roles) if chosen is not None else (),
        may_change=session.caller.has(Right.CHANGE_SIGN_IN),
        open_sessions=sum(each.open_sessions for each in accounts),
        now=context.clock(),
    )


def _rights_of(roles: frozenset[Role]) -> list[tuple[str, bool]]:
    """Actions of a person with these roles, each with whether it is allowed."""
    return [(key, not roles_with(right).isdisjoint(roles)) for key, right in _SHOWN]


def _person(request: web.Request) -> PersonId:
    return _id(request.match_info["id"])


def _id(text: str) -> PersonId:
    try:
        return PersonId(UUID(text))
    except ValueError:
        raise NotFound("no such person") from None

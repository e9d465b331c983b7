"""A second person decides at the screen of another one: verified by PIN or password, without a session. Use cases.

Attempts count as those of a sign-in do. Source: docs/ux.md, States and actions; docs/design.md §3.5.
"""

from dataclasses import dataclass

from billing.core.actor import Actor, ActorKind, Role
from billing.core.errors import NotFound, Refused
from billing.core.ids import OrganizationId, PersonId
from billing.db.context import Context
from billing.db.database import Transaction
from billing.organizations.domain.rights import Right, roles_with
from billing.organizations.domain.sessions import SignInLimits, is_pin
from billing.organizations.service.passwords import Passwords
from billing.organizations.store.sign_in_accounts import (
    Credentials,
    ListedAccount,
    count_password_attempt,
    count_pin_attempt,
    read_accounts,
    reset_password_attempts,
    reset_pin_attempts,
)


class SecondPersonRejected(Refused):
    """The PIN or password of the second person is wrong, or the account is locked or disabled."""

    code = "second_person_rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondPerson:
    """A person who may decide at the screen of another one."""

    id: PersonId
    name: str
    roles: frozenset[Role]


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedPerson:
    """A person who has given their PIN or password; `facility_codes` None: all facilities."""

    actor: Actor
    roles: frozenset[Role]
    facility_codes: frozenset[str] | None


async def list_second_persons(
    context: Context,
    organization_id: OrganizationId,
    right: Right,
    *,
    other_than: PersonId | None,
    facility_code: str | None,
) -> list[SecondPerson]:
    """The persons with a right and an enabled account, by name; of the facility where one is named."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        accounts = await read_accounts(tx, now=context.clock())
    return [
        SecondPerson(id=account.person_id, name=account.name, roles=account.roles)
        for account in accounts
        if account.person_id != other_than and _may(account, right, facility_code)
    ]


async def verify_person(
    context: Context,
    organization_id: OrganizationId,
    person_id: PersonId,
    secret: str,
    *,
    limits: SignInLimits,
    passwords: Passwords,
) -> VerifiedPerson:
    """The person with this PIN (six digits) or password.

    The attempt is counted before it is checked. Raises NotFound, SecondPersonRejected.
    """
    now = context.clock()
    async with context.database.transaction(organization_id) as tx:
        account = next((one for one in await read_accounts(tx, now=now) if one.person_id == person_id), None)
        if account is None or account.login_name is None:
            raise NotFound("no such person with an account", field="second_person")
        credentials = await _count(tx, context, account, secret, limits)
    stored = None
    if credentials is not None:
        stored = credentials.pin_hash if is_pin(secret) else credentials.password_hash
    is_right = await passwords.verify(stored, secret)
    if credentials is None or not is_right or credentials.is_locked:
        raise SecondPersonRejected(
            "the PIN or password of the second person is wrong, or their account is locked", field="second_secret"
        )
    async with context.database.transaction(organization_id) as tx:
        await (reset_pin_attempts if is_pin(secret) else reset_password_attempts)(tx, person_id)
    return VerifiedPerson(
        actor=Actor(ActorKind.PERSON, person_id, person_id),
        roles=account.roles,
        facility_codes=None if account.facility_codes is None else frozenset(account.facility_codes),
    )


async def _count(
    tx: Transaction, context: Context, account: ListedAccount, secret: str, limits: SignInLimits
) -> Credentials | None:
    now = context.clock()
    if is_pin(secret):
        return await count_pin_attempt(
            tx,
            account.person_id,
            now=now,
            attempts_max=limits.pin_attempts_max,
            locked_until=now + limits.pin_lock,
        )
    assert account.login_name is not None, "the caller has checked it"
    return await count_password_attempt(
        tx,
        account.login_name,
        now=now,
        attempts_max=limits.password_attempts_max,
        locked_until=now + limits.password_lock,
    )


def _may(account: ListedAccount, right: Right, facility_code: str | None) -> bool:
    reaches = account.facility_codes is None or facility_code is None or facility_code in account.facility_codes
    has_account = account.login_name is not None and account.disabled_at is None
    return has_account and reaches and not account.roles.isdisjoint(roles_with(right))

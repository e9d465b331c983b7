"""Sign-in accounts. Use cases.

The owner's command adds them. Persons change their own password and PIN; administrators set those of others, disable
accounts and end sessions.

The service's role can add no account: `SignInSetup` needs the owner's. Source: docs/design.md §3.8.
"""

import secrets
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass

from asyncpg import CheckViolationError, ForeignKeyViolationError, UniqueViolationError

from billing.core.actor import Actor, Role
from billing.core.approvals import person_name as clean_name
from billing.core.errors import InvalidValue, NotFound, Refused
from billing.core.ids import OrganizationId, PersonId
from billing.db.context import Clock, Context, Ids
from billing.db.database import Database
from billing.db.tenants import NO_ORGANIZATION
from billing.ledger.service.audit import note
from billing.ledger.store.journal import write_audit
from billing.organizations.domain.sessions import Session, is_login_name, is_pin
from billing.organizations.service.passwords import Passwords
from billing.organizations.store.api_keys import add_person, find_persons, grant_roles
from billing.organizations.store.sessions import end_sessions
from billing.organizations.store.sign_in_accounts import (
    ListedAccount,
    add_account,
    find_password_hash,
    has_account,
    read_accounts,
    set_disabled,
    set_password_hash,
    set_pin_hash,
)

PASSWORD_LENGTH_MIN = 10
_PASSWORD_LENGTH_MAX = 200
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
"""Letters of a generated password that nobody confuses when it is read aloud."""


class WrongPassword(InvalidValue):
    """The present password, which a change of password or PIN needs, is wrong."""

    code = "wrong_password"


class WeakPassword(InvalidValue):
    """A password of fewer than 10 or more than 200 characters, of one character, or equal to the login name."""

    code = "weak_password"


class WeakPin(InvalidValue):
    """A PIN that is not six digits, or a sequence or repetition."""

    code = "weak_pin"


class LoginNameTaken(Refused):
    """Another person has this login name, or this person has an account already."""

    code = "login_name_taken"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAccount:
    """A person with an account. `password` None: one is generated, and the person must change it.

    `facility_codes` None: all facilities.
    """

    person_name: str
    roles: Collection[Role]
    login_name: str
    password: str | None = None
    pin: str | None = None
    facility_codes: Collection[str] | None = None


class SignInSetup:
    """Adds accounts. `database` is opened with the owner's role."""

    def __init__(self, database: Database, clock: Clock, ids: Ids, passwords: Passwords | None = None) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._passwords = passwords or Passwords()

    async def add(self, organization_id: OrganizationId, new: NewAccount) -> str:
        """Add an account, and its person where no person has the name; returns the password.

        A known person is granted the roles. Raises InvalidValue, LoginNameTaken, NotFound.
        """
        if not is_login_name(new.login_name):
            raise InvalidValue("a login name is 2 to 40 of a-z, 0-9, point, hyphen, underscore", field="login_name")
        password = new.password or generate_password()
        password_hash = await self._passwords.hash(_checked(password, login_name=new.login_name))
        pin_hash = None if new.pin is None else await self._passwords.hash(_checked_pin(new.pin))
        name, now = clean_name(new.person_name), self._clock()
        try:
            async with self._database.transaction(organization_id) as tx:
                known = await find_persons(tx, name)
                person_id = known[0] if known else PersonId(self._ids.new())
                if known:
                    await grant_roles(tx, person_id, new.roles)
                else:
                    await add_person(tx, person_id, name=name, roles=new.roles)
                await add_account(
                    tx,
                    person_id,
                    login_name=new.login_name,
                    password_hash=password_hash,
                    at=now,
                    facility_codes=new.facility_codes,
                    must_change=new.password is None,
                )
                if pin_hash is not None:
                    await set_pin_hash(tx, person_id, pin_hash)
                await write_audit(
                    tx,
                    self._ids.new(),
                    recorded_at=now,
                    actor=Actor.system(),
                    action="sign_in_account_added",
                    subject=("person", person_id),
                )
        except UniqueViolationError as error:
            raise LoginNameTaken("the login name is taken, or the person has an account", field="login_name") from error
        except ForeignKeyViolationError as error:
            raise NotFound(NO_ORGANIZATION, field="organization") from error
        except CheckViolationError as error:
            raise InvalidValue("a facility code, role or name is not written as it must be") from error
        return password


async def list_accounts(context: Context, organization_id: OrganizationId) -> list[ListedAccount]:
    """All persons with their accounts, by name."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        return await read_accounts(tx, now=context.clock())


async def change_own_password(
    context: Context, session: Session, *, present: str, new: str, passwords: Passwords
) -> None:
    """Replace the own password and end the other sessions of the person. Raises WrongPassword, WeakPassword."""
    await _require_password(context, session, present, passwords)
    password_hash = await passwords.hash(_checked(new, login_name=session.login_name, field="new_password"))
    async with context.database.transaction(session.organization_id) as tx:
        await set_password_hash(tx, session.person_id, password_hash, at=context.clock(), must_change=False)
        await end_sessions(tx, session.person_id, context.clock(), but=session.id)
        await note(tx, context, session.actor, "password_changed", ("person", session.person_id))


async def change_own_pin(context: Context, session: Session, *, present: str, pin: str, passwords: Passwords) -> None:
    """Set the own PIN. Raises WrongPassword, WeakPin."""
    checked = _checked_pin(pin)
    await _require_password(context, session, present, passwords)
    pin_hash = await passwords.hash(checked)
    async with context.database.transaction(session.organization_id) as tx:
        await set_pin_hash(tx, session.person_id, pin_hash)
        await note(tx, context, session.actor, "pin_changed", ("person", session.person_id))


async def reset_password(
    context: Context, organization_id: OrganizationId, person_id: PersonId, *, actor: Actor, passwords: Passwords
) -> str:
    """Give a person a generated password, which they must change; returns it. Their sessions end. Raises NotFound."""
    password = generate_password()
    password_hash = await passwords.hash(password)
    now = context.clock()
    async with context.database.transaction(organization_id) as tx:
        if not await set_password_hash(tx, person_id, password_hash, at=now, must_change=True):
            raise NotFound("this person has no sign-in account", field="person")
        await end_sessions(tx, person_id, now)
        await note(tx, context, actor, "password_reset", ("person", person_id))
    return password


async def remove_pin(context: Context, organization_id: OrganizationId, person_id: PersonId, *, actor: Actor) -> None:
    """Remove the PIN of a person, who sets a new one with their password. Raises NotFound."""
    async with context.database.transaction(organization_id) as tx:
        if not await set_pin_hash(tx, person_id, None):
            raise NotFound("this person has no sign-in account", field="person")
        await note(tx, context, actor, "pin_removed", ("person", person_id))


async def set_account_enabled(
    context: Context, organization_id: OrganizationId, person_id: PersonId, *, is_enabled: bool, actor: Actor
) -> None:
    """Disable an account, which ends its sessions, or enable it again. Raises NotFound, Refused for the own account."""
    if person_id == actor.person and not is_enabled:
        raise Refused("nobody disables their own account; another administrator can", field="person")
    now = context.clock()
    async with context.database.transaction(organization_id) as tx:
        if not await set_disabled(tx, person_id, None if is_enabled else now):
            raise NotFound("this person has no sign-in account", field="person")
        if not is_enabled:
            await end_sessions(tx, person_id, now)
        action = "sign_in_account_enabled" if is_enabled else "sign_in_account_disabled"
        await note(tx, context, actor, action, ("person", person_id))


async def end_sessions_of(
    context: Context, organization_id: OrganizationId, person_id: PersonId, *, actor: Actor
) -> None:
    """End every session of a person. Raises NotFound."""
    async with context.database.transaction(organization_id) as tx:
        if not await has_account(tx, person_id):
            raise NotFound("this person has no sign-in account", field="person")
        await end_sessions(tx, person_id, context.clock())
        await note(tx, context, actor, "sessions_ended", ("person", person_id))


def generate_password() -> str:
    """A password of four groups of four letters: 79 random bits, easily read aloud."""
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(4))


async def _require_password(context: Context, session: Session, present: str, passwords: Passwords) -> None:
    async with context.database.transaction(session.organization_id, read_only=True) as tx:
        stored = await find_password_hash(tx, session.person_id)
    if not await passwords.verify(stored, present):
        raise WrongPassword("the present password is wrong", field="present_password")


def _checked(password: str, *, login_name: str, field: str = "password") -> str:
    text = unicodedata.normalize("NFC", password)
    is_long = PASSWORD_LENGTH_MIN <= len(text) <= _PASSWORD_LENGTH_MAX
    if not is_long or len(set(text)) < 4 or text.casefold() == login_name.casefold():
        raise WeakPassword(
            f"a password has {PASSWORD_LENGTH_MIN} to {_PASSWORD_LENGTH_MAX} characters, four different ones at least, "
            "and differs from the login name",
            field=field,
        )
    return text


def _checked_pin(pin: str) -> str:
    if not is_pin(pin):
        raise WeakPin("a PIN has six digits and is no sequence or repetition", field="pin")
    return pin

"""Sessions on the screens: sign in, change the person at a desk with a PIN, lock, sign out, list and end. Use cases.

A wrong attempt is counted before it is checked and commits by itself. Every rejection of a password takes as long as a
right one and has one sentence, so that nobody learns which login names exist. `sign_in_accounts.py` sets passwords.
Source: docs/design.md §3.8.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from uuid import UUID

from billing.core.actor import Actor, ActorKind
from billing.core.clock import VIETNAM, business_date
from billing.core.errors import BillingError, NotFound, Refused
from billing.core.ids import DeskId, OrganizationId, PersonId
from billing.db.context import Context
from billing.db.database import Transaction
from billing.ledger.service.audit import note
from billing.organizations.domain.api_key import hash_secret
from billing.organizations.domain.sessions import Session, SignInLimits, split_cookie, write_cookie
from billing.organizations.service.passwords import Passwords
from billing.organizations.store.desks import Desk, read_desks
from billing.organizations.store.sessions import (
    DeskPerson,
    ListedSession,
    NewSession,
    add_session,
    end_session,
    find_hospital,
    find_open_session,
    lock_session,
    note_use,
    read_desk_persons,
    read_open_sessions,
)
from billing.organizations.store.sign_in_accounts import (
    count_password_attempt,
    count_pin_attempt,
    read_facility_codes,
    read_pin_attempts,
    reset_password_attempts,
    reset_pin_attempts,
    set_language,
)

KEPT = timedelta(seconds=10)
"""The longest time that the sign-in page lacks a new desk."""

_SECRET_BYTES = 32
_BROWSER_MAX = 200
_SEEN_EVERY = timedelta(seconds=60)
"""The use of a session is recorded at most this often."""


class SignInRejected(BillingError):
    """No such account, a wrong password, or a locked or disabled account; the response never states which."""

    code = "sign_in_rejected"


class PinRejected(BillingError):
    """A wrong PIN, or a PIN that is locked; `attempts_left` is 0 while it is locked."""

    code = "pin_rejected"

    def __init__(self, detail: str, *, attempts_left: int) -> None:
        super().__init__(detail, field="pin")
        self.attempts_left = attempts_left


class DeskNotAllowed(Refused):
    """The account is limited to other facilities than that of the desk."""

    code = "desk_not_allowed"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInPlace:
    """Where a session is opened: the desk (None: no desk), the client address and the name of the browser."""

    desk_id: DeskId | None
    address: str
    browser: str


@dataclass(frozen=True, slots=True)
class Hospital:
    """An organization of the installation as the sign-in page lists it."""

    id: OrganizationId
    name: str
    is_training: bool
    desks: tuple[Desk, ...]


async def list_hospitals(context: Context) -> list[Hospital]:
    """Every organization of the installation with its desks, for the sign-in page; training organizations last."""
    numbers = await context.database.list_organizations()
    found = []
    for number in numbers:
        async with context.database.transaction(number, read_only=True) as tx:
            named = await find_hospital(tx)
            if named is not None:
                found.append(Hospital(number, named.name, named.is_training, tuple(await read_desks(tx))))
    return sorted(found, key=lambda hospital: (hospital.is_training, hospital.id))


class Hospitals:
    """The hospitals of the sign-in page, read at most once in KEPT: its clients are anonymous. One for each process."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._read_at: datetime | None = None
        self._hospitals: list[Hospital] = []

    async def list(self) -> list[Hospital]:
        """As `list_hospitals`, at most KEPT old."""
        now = self._context.clock()
        if self._read_at is None or abs(now - self._read_at) >= KEPT:
            self._read_at = now  # first, so that concurrent requests cause one read
            try:
                self._hospitals = await list_hospitals(self._context)
            except Exception:
                self._read_at = None
                raise
        return self._hospitals


async def sign_in(
    context: Context,
    organization_id: OrganizationId,
    credentials: tuple[str, str],
    *,
    place: SignInPlace,
    limits: SignInLimits,
    passwords: Passwords,
) -> str:
    """Open a session with a login name and a password; returns the value of its cookie.

    Raises SignInRejected, NotFound for an unknown desk, DeskNotAllowed for one of another facility than those of the
    account.
    """
    login_name, password = credentials
    now = context.clock()
    async with context.database.transaction(organization_id) as tx:
        account = await count_password_attempt(
            tx,
            login_name,
            now=now,
            attempts_max=limits.password_attempts_max,
            locked_until=now + limits.password_lock,
        )
    is_right = await passwords.verify(None if account is None else account.password_hash, password)
    if account is None or not is_right or account.is_locked:
        raise SignInRejected("the name or the password is wrong, or the account is locked or disabled")
    async with context.database.transaction(organization_id) as tx:
        await reset_password_attempts(tx, account.person_id)
        return await _open(tx, context, account.person_id, place=place, life=limits.life, has_password=True)


async def change_person(
    context: Context,
    session: Session,
    person_id: PersonId,
    pin: str,
    *,
    place: SignInPlace,
    limits: SignInLimits,
    passwords: Passwords,
) -> str:
    """Open a session for a person who signed in at this desk today, and end the present one; returns the cookie.

    Without a desk only the person of the session may do so. Raises PinRejected.
    """
    now = context.clock()
    allowed = {person.person_id for person in await list_desk_persons(context, session)}
    account = None
    async with context.database.transaction(session.organization_id) as tx:
        if person_id in allowed:
            account = await count_pin_attempt(
                tx, person_id, now=now, attempts_max=limits.pin_attempts_max, locked_until=now + limits.pin_lock
            )
        attempts = 0 if account is None else await read_pin_attempts(tx, person_id)
    is_right = await passwords.verify(None if account is None else account.pin_hash, pin)
    if account is None or not is_right or account.is_locked:
        is_locked = account is not None and account.is_locked
        left = 0 if is_locked else max(0, limits.pin_attempts_max - attempts)
        raise PinRejected("the PIN is wrong or locked", attempts_left=left)
    async with context.database.transaction(session.organization_id) as tx:
        await reset_pin_attempts(tx, person_id)
        await end_session(tx, session.id, session.person_id, now)
        return await _open(tx, context, person_id, place=place, life=limits.life, has_password=False)


async def find_session(context: Context, cookie: str, limits: SignInLimits, *, is_use: bool = True) -> Session | None:
    """The open session of a cookie, or None. Its use is recorded once a minute; a refresh of a page is no use."""
    parts = split_cookie(cookie)
    if parts is None:
        return None
    organization_id, secret = parts
    now = context.clock()
    reads = context.database.single_reads(organization_id)
    session = await find_open_session(reads, hash_secret(secret), now=now, seen_after=now - limits.idle)
    if session is not None and is_use and now - session.last_seen_at >= _SEEN_EVERY:
        async with context.database.transaction(organization_id) as tx:
            await note_use(tx, session.id, now)
    return session


async def list_desk_persons(context: Context, session: Session) -> list[DeskPerson]:
    """The persons who may continue at the desk of a session with their PIN: signed in there with a password today."""
    now = context.clock()
    if session.desk is None:
        own = DeskPerson(person_id=session.person_id, name=session.person_name, roles=session.roles)
        return [own] if session.has_pin else []
    midnight = datetime.combine(business_date(now), time(), VIETNAM)
    async with context.database.transaction(session.organization_id, read_only=True) as tx:
        return await read_desk_persons(tx, session.desk.id, since=midnight)


async def lock(context: Context, session: Session) -> None:
    """Lock a session: the desk requires a PIN."""
    async with context.database.transaction(session.organization_id) as tx:
        await lock_session(tx, session.id, context.clock())


async def sign_out(context: Context, session: Session) -> None:
    """End a session."""
    async with context.database.transaction(session.organization_id) as tx:
        await end_session(tx, session.id, session.person_id, context.clock())


async def list_sessions(context: Context, session: Session, limits: SignInLimits) -> Sequence[ListedSession]:
    """The open sessions of the person of a session, the newest first."""
    now = context.clock()
    async with context.database.transaction(session.organization_id, read_only=True) as tx:
        return await read_open_sessions(tx, session.person_id, now=now, seen_after=now - limits.idle)


async def end_own_session(context: Context, session: Session, session_id: UUID) -> None:
    """End another session of the same person. Raises NotFound."""
    async with context.database.transaction(session.organization_id) as tx:
        if not await end_session(tx, session_id, session.person_id, context.clock()):
            raise NotFound("no such open session", field="session")
        await note(tx, context, session.actor, "session_ended", ("screen_session", session_id))


async def choose_language(context: Context, session: Session, language: str) -> None:
    """Set the language of a person's screens."""
    async with context.database.transaction(session.organization_id) as tx:
        await set_language(tx, session.person_id, language)


async def _open(
    tx: Transaction,
    context: Context,
    person_id: PersonId,
    *,
    place: SignInPlace,
    life: timedelta,
    has_password: bool,
) -> str:
    now = context.clock()
    if place.desk_id is not None:
        facility = next((desk.facility_code for desk in await read_desks(tx) if desk.id == place.desk_id), None)
        if facility is None:
            raise NotFound("no such desk", field="place")
        codes = await read_facility_codes(tx, person_id)
        if codes is not None and facility not in codes:
            raise DeskNotAllowed("this account does not work at the facility of the desk", field="place")
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    session_id: UUID = context.ids.new()
    await add_session(
        tx,
        NewSession(
            id=session_id,
            person_id=person_id,
            secret_hash=hash_secret(secret),
            desk_id=place.desk_id,
            address=place.address,
            browser="".join(each for each in place.browser if each.isprintable())[:_BROWSER_MAX],
            created_at=now,
            password_at=now if has_password else None,
            expires_at=now + life,
        ),
    )
    actor = Actor(ActorKind.PERSON, person_id, person_id)
    await note(tx, context, actor, "session_opened", ("screen_session", session_id))
    return write_cookie(tx.organization_id, secret)

"""Sessions of persons on the screens; only hashes of their secrets are stored."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from billing.core.actor import Role
from billing.core.ids import DeskId, OrganizationId, PersonId
from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.db.single_reads import TenantReader
from billing.organizations.domain.sessions import Session, SessionDesk


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSession:
    """A session as it is opened. `password_at` is None where a PIN opened it."""

    id: UUID
    person_id: PersonId
    secret_hash: bytes
    desk_id: DeskId | None
    address: str
    browser: str
    created_at: datetime
    password_at: datetime | None
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedSession:
    """An open session in a list of a person."""

    id: UUID
    desk_name: str | None
    address: str
    browser: str
    created_at: datetime
    last_seen_at: datetime
    is_locked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskPerson:
    """A person who signed in with a password at a desk, and has a PIN."""

    person_id: PersonId
    name: str
    roles: frozenset[Role]


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedHospital:
    """The name of the organization; `is_training` where it is used to practise."""

    name: str
    is_training: bool


_HOSPITAL = """
    SELECT name, is_training FROM organization WHERE id = $1
"""


async def find_hospital(tx: Transaction) -> NamedHospital | None:
    """The organization of the transaction, or None."""
    row = await tx.fetchrow(_HOSPITAL, tx.organization_id)
    return None if row is None else read_row(NamedHospital, row)


_ADD = """
    INSERT INTO screen_session (organization_id, id, person_id, secret_hash, desk_id, address, browser, created_at,
        password_at, last_seen_at, expires_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $8, $10)
"""


async def add_session(tx: Transaction, new: NewSession) -> None:
    """Add a session."""
    await tx.execute(
        _ADD,
        tx.organization_id,
        new.id,
        new.person_id,
        new.secret_hash,
        new.desk_id,
        new.address,
        new.browser,
        new.created_at,
        new.password_at,
        new.expires_at,
    )


_FIND = """
    SELECT session.id, organization.name AS organization_name, organization.is_training, session.person_id,
        person.name AS person_name, account.login_name, person.roles, account.facility_codes, session.desk_id,
        desk.name AS desk_name, facility.code AS facility_code, facility.name AS facility_name, account.language,
        session.created_at, session.last_seen_at, session.expires_at, session.locked_at IS NOT NULL AS is_locked,
        account.pin_hash IS NOT NULL AS has_pin, account.must_change_password
    FROM screen_session AS session
    JOIN organization ON organization.id = $1
    JOIN person ON person.organization_id = $1 AND person.id = session.person_id
    JOIN sign_in_account AS account ON account.organization_id = $1 AND account.person_id = session.person_id
    LEFT JOIN desk ON desk.organization_id = $1 AND desk.id = session.desk_id
    LEFT JOIN facility ON facility.organization_id = $1 AND facility.id = desk.facility_id
    WHERE session.organization_id = $1 AND session.secret_hash = $2 AND session.ended_at IS NULL
        AND session.expires_at > $3 AND session.last_seen_at > $4 AND account.disabled_at IS NULL
"""


async def find_open_session(
    reader: TenantReader, secret_hash: bytes, *, now: datetime, seen_after: datetime
) -> Session | None:
    """The open session of a secret, used after `seen_after`, with the person's present roles; None without one.

    It has no desk where the person does not reach the facility of its desk (any more).
    """
    row = await reader.fetchrow(_FIND, reader.organization_id, secret_hash, now, seen_after)
    if row is None:
        return None
    desk, codes = None, row["facility_codes"]
    if row["desk_id"] is not None and (codes is None or row["facility_code"] in codes):
        desk = SessionDesk(
            id=DeskId(row["desk_id"]),
            name=row["desk_name"],
            facility_code=row["facility_code"],
            facility_name=row["facility_name"],
        )
    return Session(
        id=row["id"],
        organization_id=OrganizationId(reader.organization_id),
        organization_name=row["organization_name"],
        is_training=row["is_training"],
        person_id=PersonId(row["person_id"]),
        person_name=row["person_name"],
        login_name=row["login_name"],
        roles=frozenset(map(Role, row["roles"])),
        facility_codes=None if row["facility_codes"] is None else frozenset(row["facility_codes"]),
        desk=desk,
        language=row["language"],
        created_at=row["created_at"],
        last_seen_at=row["last_seen_at"],
        expires_at=row["expires_at"],
        is_locked=row["is_locked"],
        has_pin=row["has_pin"],
        must_change_password=row["must_change_password"],
    )


_NOTE_USE = """
    UPDATE screen_session SET last_seen_at = $3
    WHERE organization_id = $1 AND id = $2 AND last_seen_at < $3 AND ended_at IS NULL
"""


async def note_use(tx: Transaction, session_id: UUID, at: datetime) -> None:
    """Record that a session is in use."""
    await tx.execute(_NOTE_USE, tx.organization_id, session_id, at)


_LOCK = """
    UPDATE screen_session SET locked_at = $3
    WHERE organization_id = $1 AND id = $2 AND locked_at IS NULL AND ended_at IS NULL
"""


async def lock_session(tx: Transaction, session_id: UUID, at: datetime) -> None:
    """Lock a session until a PIN or a password opens another."""
    await tx.execute(_LOCK, tx.organization_id, session_id, at)


_END = """
    UPDATE screen_session SET ended_at = $4
    WHERE organization_id = $1 AND id = $2 AND person_id = $3 AND ended_at IS NULL RETURNING id
"""


async def end_session(tx: Transaction, session_id: UUID, person_id: PersonId, at: datetime) -> bool:
    """End a session of a person; False if the person has no such open session."""
    return await tx.fetchval(_END, tx.organization_id, session_id, person_id, at) is not None


_END_ALL = """
    UPDATE screen_session SET ended_at = $3
    WHERE organization_id = $1 AND person_id = $2 AND ended_at IS NULL AND id IS DISTINCT FROM $4
"""


async def end_sessions(tx: Transaction, person_id: PersonId, at: datetime, *, but: UUID | None = None) -> None:
    """End every open session of a person, `but` left aside."""
    await tx.execute(_END_ALL, tx.organization_id, person_id, at, but)


_LIST = """
    SELECT session.id, desk.name AS desk_name, session.address, session.browser, session.created_at,
        session.last_seen_at, session.locked_at IS NOT NULL AS is_locked
    FROM screen_session AS session
    LEFT JOIN desk ON desk.organization_id = $1 AND desk.id = session.desk_id
    WHERE session.organization_id = $1 AND session.person_id = $2 AND session.ended_at IS NULL
        AND session.expires_at > $3 AND session.last_seen_at > $4
    ORDER BY session.created_at DESC
    LIMIT 100
"""


async def read_open_sessions(
    tx: Transaction, person_id: PersonId, *, now: datetime, seen_after: datetime
) -> list[ListedSession]:
    """The open sessions of a person, the newest first, 100 at most."""
    rows = await tx.fetch(_LIST, tx.organization_id, person_id, now, seen_after)
    return [read_row(ListedSession, row) for row in rows]


_DESK_PERSONS = """
    SELECT DISTINCT person.id AS person_id, person.name, person.roles
    FROM screen_session AS session
    JOIN person ON person.organization_id = $1 AND person.id = session.person_id
    JOIN sign_in_account AS account ON account.organization_id = $1 AND account.person_id = session.person_id
    WHERE session.organization_id = $1 AND session.desk_id = $2 AND session.password_at >= $3
        AND account.disabled_at IS NULL AND account.pin_hash IS NOT NULL
        AND session.password_at >= account.password_set_at
    ORDER BY person.name, person.id
"""


async def read_desk_persons(tx: Transaction, desk_id: DeskId, *, since: datetime) -> list[DeskPerson]:
    """Persons with a PIN who signed in at a desk with their present password since a time."""
    rows = await tx.fetch(_DESK_PERSONS, tx.organization_id, desk_id, since)
    return [
        DeskPerson(person_id=PersonId(row["person_id"]), name=row["name"], roles=frozenset(map(Role, row["roles"])))
        for row in rows
    ]


_DELETE = """
    DELETE FROM screen_session
    WHERE organization_id = $1 AND id IN (
        SELECT id FROM screen_session
        WHERE organization_id = $1 AND (ended_at < $2 OR expires_at < $2) ORDER BY id LIMIT $3)
"""


async def delete_sessions(tx: Transaction, *, before: datetime, at_most: int) -> int:
    """Delete sessions that ended or expired before a time; returns how many."""
    return int((await tx.execute(_DELETE, tx.organization_id, before, at_most)).split()[-1])

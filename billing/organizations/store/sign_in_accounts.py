"""Sign-in accounts of persons: login name, hashes, attempts and locks."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from billing.core.actor import Role
from billing.core.ids import PersonId
from billing.db.database import Transaction
from billing.db.rows import read_row


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """The hashes of a person. `is_locked`: too many attempts, and the time of the lock has not passed."""

    person_id: PersonId
    password_hash: str
    pin_hash: str | None
    is_locked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedAccount:
    """A person with their sign-in account, for administrators. `login_name` is None without an account."""

    person_id: PersonId
    name: str
    roles: frozenset[Role]
    login_name: str | None
    facility_codes: tuple[str, ...] | None
    has_pin: bool
    must_change_password: bool
    password_locked_until: datetime | None
    pin_locked_until: datetime | None
    disabled_at: datetime | None
    last_seen_at: datetime | None
    last_desk: str | None
    open_sessions: int


_ADD = """
    INSERT INTO sign_in_account (organization_id, person_id, login_name, password_hash, password_set_at,
        must_change_password, facility_codes)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
"""


async def add_account(
    tx: Transaction,
    person_id: PersonId,
    *,
    login_name: str,
    password_hash: str,
    at: datetime,
    facility_codes: Collection[str] | None,
    must_change: bool,
) -> None:
    """Add the account of a person, who `must_change` a password that somebody else has set."""
    codes = None if facility_codes is None else sorted(facility_codes)
    await tx.execute(_ADD, tx.organization_id, person_id, login_name, password_hash, at, must_change, codes)


_SET_HASH = """
    UPDATE sign_in_account SET password_hash = $3, password_set_at = $4, must_change_password = $5,
        password_attempts = 0, password_locked_until = NULL
    WHERE organization_id = $1 AND person_id = $2 RETURNING person_id
"""


async def set_password_hash(
    tx: Transaction, person_id: PersonId, password_hash: str, *, at: datetime, must_change: bool
) -> bool:
    """Replace a password; its lock ends. False if the person has no account."""
    return await tx.fetchval(_SET_HASH, tx.organization_id, person_id, password_hash, at, must_change) is not None


_SET_PIN = """
    UPDATE sign_in_account SET pin_hash = $3, pin_attempts = 0, pin_locked_until = NULL
    WHERE organization_id = $1 AND person_id = $2 RETURNING person_id
"""


async def set_pin_hash(tx: Transaction, person_id: PersonId, pin_hash: str | None) -> bool:
    """Replace a PIN, or remove it; its lock ends. False if the person has no account."""
    return await tx.fetchval(_SET_PIN, tx.organization_id, person_id, pin_hash) is not None


_SET_DISABLED = """
    UPDATE sign_in_account SET disabled_at = $3
    WHERE organization_id = $1 AND person_id = $2 RETURNING person_id
"""


async def set_disabled(tx: Transaction, person_id: PersonId, at: datetime | None) -> bool:
    """Disable an account, or enable it with None. False if the person has no account."""
    return await tx.fetchval(_SET_DISABLED, tx.organization_id, person_id, at) is not None


_SET_LANGUAGE = """
    UPDATE sign_in_account SET language = $3 WHERE organization_id = $1 AND person_id = $2
"""


async def set_language(tx: Transaction, person_id: PersonId, language: str) -> None:
    """Set the language of a person's screens."""
    await tx.execute(_SET_LANGUAGE, tx.organization_id, person_id, language)


_COUNT_ATTEMPT = """
    UPDATE sign_in_account AS account SET
        password_attempts = CASE
            WHEN before.is_locked THEN account.password_attempts
            WHEN account.password_locked_until IS NOT NULL THEN 1
            ELSE account.password_attempts + 1 END,
        password_locked_until = CASE
            WHEN before.is_locked THEN account.password_locked_until
            WHEN account.password_locked_until IS NULL AND account.password_attempts + 1 >= $4 THEN $5
            ELSE NULL END
    FROM (
        SELECT person_id, coalesce(password_locked_until > $3, false) AS is_locked
        FROM sign_in_account
        WHERE organization_id = $1 AND login_name = $2 AND disabled_at IS NULL
        FOR UPDATE
    ) AS before
    WHERE account.organization_id = $1 AND account.person_id = before.person_id
    RETURNING account.person_id, account.password_hash, account.pin_hash, before.is_locked
"""


async def count_password_attempt(
    tx: Transaction, login_name: str, *, now: datetime, attempts_max: int, locked_until: datetime
) -> Credentials | None:
    """Count an attempt before it is checked, so that attempts at the same time count too; None: no such account.

    The last attempt that is allowed locks the account until `locked_until`, unless its password is right.
    """
    row = await tx.fetchrow(_COUNT_ATTEMPT, tx.organization_id, login_name, now, attempts_max, locked_until)
    return None if row is None else read_row(Credentials, row)


_COUNT_PIN_ATTEMPT = """
    UPDATE sign_in_account AS account SET
        pin_attempts = CASE
            WHEN before.is_locked THEN account.pin_attempts
            WHEN account.pin_locked_until IS NOT NULL THEN 1
            ELSE account.pin_attempts + 1 END,
        pin_locked_until = CASE
            WHEN before.is_locked THEN account.pin_locked_until
            WHEN account.pin_locked_until IS NULL AND account.pin_attempts + 1 >= $4 THEN $5
            ELSE NULL END
    FROM (
        SELECT person_id, coalesce(pin_locked_until > $3, false) AS is_locked
        FROM sign_in_account
        WHERE organization_id = $1 AND person_id = $2 AND disabled_at IS NULL AND pin_hash IS NOT NULL
        FOR UPDATE
    ) AS before
    WHERE account.organization_id = $1 AND account.person_id = before.person_id
    RETURNING account.person_id, account.password_hash, account.pin_hash, before.is_locked
"""


async def count_pin_attempt(
    tx: Transaction, person_id: PersonId, *, now: datetime, attempts_max: int, locked_until: datetime
) -> Credentials | None:
    """As `count_password_attempt`, for the PIN of a person; None: no account, or no PIN."""
    row = await tx.fetchrow(_COUNT_PIN_ATTEMPT, tx.organization_id, person_id, now, attempts_max, locked_until)
    return None if row is None else read_row(Credentials, row)


_RESET_ATTEMPTS = """
    UPDATE sign_in_account SET password_attempts = 0, password_locked_until = NULL
    WHERE organization_id = $1 AND person_id = $2
"""


async def reset_password_attempts(tx: Transaction, person_id: PersonId) -> None:
    """The password was right."""
    await tx.execute(_RESET_ATTEMPTS, tx.organization_id, person_id)


_RESET_PIN_ATTEMPTS = """
    UPDATE sign_in_account SET pin_attempts = 0, pin_locked_until = NULL
    WHERE organization_id = $1 AND person_id = $2
"""


async def reset_pin_attempts(tx: Transaction, person_id: PersonId) -> None:
    """The PIN was right."""
    await tx.execute(_RESET_PIN_ATTEMPTS, tx.organization_id, person_id)


_FIND_HASH = """
    SELECT password_hash FROM sign_in_account
    WHERE organization_id = $1 AND person_id = $2 AND disabled_at IS NULL
"""


async def find_password_hash(tx: Transaction, person_id: PersonId) -> str | None:
    """The hash of a person's password; None without an enabled account."""
    found: str | None = await tx.fetchval(_FIND_HASH, tx.organization_id, person_id)
    return found


_FACILITY_CODES = """
    SELECT facility_codes FROM sign_in_account WHERE organization_id = $1 AND person_id = $2
"""


async def read_facility_codes(tx: Transaction, person_id: PersonId) -> frozenset[str] | None:
    """The facilities to which an account is limited; None: all of them."""
    codes = await tx.fetchval(_FACILITY_CODES, tx.organization_id, person_id)
    return None if codes is None else frozenset(codes)


_HAS_ACCOUNT = """
    SELECT EXISTS (SELECT FROM sign_in_account WHERE organization_id = $1 AND person_id = $2)
"""


async def has_account(tx: Transaction, person_id: PersonId) -> bool:
    """Whether a person has an account, enabled or not."""
    return bool(await tx.fetchval(_HAS_ACCOUNT, tx.organization_id, person_id))


_PIN_ATTEMPTS = """
    SELECT pin_attempts FROM sign_in_account WHERE organization_id = $1 AND person_id = $2
"""


async def read_pin_attempts(tx: Transaction, person_id: PersonId) -> int:
    """The wrong PINs in sequence."""
    return await tx.fetchval(_PIN_ATTEMPTS, tx.organization_id, person_id) or 0


_LIST = """
    SELECT person.id AS person_id, person.name, person.roles, account.login_name, account.facility_codes,
        account.pin_hash IS NOT NULL AS has_pin, coalesce(account.must_change_password, false) AS must_change_password,
        account.password_locked_until, account.pin_locked_until, account.disabled_at, last.last_seen_at,
        last.desk_name AS last_desk,
        (SELECT count(*) FROM screen_session AS open
            WHERE open.organization_id = $1 AND open.person_id = person.id AND open.ended_at IS NULL
                AND open.expires_at > $2)::int AS open_sessions
    FROM person
    LEFT JOIN sign_in_account AS account ON account.organization_id = $1 AND account.person_id = person.id
    LEFT JOIN LATERAL (
        SELECT session.last_seen_at, desk.name AS desk_name
        FROM screen_session AS session
        LEFT JOIN desk ON desk.organization_id = $1 AND desk.id = session.desk_id
        WHERE session.organization_id = $1 AND session.person_id = person.id
        ORDER BY session.created_at DESC LIMIT 1
    ) AS last ON true
    WHERE person.organization_id = $1
    ORDER BY person.name_key, person.id
"""


async def read_accounts(tx: Transaction, *, now: datetime) -> list[ListedAccount]:
    """All persons with their accounts, by name."""
    rows = await tx.fetch(_LIST, tx.organization_id, now)
    return [
        ListedAccount(
            **{
                **dict(row),
                "roles": frozenset(map(Role, row["roles"])),
                "facility_codes": None if row["facility_codes"] is None else tuple(row["facility_codes"]),
            }
        )
        for row in rows
    ]

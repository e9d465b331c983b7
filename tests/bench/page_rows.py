"""What the pages are measured on: open visits with orders, a million issued invoices, and signed-in persons."""

from dataclasses import dataclass
from datetime import timedelta
from secrets import token_urlsafe
from uuid import UUID

import asyncpg

from billing.core.actor import Role
from billing.core.ids import DeskId, OrganizationId
from billing.db.context import Ids, utc_now
from billing.devserver.embedded import SUPERUSER, EmbeddedPostgres
from billing.organizations.domain.api_key import hash_secret
from billing.organizations.domain.sessions import form_token, write_cookie

ORGANIZATION = OrganizationId(1)
_CHUNK = 100_000
_DAYS = 1_000

_VISITS = """
    INSERT INTO visit (organization_id, id, facility_id, ma_lk, version, admitted_at, created_at)
    SELECT 1, ('01960000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, facility.id, 'KT' || n, 1,
        $3::timestamptz - n % $4 * interval '1 day', $3::timestamptz - n % $4 * interval '1 day'
    FROM generate_series($1::bigint, $2::bigint) AS n, facility
"""
_INVOICES = """
    INSERT INTO invoice (organization_id, id, visit_id, visit_version, number, state, version, patient_share,
        other_share, insurer_share, allocated, owed, issued_at)
    SELECT 1, ('01970000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid,
        ('01960000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 1, 'KT' || n, 'issued', 2, 100000, 0, 400000,
        100000, 0, $3::timestamptz - n % $4 * interval '1 day'
    FROM generate_series($1::bigint, $2::bigint) AS n
"""
_ADD_PERSON = "INSERT INTO person (organization_id, id, name, roles) VALUES (1, $1, $2, $3)"
_ADD_ACCOUNT = """
    INSERT INTO sign_in_account (organization_id, person_id, login_name, password_hash, password_set_at,
        must_change_password)
    VALUES (1, $1, $2, '$argon2id$v=19$m=65536,t=3,p=1$', $3, false)
"""
_ADD_SESSION = """
    INSERT INTO screen_session (organization_id, id, person_id, secret_hash, desk_id, address, browser, created_at,
        password_at, last_seen_at, expires_at)
    VALUES (1, $1, $2, $3, $4, '127.0.0.1', 'bench', $5, $5, $5, $6)
"""
_ADD_DESK = "INSERT INTO desk (organization_id, id, facility_id, name) SELECT 1, $1, id, $2 FROM facility LIMIT 1"


@dataclass(frozen=True, slots=True)
class Person:
    """A signed-in person: the value of the session cookie, and the token of the forms."""

    cookie: str
    token: str


async def add_issued_invoices(server: EmbeddedPostgres, count: int) -> None:
    """Issued and paid invoices of the last thousand days; triggers and foreign keys are passed over."""
    connection = await asyncpg.connect(server.url(SUPERUSER))
    await connection.execute("SET session_replication_role = replica")
    now = utc_now()
    for first in range(1, count + 1, _CHUNK):
        last = min(first + _CHUNK - 1, count)
        for statement in (_VISITS, _INVOICES):
            await connection.execute(statement, first, last, now, _DAYS, timeout=600)
    await connection.execute("VACUUM ANALYZE", timeout=600)
    await connection.close()


async def add_desk(server: EmbeddedPostgres, name: str = "Quầy 1") -> DeskId:
    """A desk of the hospital."""
    desk_id = DeskId(Ids(utc_now).new())
    await _execute(server, _ADD_DESK, desk_id, name)
    return desk_id


async def sign_in(server: EmbeddedPostgres, *roles: Role, desk_id: DeskId | None = None) -> Person:
    """A new person with an open session."""
    now, ids, secret = utc_now(), Ids(utc_now), token_urlsafe(32)
    person_id: UUID = ids.new()
    name = f"bench{person_id.hex[-8:]}"
    await _execute(server, _ADD_PERSON, person_id, name, sorted(roles))
    await _execute(server, _ADD_ACCOUNT, person_id, name, now)
    expires_at = now + timedelta(hours=13)
    await _execute(server, _ADD_SESSION, ids.new(), person_id, hash_secret(secret), desk_id, now, expires_at)
    return Person(cookie=write_cookie(ORGANIZATION, secret), token=form_token(secret))


async def _execute(server: EmbeddedPostgres, statement: str, *arguments: object) -> None:
    connection = await asyncpg.connect(server.url(SUPERUSER))
    try:
        await connection.execute(statement, *arguments)
    finally:
        await connection.close()

"""Statements of a move of one organization: its states in both cells, its replication, its locks and its end.

`move_tables.py` has the tables, `ops/organization_move.py` the order of the steps.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import asyncpg

from billing.core.ids import OrganizationId
from billing.db.database import LockClass
from billing.db.move_tables import AdminConnection, MovedTable

RUN_AS_OWNER_SINCE = 16
"""The first version whose apply worker otherwise takes the role of the table's owner, who has row security."""


class MoveState(StrEnum):
    """The state of an organization in one cell (migration 0076)."""

    LEAVING = "leaving"
    LEFT = "left"
    ARRIVING = "arriving"
    READY = "ready"
    ARRIVED = "arrived"


@dataclass(frozen=True, slots=True)
class StoredMove:
    """The state of an organization in one cell and the name of the other cell.

    `is_cleared`: it has left, and its rows were deleted since.
    """

    state: MoveState
    other_cell: str
    is_cleared: bool = False


_READ = """
    SELECT state, other_cell, cleared_at IS NOT NULL AS is_cleared FROM organization_move WHERE organization_id = $1
"""


async def read_move(connection: AdminConnection, organization_id: OrganizationId) -> StoredMove | None:
    """The state of an organization in a cell; None where it never moved."""
    row = await connection.fetchrow(_READ, organization_id)
    return None if row is None else StoredMove(MoveState(row["state"]), row["other_cell"], row["is_cleared"])


_ADD = """
    INSERT INTO organization_move (organization_id, other_cell, state, changed_at) VALUES ($1, $2, $3, now())
"""


async def add_move(
    connection: AdminConnection, organization_id: OrganizationId, state: MoveState, *, other_cell: str
) -> None:
    """Begin the move of an organization in one cell."""
    await connection.execute(_ADD, organization_id, other_cell, state.value)


_CHANGE = """
    UPDATE organization_move SET state = $2, other_cell = $3, changed_at = now(), clearing_at = NULL, cleared_at = NULL
    WHERE organization_id = $1
"""


async def change_move(
    connection: AdminConnection, organization_id: OrganizationId, state: MoveState, *, other_cell: str
) -> None:
    """Change the state of an organization in one cell; the database refuses a transition that does not exist."""
    changed = await connection.execute(_CHANGE, organization_id, state.value, other_cell)
    assert changed == "UPDATE 1", "the row of the move is there"


async def delete_move(connection: AdminConnection, organization_id: OrganizationId) -> None:
    """Remove the state of a cancelled move."""
    await connection.execute("DELETE FROM organization_move WHERE organization_id = $1", organization_id)


def replication_name(organization_id: OrganizationId) -> str:
    """The name of the publication, the subscription and the slot."""
    return f"vienphi_move_{organization_id:d}"


_PUBLISHED = """
    SELECT count(*) FROM pg_publication AS published
    JOIN pg_publication_rel AS part ON part.prpubid = published.oid WHERE published.pubname = $1
"""


async def publish(connection: AdminConnection, tables: Sequence[MovedTable], organization_id: OrganizationId) -> None:
    """Publish the rows of the organization in every table; a publication without all tables is made again."""
    name = replication_name(organization_id)
    if await connection.fetchval(_PUBLISHED, name) == len(tables):
        return
    filtered = ", ".join(f"TABLE {table.name} WHERE ({table.filter(organization_id)})" for table in tables)
    async with connection.transaction():
        await connection.execute(f"DROP PUBLICATION IF EXISTS {name}")
        await connection.execute(f"CREATE PUBLICATION {name} FOR {filtered} WITH (publish_via_partition_root = true)")


async def is_subscribed(connection: AdminConnection, organization_id: OrganizationId) -> bool:
    """Whether the target has the subscription."""
    found: bool = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM pg_subscription JOIN pg_database AS held ON held.oid = subdbid"
        " WHERE subname = $1 AND held.datname = current_database())",
        replication_name(organization_id),
    )
    return found


_DROP_SLOTS = """
    SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots
    WHERE NOT active AND database = current_database() AND slot_name = $1
"""


async def drop_slot(connection: AdminConnection, organization_id: OrganizationId) -> None:
    """Drop the slot in the source that a subscription which was never completed has left."""
    await connection.fetch(_DROP_SLOTS, replication_name(organization_id))


_LOG_SETTINGS = {
    "log_min_error_statement": "panic",
    "log_statement": "none",
    "log_min_duration_statement": "-1",
    "log_min_duration_sample": "-1",
    "log_transaction_sample_rate": "0",
}
_LOG_NO_STATEMENT = "; ".join(f"SET {name} = '{value}'" for name, value in _LOG_SETTINGS.items())
_LOG_AS_BEFORE = "; ".join(f"RESET {name}" for name in _LOG_SETTINGS)
"""For a statement with a password in it, which the server's log shall not show, also where it fails."""


async def subscribe(connection: AdminConnection, organization_id: OrganizationId, source_url: str) -> None:
    """Copy the published rows into the target and follow the source."""
    name = replication_name(organization_id)
    # With the default, `off`, a crash of the target loses statements that a table is copied (`find_lost_slots`).
    options = "copy_data = true, synchronous_commit = on"
    if connection.get_server_version().major >= RUN_AS_OWNER_SINCE:
        options += ", run_as_owner = true"
    quoted = source_url.replace("'", "''")
    await connection.execute(_LOG_NO_STATEMENT)
    try:
        await connection.execute(
            f"CREATE SUBSCRIPTION {name} CONNECTION '{quoted}' PUBLICATION {name} WITH ({options})"
        )
    finally:
        await connection.execute(_LOG_AS_BEFORE)


async def unsubscribe(connection: AdminConnection, organization_id: OrganizationId) -> None:
    """Drop the subscription and, in the source, its slot."""
    name = replication_name(organization_id)
    await connection.execute(f"DROP SUBSCRIPTION IF EXISTS {name}")


async def unpublish(connection: AdminConnection, organization_id: OrganizationId) -> None:
    """Drop the publication."""
    await connection.execute(f"DROP PUBLICATION IF EXISTS {replication_name(organization_id)}")


_COPIED = """
    SELECT count(*) FILTER (WHERE part.srsubstate = 'r') AS copied, count(*) AS tables
    FROM pg_subscription AS held JOIN pg_subscription_rel AS part ON part.srsubid = held.oid WHERE held.subname = $1
"""


async def count_copied(connection: AdminConnection, organization_id: OrganizationId) -> tuple[int, int]:
    """How many tables are copied and follow the source, and how many there are."""
    row = await connection.fetchrow(_COPIED, replication_name(organization_id))
    assert row is not None, "an aggregate answers one row"
    return row["copied"], row["tables"]


_OWN_SLOTS = """
    SELECT format('pg_%s_sync_%s_%s', part.srsubid, part.srrelid, control.system_identifier) AS name
    FROM pg_subscription AS held JOIN pg_subscription_rel AS part ON part.srsubid = held.oid
    CROSS JOIN pg_control_system() AS control
    WHERE held.subname = $1 AND part.srsubstate = 'f'
"""

_LOST = """
    SELECT name FROM unnest($1::text[]) AS name
    WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = name)
"""


async def find_lost_slots(
    source: AdminConnection, target: AdminConnection, organization_id: OrganizationId
) -> frozenset[str]:
    """Slots that tables of the target wait for and the source does not have.

    PostgreSQL drops the slot of a copied table in the source before it commits in the target that the table is done. A
    crash of the target between the two leaves a table that waits for ever (seen with PostgreSQL 16 under kills).
    """
    names = [row["name"] for row in await target.fetch(_OWN_SLOTS, replication_name(organization_id))]
    return frozenset(row["name"] for row in await source.fetch(_LOST, names)) if names else frozenset()


_BEHIND = """
    SELECT pg_wal_lsn_diff($2::text::pg_lsn, (to_jsonb(sent) ->> 'replay_lsn')::pg_lsn)::bigint AS bytes
    FROM pg_stat_replication AS sent
    WHERE sent.application_name = $1 AND sent.state = 'streaming'
"""


async def read_position(connection: AdminConnection) -> str:
    """The position of the source's log up to which every commit so far is written."""
    position: str = await connection.fetchval("SELECT pg_current_wal_flush_lsn()::text")
    return position


async def read_bytes_behind(connection: AdminConnection, organization_id: OrganizationId, position: str) -> int | None:
    """How many bytes of the log the target lacks up to a position; None while it is not connected."""
    behind: int | None = await connection.fetchval(_BEHIND, replication_name(organization_id), position)
    return behind


async def lock_move(connection: AdminConnection, organization_id: OrganizationId) -> bool:
    """Reserve the move of an organization for this session, so that no second command runs."""
    locked: bool = await connection.fetchval(
        "SELECT pg_try_advisory_lock(hashtext('vienphi_organization_move'), $1)", organization_id
    )
    return locked


async def lock_organization(connection: AdminConnection, organization_id: OrganizationId, *, wait_ms: int) -> bool:
    """Refuse new transactions of an organization and wait for those that are open; False if they last longer.

    The locks end with the session, so that the source goes on however the command ends. The lock of the day comes after
    that of the cell, as in `Database.transaction`.
    """
    await connection.execute(f"SET lock_timeout = {wait_ms:d}")
    try:
        for lock in (LockClass.CELL, LockClass.DAY):
            await connection.execute(f"SELECT pg_advisory_lock({lock:d}, {organization_id:d})")
    except asyncpg.LockNotAvailableError:
        await unlock_organization(connection, organization_id)
        return False
    finally:
        await connection.execute("SET lock_timeout = 0")
    return True


_UNLOCK = """
    SELECT pg_advisory_unlock(held.classid::int, held.objid::int) FROM pg_locks AS held
    WHERE held.pid = pg_backend_pid() AND held.locktype = 'advisory' AND held.objsubid = 2
        AND held.classid::int = ANY ($1::int[]) AND held.objid::int = $2
"""


async def unlock_organization(connection: AdminConnection, organization_id: OrganizationId) -> None:
    """Let transactions of the organization begin again."""
    await connection.execute(_UNLOCK, [LockClass.CELL, LockClass.DAY], organization_id)


async def rebase_organization(connection: AdminConnection, organization_id: OrganizationId) -> int | None:
    """Let the ids of the organization go on in the target beyond the largest that it brings; returns its shift."""
    largest = await connection.fetchval("SELECT vienphi_largest_transaction_id($1)::text::bigint", organization_id)
    shift: int | None = await connection.fetchval(
        "SELECT vienphi_rebase_organization($1, $2, now())", organization_id, largest
    )
    return shift


_CLOSED = """
    SELECT polrelid::regclass::text AS name FROM pg_policy WHERE polname = $1
"""


def _closing_policy(organization_id: OrganizationId) -> str:
    return f"organization_{organization_id:d}_left"


async def close_tables(
    connection: AdminConnection, tables: Sequence[MovedTable], organization_id: OrganizationId, *, wait_ms: int
) -> int:
    """Refuse the organization in every table of the source to every role; returns how many tables remain.

    A policy needs a table for itself for an instant. It waits `wait_ms` at most, so that others wait no longer.
    """
    name = _closing_policy(organization_id)
    closed = {row["name"] for row in await connection.fetch(_CLOSED, name)}
    remaining = 0
    await connection.execute(f"SET lock_timeout = {wait_ms:d}")
    for table in tables:
        if table.name in closed:
            continue
        try:
            await connection.execute(
                f"CREATE POLICY {name} ON {table.name} AS RESTRICTIVE"
                f" USING ((SELECT vienphi_is_here({organization_id:d})))"
            )
        except asyncpg.LockNotAvailableError:
            remaining += 1
    await connection.execute("SET lock_timeout = 0")
    return remaining


async def open_tables(connection: AdminConnection, organization_id: OrganizationId, *, wait_ms: int) -> int:
    """Drop the policies of `close_tables`, for an organization without rows; returns how many tables remain."""
    name = _closing_policy(organization_id)
    remaining = 0
    await connection.execute(f"SET lock_timeout = {wait_ms:d}")
    for row in await connection.fetch(_CLOSED, name):
        try:
            await connection.execute(f"DROP POLICY IF EXISTS {name} ON {row['name']}")
        except asyncpg.LockNotAvailableError:
            remaining += 1
    await connection.execute("SET lock_timeout = 0")
    return remaining


_WITHOUT_CELLS = """
    SELECT DISTINCT coalesce(nullif(application_name, ''), 'unnamed') AS name FROM pg_stat_activity
    WHERE datname = current_database()
        AND usename IN ('vienphi_app', (SELECT relowner::regrole::text FROM pg_class
            WHERE oid = 'public.organization'::regclass))
        AND application_name NOT LIKE '%(cells)' AND application_name <> 'vienphi-notify'
    ORDER BY name
"""


async def find_sessions_without_cells(connection: AdminConnection) -> list[str]:
    """Names of connected programs of the app role and of the owner that do not check the cell of an organization."""
    return [row["name"] for row in await connection.fetch(_WITHOUT_CELLS)]

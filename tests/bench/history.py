"""Years of callbacks, written by the server itself: postings with their entries, keys and deliveries.

Rows go in without their indexes, which are then built at once, and without triggers and foreign keys; so that ten
million of each table fit into minutes. Ids and keys are as real ones; bills, payments and raw messages are left out, so
the proofs of the books are not meant for them.
"""

import asyncio
import os
from dataclasses import dataclass

import asyncpg

from tests.bench.stock import AMOUNT, Stock

_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class _Table:
    name: str
    columns: str
    values: str  # for row number n; id(kind) is a UUIDv7 of the first days of this month


def _id(kind: int) -> str:
    """Ten ids a millisecond from the first of this month on, growing with the row number as real ids do."""
    # A timestamp of this era has eleven hexadecimal digits, the row number gets twelve. Padding costs a third more.
    return f"('0' || to_hex(first_ms + n / 10) || '7{kind:03x}8000' || to_hex(n + (1::bigint << 44)))::uuid"


_DELIVERY, _PAYMENT, _ENTRY = _id(1), _id(2), _id(3)

_TABLES = (
    _Table(
        "movement_key",
        "organization_id, account_id, movement, key, movement_id, amount",
        f"1, account_id, 'received', 'transaction:OLD' || n, {_PAYMENT}, {AMOUNT}",
    ),
    _Table(
        "posting",
        "organization_id, entry_id, line, debit_account_id, credit_account_id, amount, payment_id, payer",
        f"1, {_ENTRY}, 1, clearing, receivable, {AMOUNT}, {_PAYMENT}, 'patient'",
    ),
    _Table(
        "journal_entry",
        "organization_id, id, kind, effective_at, recorded_at, accounting_date, actor_kind, actor_id",
        f"1, {_ENTRY}, 'payment_received', first_timestamp, first_timestamp, first_day, 'provider', account_id",
    ),
    _Table(
        "event_key",
        "organization_id, provider_account_id, key, fingerprint, delivery_id",
        f"1, account_id, 'OLD' || n || ':SUCCEEDED', fingerprint, {_DELIVERY}",
    ),
    _Table(
        "delivery",
        "organization_id, id, provider_account_id, received_at, verdict, receipt_id, notices",
        f"1, {_DELIVERY}, account_id, first_timestamp, 'accepted', {_DELIVERY}, 1",
    ),
)

_INSERT = """
    INSERT INTO {name} ({columns})
    SELECT {values}
    FROM generate_series(1, {rows}::bigint) AS n, (
        SELECT account.id AS account_id, clearing.id AS clearing, receivable.id AS receivable,
            (extract(epoch FROM date_trunc('month', now())) * 1000)::bigint AS first_ms,
            date_trunc('month', now()) AS first_timestamp, date_trunc('month', now())::date AS first_day,
            sha256('a fingerprint') AS fingerprint
        FROM provider_account AS account
        JOIN ledger_account AS clearing ON clearing.organization_id = 1 AND clearing.role = 'clearing'
        JOIN ledger_account AS receivable
            ON receivable.organization_id = 1 AND receivable.role = 'receivable_patient'
        WHERE account.organization_id = 1) AS known
"""

_SETTINGS = (
    "SET session_replication_role = replica",
    "SET synchronous_commit = off",
    "SET maintenance_work_mem = '1GB'",
    "SET max_parallel_maintenance_workers = 0",
    "SET jit = off",
)

# REINDEX makes an index that is not ready ready again; until then rows go in without it.
_HOLD_INDEXES = """
    UPDATE pg_index SET indisready = false
    WHERE indrelid IN (SELECT $1::regclass UNION SELECT inhrelid FROM pg_inherits WHERE inhparent = $1::regclass)
        AND indrelid IN (SELECT oid FROM pg_class WHERE relkind = 'r')
"""


async def load_history(stock: Stock, database: str, rows: int) -> None:
    """Write `rows` old callbacks of organization 1 into a database and leave it as a quiet night would."""
    await _set_fsync(stock, on=False)
    gate = asyncio.Semaphore(_AT_ONCE)

    async def load(table: _Table) -> None:
        async with gate:
            connection = await stock.connect(database)
            try:
                await _load_table(connection, table, rows)
            finally:
                await connection.close()

    await asyncio.gather(*(load(table) for table in _TABLES))
    await _set_fsync(stock, on=True)
    await asyncio.to_thread(os.sync)
    await checkpoint(stock)


async def _load_table(connection: "asyncpg.Connection[asyncpg.Record]", table: _Table, rows: int) -> None:
    for setting in _SETTINGS:
        await connection.execute(setting)
    async with connection.transaction():
        await connection.execute(_HOLD_INDEXES, table.name)
        await connection.execute(
            _INSERT.format(name=table.name, columns=table.columns, values=table.values, rows=rows), timeout=600
        )
    await connection.execute(f"REINDEX TABLE {table.name}", timeout=600)
    # Marks the pages as seen, so that no autovacuum of ten million rows runs while we measure.
    await connection.execute(f"VACUUM (ANALYZE) {table.name}", timeout=600)


async def _set_fsync(stock: Stock, *, on: bool) -> None:
    connection = await stock.connect()
    await connection.execute(f"ALTER SYSTEM SET fsync = {'on' if on else 'off'}")
    await connection.execute("SELECT pg_reload_conf()")
    await connection.close()


async def checkpoint(stock: Stock) -> None:
    """Have the server write all that is only in memory, now."""
    connection = await stock.connect()
    await connection.execute("CHECKPOINT", timeout=300)
    await connection.close()

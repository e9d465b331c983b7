"""What a measurement needs: a durable server, hospitals, and bills with open intents, many at a time.

Bills are made by COPY as the superuser, with every row the use cases would write for a bill that only the patient
pays, so that the proofs of the books hold over them. What is measured never passes through here.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from uuid import UUID

import asyncpg

from billing.core.clock import business_date
from billing.core.reference_code import RANDOM_NUMBERS, reference_code
from billing.db.context import Ids, utc_now
from billing.db.migrator import migrate
from billing.devserver.embedded import DATABASE_NAME, SUPERUSER, EmbeddedPostgres
from tests.builders import DemoHospital, add_demo_hospital

AMOUNT = 136_000
"""The patient share of every invoice, in đồng."""

_CHUNK = 20_000


@dataclass(frozen=True, slots=True)
class Order:
    """One bill that waits for its money: what a payer's bank needs to know of it. `number` is unique in one run."""

    number: int
    organization: int
    code: str
    intent_id: UUID
    invoice_id: UUID
    visit_id: UUID

    @property
    def transaction_id(self) -> str:
        """What the bank will call the transfer for this bill."""
        return f"BENCH{self.number:09d}"


@dataclass(slots=True)
class _Books:
    """What rows of one organization refer to."""

    facility_id: UUID
    account_id: UUID
    prefix: str
    receivable: UUID
    revenue: UUID


_BOOKS = """
    SELECT (SELECT id FROM facility WHERE organization_id = $1 LIMIT 1) AS facility_id,
        (SELECT id FROM provider_account WHERE organization_id = $1 LIMIT 1) AS account_id,
        (SELECT prefix FROM organization_prefix WHERE organization_id = $1 LIMIT 1) AS prefix,
        (SELECT id FROM ledger_account WHERE organization_id = $1 AND role = 'receivable_patient') AS receivable,
        (SELECT id FROM ledger_account WHERE organization_id = $1 AND role = 'revenue') AS revenue
"""


class Stock:
    """Makes bills. `orders` counts those made so far."""

    def __init__(self, server: EmbeddedPostgres, hospitals: Sequence[DemoHospital]) -> None:
        self.server = server
        self.hospitals = hospitals
        self._ids = Ids(utc_now)
        self._random = Random(20261122)
        self._made = 0
        self._codes: set[int] = set()
        self._books: dict[int, _Books] = {}

    async def connect(self, database: str = DATABASE_NAME) -> "asyncpg.Connection[asyncpg.Record]":
        """As the superuser, who sees the rows of every organization."""
        return await asyncpg.connect(self.server.url(SUPERUSER, database))

    async def make(self, organizations: Sequence[int], count: int) -> list[Order]:
        """Make `count` bills, in turn over the organizations; in the order in which they are to be paid."""
        connection = await self.connect()
        try:
            orders: list[Order] = []
            for first in range(0, count, _CHUNK):
                chunk = [
                    await self._order(connection, organizations[number % len(organizations)])
                    for number in range(first, min(first + _CHUNK, count))
                ]
                async with connection.transaction():
                    await self._write(connection, chunk)
                orders += chunk
            await analyze(connection)
            return orders
        finally:
            await connection.close()

    async def _order(self, connection: "asyncpg.Connection[asyncpg.Record]", organization: int) -> Order:
        if organization not in self._books:
            row = await connection.fetchrow(_BOOKS, organization)
            assert row is not None, "a statement without FROM answers one row"
            self._books[organization] = _Books(**dict(row))
        number = self._random.randrange(RANDOM_NUMBERS)
        while number in self._codes:
            number = self._random.randrange(RANDOM_NUMBERS)
        self._codes.add(number)
        self._made += 1
        code = reference_code(self._books[organization].prefix, number)
        return Order(self._made, organization, code, self._ids.new(), self._ids.new(), self._ids.new())

    async def _write(self, connection: "asyncpg.Connection[asyncpg.Record]", orders: Sequence[Order]) -> None:
        now = utc_now()
        today = business_date(now)
        await connection.executemany(
            "INSERT INTO business_day (organization_id, day, state, opened_at) VALUES ($1, $2, 'open', $3) "
            "ON CONFLICT DO NOTHING",
            [(organization, today, now) for organization in {order.organization for order in orders}],
        )
        entry_ids = {order.number: self._ids.new() for order in orders}
        books = self._books

        async def copy(table: str, columns: str, rows: Iterable[tuple[object, ...]]) -> None:
            await connection.copy_records_to_table(table, records=rows, columns=columns.split())

        await copy(
            "visit",
            "organization_id id facility_id ma_lk version admitted_at created_at",
            ((o.organization, o.visit_id, books[o.organization].facility_id, f"B{o.number}", 1, now, now)
             for o in orders),
        )  # fmt: skip
        await copy(
            "visit_version",
            "organization_id visit_id version content_hash source recorded_at",
            ((o.organization, o.visit_id, 1, bytes(32), "json", now) for o in orders),
        )
        await copy(
            "invoice",
            "organization_id id visit_id visit_version number state version patient_share other_share insurer_share "
            "owed issued_at",
            ((o.organization, o.invoice_id, o.visit_id, 1, f"B{o.number:09d}", "issued", 1, AMOUNT, 0, 0, AMOUNT, now)
             for o in orders),
        )  # fmt: skip
        await copy(
            "journal_entry",
            "organization_id id kind effective_at recorded_at accounting_date actor_kind",
            ((o.organization, entry_ids[o.number], "invoice_issued", now, now, today, "system") for o in orders),
        )
        await copy(
            "posting",
            "organization_id entry_id line debit_account_id credit_account_id amount visit_id invoice_id payer",
            ((o.organization, entry_ids[o.number], 1, books[o.organization].receivable, books[o.organization].revenue,
              AMOUNT, o.visit_id, o.invoice_id, "patient") for o in orders),
        )  # fmt: skip
        await copy(
            "intent",
            "organization_id id provider_account_id reference_code state version amount created_at expires_at",
            ((o.organization, o.intent_id, books[o.organization].account_id, o.code, "created", 1, AMOUNT, now,
              now + timedelta(days=1)) for o in orders),
        )  # fmt: skip
        await copy(
            "intent_invoice",
            "organization_id intent_id position invoice_id",
            ((o.organization, o.intent_id, 1, o.invoice_id) for o in orders),
        )


async def analyze(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Update the statistics of every table, as autovacuum does within a minute.

    Plans that were made while a table was empty are made again; otherwise they would keep reading whole tables.
    """
    await connection.execute("ANALYZE", timeout=120)


@asynccontextmanager
async def durable_stock(*, organizations: int = 1, settings: Mapping[str, str] | None = None) -> AsyncIterator[Stock]:
    """A migrated durable server with that many hospitals, numbered from 1."""
    with EmbeddedPostgres(durable=True, settings=settings) as server:
        await migrate(server.owner_url)
        hospitals = [
            await add_demo_hospital(server.owner_url, organization=number, facility_code=f"{number:05d}")
            for number in range(1, organizations + 1)
        ]
        yield Stock(server, hospitals)


def vietnam_now(now: datetime) -> str:
    """A timestamp as the sandbox bank writes it, to the second."""
    return now.replace(microsecond=0).isoformat()

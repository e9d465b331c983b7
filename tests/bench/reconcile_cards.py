"""Card batches of a generated month: what the acquirer credits for each terminal and day, with the rows of the ledger.

A batch is one line of the statement on the next day, net of the fee, under its batch number; each 25th has no line. The
slips of a batch are no part of the month: their money is booked from the terminal by the batch alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from uuid import UUID

import asyncpg

from providers.sandbox.bank_day import StatementRow
from tests.bench.reconcile_month import DAYS, Month

TERMINAL_EACH = 20_000
"""Collections of a month for each terminal; there are two terminals at least."""

NOT_SEEN_EACH = 25
_FEE_BASIS_POINTS = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One batch in đồng; `number` counts the batches of the month from 1. `is_seen`: the statement has its line."""

    number: int
    day: int
    terminal: int
    gross: int
    fee: int
    is_seen: bool

    @property
    def batch_number(self) -> str:
        """The number that the terminal prints; no two batches of a month have the same."""
        return f"{self.number:06d}"

    def row(self, month: Month) -> StatementRow:
        """The line of the statement."""
        return StatementRow(
            booked_on=month.first_day + timedelta(days=self.day + 1),
            amount=self.gross - self.fee,
            reference=f"POS{self.number:09d}",
            text=f"QUYET TOAN THE POS{self.terminal:03d} LO {self.batch_number}",
            payer_name="",
            payer_account="",
        )


def batches_of(month: Month) -> Iterator[Batch]:
    """Every batch, oldest day first; the same for the same month."""
    random = Random(month.seed + 1)
    number = 0
    for day in range(DAYS):
        for terminal in range(1, max(2, month.lines // TERMINAL_EACH) + 1):
            number += 1
            gross = random.randrange(500, 40_000) * 1_000
            yield Batch(
                number=number,
                day=day,
                terminal=terminal,
                gross=gross,
                fee=gross * _FEE_BASIS_POINTS // 10_000,
                is_seen=number % NOT_SEEN_EACH != 0,
            )


_TRUTH = """
    CREATE TABLE bench_card (n bigint PRIMARY KEY, day int, terminal int, batch_number text, gross bigint, fee bigint,
        is_seen boolean)
"""

_ACCOUNTS = """
    INSERT INTO ledger_account (organization_id, id, role, subject, kind, normal_side)
    SELECT 1, gen_random_uuid(), 'clearing', subject, 'rollup', 'debit'
    FROM (SELECT id::text AS subject FROM card_terminal UNION ALL SELECT $1::uuid::text) AS named
    ON CONFLICT DO NOTHING
"""

_NUMBERS = """
    INSERT INTO ledger_number (organization_id, account_id, valid_from, number, name)
    SELECT 1, id, '2020-01-01', '113', 'Tiền đang chuyển' FROM ledger_account AS account
    WHERE NOT EXISTS (SELECT FROM ledger_number WHERE account_id = account.id)
"""

_ID = (
    "('0' || to_hex((extract(epoch FROM $2::date + day) * 1000)::bigint) || '70088000' "
    "|| to_hex(n + (1::bigint << 44)))::uuid"
)

_ROWS = (
    "INSERT INTO card_terminal (organization_id, id, facility_id, name, terminal_number, bank_account_id) "
    "SELECT 1, gen_random_uuid(), (SELECT id FROM facility LIMIT 1), 'POS ' || terminal, 'T' || terminal, $1::uuid "
    "FROM (SELECT DISTINCT terminal FROM bench_card WHERE $2::date IS NOT NULL) AS terminals",
    "INSERT INTO card_batch (organization_id, id, terminal_id, day, batch_number, slips, gross, fee, net, recorded_by, "
    f"recorded_at) SELECT 1, {_ID}, terminal.id, $2::date + day, batch_number, 10, gross, fee, gross - fee, person.id, "
    "$2::date + day + interval '20 hours' FROM bench_card JOIN card_terminal AS terminal "
    "ON terminal.terminal_number = 'T' || terminal AND terminal.bank_account_id = $1::uuid "
    "CROSS JOIN (SELECT id FROM person LIMIT 1) AS person",
)

_ENTRIES = """
    WITH entry AS (
        INSERT INTO journal_entry (organization_id, id, kind, effective_at, recorded_at, accounting_date, actor_kind)
        SELECT 1, id, 'card_batch_credited', recorded_at, recorded_at, day, 'system' FROM card_batch
    )
    INSERT INTO posting (organization_id, entry_id, line, debit_account_id, credit_account_id, amount)
    SELECT 1, batch.id, part.line, part.debit_id, terminal.id, part.amount
    FROM card_batch AS batch
    JOIN ledger_account AS terminal ON terminal.role = 'clearing' AND terminal.subject = batch.terminal_id::text
    CROSS JOIN LATERAL (
        SELECT 1 AS line, id AS debit_id, batch.net AS amount FROM ledger_account
        WHERE role = 'clearing' AND subject = $1::uuid::text
        UNION ALL
        SELECT 2, id, batch.fee FROM ledger_account WHERE role = 'payment_fees'
    ) AS part
"""


async def load_batches(connection: "asyncpg.Connection[asyncpg.Record]", month: Month, bank_account_id: UUID) -> None:
    """Store the truth of the batches and their rows of the ledger."""
    await connection.execute(_TRUTH)
    await connection.copy_records_to_table(
        "bench_card",
        records=(
            (each.number, each.day, each.terminal, each.batch_number, each.gross, each.fee, each.is_seen)
            for each in batches_of(month)
        ),
    )
    async with connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")
        for statement in _ROWS:
            await connection.execute(statement, bank_account_id, month.first_day)
        await connection.execute(_ACCOUNTS, bank_account_id)
        await connection.execute(_NUMBERS)
        await connection.execute(_ENTRIES, bank_account_id)

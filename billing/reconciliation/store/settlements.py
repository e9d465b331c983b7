"""Stored settlement lines, and the payouts that they are parts of. Imports are in `imports.py`."""

from collections.abc import Mapping, Sequence
from datetime import date
from uuid import UUID

from billing.core.ids import ProviderAccountId
from billing.db.arrays import columns
from billing.db.database import LockClass, Transaction
from billing.reconciliation.domain.file_import import ImportId, KeyedSettlementLine

_ADD_LINES = """
    INSERT INTO settlement_line (organization_id, import_id, provider_account_id, id, key, transaction, reference,
        movement, amount, fee, bank_reference, occurred_at, paid_out_on, row)
    SELECT $1, $2, $3, given.*
    FROM unnest($4::uuid[], $5::uuid[], $6::text[], $7::text[], $8::text[], $9::bigint[], $10::bigint[], $11::text[],
        $12::timestamptz[], $13::date[], $14::bigint[]) AS given
    ON CONFLICT (organization_id, provider_account_id, key) DO NOTHING
"""


async def add_settlement_lines(
    tx: Transaction,
    import_id: ImportId,
    account_id: ProviderAccountId,
    ids: Sequence[UUID],
    lines: Sequence[KeyedSettlementLine],
) -> int:
    """Store lines with distinct keys; returns how many no earlier report stated."""
    given = [list(column) for column in zip(*lines, strict=True)]
    tag = await tx.execute(_ADD_LINES, tx.organization_id, import_id, account_id, ids, *given)
    return int(tag.rpartition(" ")[2])


_LOCK_PAYOUTS = """
    SELECT pg_advisory_xact_lock($1::int, $2::int)
"""


async def lock_payouts(tx: Transaction) -> None:
    """Let no report add lines to a payout while one is posted, until the transaction ends; amounts are read after it.

    A lock of the organization: the app role may not lock rows of `payout`, which it never updates.
    """
    await tx.execute(_LOCK_PAYOUTS, LockClass.PAYOUT, tx.organization_id)


# Lines of a day go to its last payout, or to a further one where the bank has shown that. Days whose lines go to the
# first payout are left out.
_PAYOUT_NUMBERS = """
    SELECT last.paid_out_on, last.number + last.is_posted::int AS number
    FROM (
        SELECT DISTINCT ON (payout.paid_out_on) payout.paid_out_on, payout.number, EXISTS (
            SELECT FROM match_item AS item
            JOIN match ON match.organization_id = $1 AND match.id = item.match_id AND match.entry_id IS NOT NULL
            WHERE item.organization_id = $1 AND item.item_kind = 'payout' AND item.item_id = payout.id
                AND item.is_live) AS is_posted
        FROM payout
        WHERE payout.organization_id = $1 AND payout.provider_account_id = $2
            AND payout.paid_out_on = ANY ($3::date[])
        ORDER BY payout.paid_out_on, payout.number DESC
    ) AS last
    WHERE last.number + last.is_posted::int > 1
"""


async def read_payout_numbers(tx: Transaction, account_id: ProviderAccountId, days: Sequence[date]) -> dict[date, int]:
    """The number of the payout that lines added to a day belong to, where it is not the first one of the day."""
    rows = await tx.fetch(_PAYOUT_NUMBERS, tx.organization_id, account_id, list(days))
    return {row["paid_out_on"]: row["number"] for row in rows}


_SET_NUMBERS = """
    UPDATE settlement_line AS line SET payout_number = given.number
    FROM unnest($3::date[], $4::int[]) AS given (paid_out_on, number)
    WHERE line.organization_id = $1 AND line.import_id = $2 AND line.paid_out_on = given.paid_out_on
"""


async def set_payout_numbers(tx: Transaction, import_id: ImportId, numbers: Mapping[date, int]) -> None:
    """Assign the new lines of an import to the further payouts of their days."""
    await tx.execute(_SET_NUMBERS, tx.organization_id, import_id, list(numbers), list(numbers.values()))


# A line of this import has the day that the report states; a line of an earlier one that has a day keeps it.
_STATE_PAYOUT_DAYS = """
    INSERT INTO stated_payout_day (organization_id, import_id, line_id, paid_out_on)
    SELECT $1, $2, line.id, given.paid_out_on
    FROM unnest($4::uuid[], $5::date[]) AS given (key, paid_out_on)
    JOIN settlement_line AS line ON line.organization_id = $1 AND line.provider_account_id = $3
        AND line.key = given.key
    WHERE given.paid_out_on IS NOT NULL AND line.paid_out_on IS NULL AND line.import_id <> $2
"""


async def state_payout_days(
    tx: Transaction, import_id: ImportId, account_id: ProviderAccountId, lines: Sequence[KeyedSettlementLine]
) -> None:
    """Stage the payout days that a report states for lines of earlier reports which have none."""
    days = [(line.key, line.paid_out_on) for line in lines]
    await tx.execute(_STATE_PAYOUT_DAYS, tx.organization_id, import_id, account_id, *columns(days, 2))


_SET_PAID_OUT = """
    UPDATE settlement_line AS line
    SET paid_out_on = stated.paid_out_on, payout_number = coalesce(further.number, 1)
    FROM stated_payout_day AS stated
    LEFT JOIN unnest($3::date[], $4::int[]) AS further (paid_out_on, number)
        ON further.paid_out_on = stated.paid_out_on
    WHERE stated.organization_id = $1 AND stated.import_id = $2 AND line.organization_id = $1
        AND line.id = stated.line_id AND line.paid_out_on IS NULL
"""


async def set_paid_out(tx: Transaction, import_id: ImportId, numbers: Mapping[date, int]) -> int:
    """Set the payout, a day and its number, of the lines whose day the import has staged; returns how many.

    `numbers` has the days whose lines go to a further payout.
    """
    tag = await tx.execute(_SET_PAID_OUT, tx.organization_id, import_id, list(numbers), list(numbers.values()))
    return int(tag.rpartition(" ")[2])


_ADD_PAYOUTS = """
    INSERT INTO payout (organization_id, id, provider_account_id, paid_out_on, number)
    SELECT $1, given.id, $2, given.paid_out_on, given.number
    FROM unnest($3::uuid[], $4::date[], $5::int[]) AS given (id, paid_out_on, number)
    WHERE EXISTS (SELECT FROM settlement_line AS line WHERE line.organization_id = $1
        AND line.provider_account_id = $2 AND line.paid_out_on = given.paid_out_on
        AND line.payout_number = given.number)
    ON CONFLICT (organization_id, provider_account_id, paid_out_on, number) DO NOTHING
"""


async def add_payouts(tx: Transaction, account_id: ProviderAccountId, payouts: Sequence[tuple[UUID, date, int]]) -> int:
    """Add the payouts, each a day and its number, that have lines and are not known; returns how many."""
    tag = await tx.execute(_ADD_PAYOUTS, tx.organization_id, account_id, *columns(payouts, 3))
    return int(tag.rpartition(" ")[2])

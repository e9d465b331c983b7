"""Stored settlement lines, and the payouts that they are parts of. Imports are in `imports.py`."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from billing.core.ids import ProviderAccountId
from billing.db.arrays import columns
from billing.db.database import Transaction
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


_SET_PAID_OUT = """
    UPDATE settlement_line AS line SET paid_out_on = given.paid_out_on
    FROM unnest($3::uuid[], $4::date[]) AS given (key, paid_out_on)
    WHERE line.organization_id = $1 AND line.provider_account_id = $2 AND line.key = given.key
        AND line.paid_out_on IS NULL
"""


async def set_paid_out(tx: Transaction, account_id: ProviderAccountId, days: Sequence[tuple[str, date]]) -> int:
    """Set the payout day of stored lines that had none, by their keys; returns how many."""
    tag = await tx.execute(_SET_PAID_OUT, tx.organization_id, account_id, *columns(days, 2))
    return int(tag.rpartition(" ")[2])


_ADD_PAYOUTS = """
    INSERT INTO payout (organization_id, id, provider_account_id, paid_out_on)
    SELECT $1, given.id, $2, given.paid_out_on FROM unnest($3::uuid[], $4::date[]) AS given (id, paid_out_on)
    ON CONFLICT (organization_id, provider_account_id, paid_out_on) DO NOTHING
"""


async def add_payouts(tx: Transaction, account_id: ProviderAccountId, payouts: Sequence[tuple[UUID, date]]) -> int:
    """Add the payouts of these days that are not known; returns how many."""
    tag = await tx.execute(_ADD_PAYOUTS, tx.organization_id, account_id, *columns(payouts, 2))
    return int(tag.rpartition(" ")[2])

"""Payouts with their amounts and whether the bank shows them, by day."""

from datetime import date

from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.reconciliation.domain.payout_day import PayoutDay

_PAYOUTS = """
    SELECT payout.id, account.name AS account, payout.paid_out_on, stated.lines, stated.gross, stated.fee, stated.net,
        item.due_on, coalesce(item.is_at_bank, false) AS is_at_bank
    FROM payout
    JOIN payout_amount AS stated ON stated.organization_id = $1 AND stated.payout_id = payout.id
    JOIN provider_account AS account ON account.organization_id = $1 AND account.id = payout.provider_account_id
    LEFT JOIN expected_item AS item ON item.organization_id = $1 AND item.item_kind = 'payout'
        AND item.item_id = payout.id
    WHERE payout.organization_id = $1 AND payout.paid_out_on BETWEEN $2 AND $3
    ORDER BY payout.paid_out_on DESC, account.name, payout.number
"""


async def read_payout_days(tx: Transaction, *, first_day: date, last_day: date) -> list[PayoutDay]:
    """The payouts of a period, the newest day first."""
    rows = await tx.fetch(_PAYOUTS, tx.organization_id, first_day, last_day)
    return [read_row(PayoutDay, row) for row in rows]

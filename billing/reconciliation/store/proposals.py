"""Items of the ledger without a line, near an open line in amount or day."""

from uuid import UUID

from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.reconciliation.domain.match_rules import OpenLine
from billing.reconciliation.domain.proposals import ProposedItem

ITEMS_MAX = 500
DAYS_BY_AMOUNT, DAYS_BY_NAME = 30, 3

# Items of equal amount within a month, and all items of the nearest days: a name in the text may lead to them.
_PROPOSED = """
    SELECT item.item_kind, item.item_id, item.amount AS expected, item.day, item.bank_reference, item.code
    FROM expected_item AS item
    WHERE item.organization_id = $1 AND item.bank_account_id = $2 AND sign(item.amount) = sign($3::bigint)
        AND NOT item.is_at_bank
        AND (item.amount = $3 AND item.day BETWEEN $4::date - $5::int AND $4::date + $5::int
            OR item.day BETWEEN $4::date - $6::int AND $4::date + $6::int)
    ORDER BY item.amount <> $3, abs(item.day - $4::date), item.item_id
    LIMIT $7
"""


async def read_proposed_items(tx: Transaction, line: OpenLine) -> list[ProposedItem]:
    """The items that a line may be, those of its amount first."""
    rows = await tx.fetch(
        _PROPOSED,
        tx.organization_id,
        line.bank_account_id,
        line.amount,
        line.booked_on,
        DAYS_BY_AMOUNT,
        DAYS_BY_NAME,
        ITEMS_MAX,
    )
    return [read_row(ProposedItem, row) for row in rows]


_TEXT = """
    SELECT text FROM statement_line_text WHERE organization_id = $1 AND line_id = $2
"""


async def read_line_text(tx: Transaction, line_id: UUID) -> str:
    """The text of a line; empty once it is erased."""
    return await tx.fetchval(_TEXT, tx.organization_id, line_id) or ""

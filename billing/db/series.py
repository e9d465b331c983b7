"""Gapless numbers of invoices, receipts and minutes for each organization, series and year. A step.

The row of the series stays locked until the transaction ends, so this comes after all other locks but those of ledger
accounts. A transaction that is rolled back gives its numbers back. Source: docs/design.md §2, Receipt.
"""

from billing.db.database import Transaction

_TAKE_NUMBERS = """
    INSERT INTO series (organization_id, name, year, last_number) VALUES ($1, $2, $3, $4)
    ON CONFLICT (organization_id, name, year) DO UPDATE SET last_number = series.last_number + $4
    RETURNING last_number
"""


async def take_numbers(tx: Transaction, *, series: str, year: int, count: int = 1) -> range:
    """The next numbers of a series, in order."""
    assert count > 0, "a number is taken to be used"
    last: int = await tx.fetchval(_TAKE_NUMBERS, tx.organization_id, series, year, count)
    return range(last - count + 1, last + 1)

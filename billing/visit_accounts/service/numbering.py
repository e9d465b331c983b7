"""Gapless numbers of receipts for each organization, series and year. A step.

The row of the series stays locked until the transaction ends, so this comes after all other locks but those of ledger
accounts. A transaction that is rolled back gives its numbers back. Source: docs/design.md §2, Receipt.
"""

from billing.db.database import Transaction
from billing.visit_accounts.store.series import take_last_number


async def take_numbers(tx: Transaction, *, series: str, year: int, count: int = 1) -> range:
    """The next numbers of a series, in order."""
    assert count > 0, "a number is taken to be used"
    last = await take_last_number(tx, series=series, year=year, count=count)
    return range(last - count + 1, last + 1)

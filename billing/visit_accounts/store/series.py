"""The rows of number series, which are locked when numbers are taken."""

from billing.db.database import Transaction

_TAKE_NUMBERS = """
    INSERT INTO series (organization_id, name, year, last_number) VALUES ($1, $2, $3, $4)
    ON CONFLICT (organization_id, name, year) DO UPDATE SET last_number = series.last_number + $4
    RETURNING last_number
"""


async def take_last_number(tx: Transaction, *, series: str, year: int, count: int) -> int:
    """Take numbers of a series and lock it until the transaction ends; returns the last one."""
    last: int = await tx.fetchval(_TAKE_NUMBERS, tx.organization_id, series, year, count)
    return last

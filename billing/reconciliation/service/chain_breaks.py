"""A step: gaps and overlaps among the statements of a bank account."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from billing.db.database import Transaction
from billing.reconciliation.domain.statement import Statement
from billing.reconciliation.domain.statement_chain import ChainBreak, check_chain
from billing.reconciliation.store.statements import read_chain


async def find_breaks(
    tx: Transaction,
    bank_account_id: UUID,
    *,
    from_day: date | None = None,
    to_day: date | None = None,
    further: Sequence[Statement] = (),
) -> list[ChainBreak]:
    """Gaps and overlaps among the complete statements of a period and the nearest ones; None bounds nothing.

    `further` are statements that are not stored. A statement that several files state is one.
    """
    stored = await read_chain(tx, bank_account_id, from_day=from_day, to_day=to_day)
    known = {_content(each) for each in stored}
    return check_chain([*stored, *(each for each in further if _content(each) not in known)])


async def find_stored(tx: Transaction, bank_account_id: UUID, statements: Sequence[Statement]) -> list[Statement]:
    """Those of an account's statements that are stored: the same days, balances and number of lines."""
    if not statements:
        return []
    stored = await read_chain(
        tx,
        bank_account_id,
        from_day=min(each.from_day for each in statements),
        to_day=max(each.to_day for each in statements),
    )
    known = {_content(each) for each in stored}
    return [each for each in statements if _content(each) in known]


def _content(statement: Statement) -> tuple[object, ...]:
    return statement.from_day, statement.to_day, statement.opening, statement.closing, statement.line_count

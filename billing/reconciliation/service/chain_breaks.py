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


def _content(statement: Statement) -> tuple[object, ...]:
    return statement.from_day, statement.to_day, statement.opening, statement.closing, statement.line_count

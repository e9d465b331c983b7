"""Steps: the ordinals of equal lines of one day, across the statements of several files.

The readers count equal lines inside of a file. A statement that begins during a day, with the balance that a stored
statement of that day ends with, counts on from it. Source: docs/reconciliation.md, Rules.
"""

import asyncio
from collections.abc import Set
from dataclasses import dataclass, field
from datetime import date
from uuid import UUID

from billing.db.database import Transaction
from billing.reconciliation.domain.statement import Statement
from billing.reconciliation.formats.statement_spool import SpooledLine, StatementSpool
from billing.reconciliation.store.statements import StoredStatement, read_keys_until, read_touching

_COMPARED_MAX = 100


@dataclass(slots=True)
class Continued:
    """The lines of a day that precede a statement: `keys` until the end of the statement that it continues."""

    statement_id: UUID
    day: date
    keys: Set[UUID]
    _before: dict[UUID, int] = field(default_factory=dict)

    def key_of(self, line: SpooledLine, bank_account_number: str) -> str:
        """The hexadecimal key of a line that is counted on from the preceding lines."""
        if line.booked_on != self.day.toordinal():
            return line.key
        first = line.key_with(bank_account_number, 1)
        before = self._before.get(first)
        if before is None:
            before = 0
            while line.key_with(bank_account_number, before + 1) in self.keys:
                before += 1
            self._before[first] = before
        return line.key_with(bank_account_number, line.ordinal + before).hex if before else line.key


async def find_continued(
    tx: Transaction, spool: StatementSpool, statement: Statement, bank_account_id: UUID
) -> Continued | None:
    """The stored statement that a statement continues during a day; None where its lines are counted from 1.

    A statement that begins with the lines of a stored one repeats it, and is counted as that one: the balance may
    return to the same amount during the day.
    """
    day = statement.from_day
    touching = await read_touching(tx, bank_account_id, day, statement.opening)
    ended = [each for each in touching if each.to_day == day and each.closing == statement.opening]
    if not ended:
        return None
    for each in touching:
        if each.from_day == day and each.opening == statement.opening:
            continued = await _continued(tx, each.continues, day)
            if await _begins_as(tx, spool, statement, each, continued):
                return continued
    return await _continued(tx, ended[0].id, day)


async def _continued(tx: Transaction, statement_id: UUID | None, day: date) -> Continued | None:
    if statement_id is None:
        return None
    return Continued(statement_id, day, await read_keys_until(tx, statement_id, day))


async def _begins_as(
    tx: Transaction, spool: StatementSpool, statement: Statement, stored: StoredStatement, continued: Continued | None
) -> bool:
    """Whether the first lines of a statement, as many as the stored one has, are lines of the stored one."""
    are_numbered = statement.sequence is not None and stored.sequence is not None
    if are_numbered and statement.sequence != stored.sequence and statement.profile == stored.profile:
        return False
    day = statement.from_day
    at_most = min(_COMPARED_MAX, stored.lines)
    lines = await asyncio.to_thread(spool.first_lines, statement.position, day, at_most=at_most)
    known = await read_keys_until(tx, stored.id, day)
    number = statement.bank_account_number
    keys = [each.key if continued is None else continued.key_of(each, number) for each in lines]
    return all(UUID(key) in known for key in keys)

"""The open lines that a run visits: those of a statement, or of all statements since a day; few are read once."""

from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from billing.core.clock import business_date
from billing.core.ids import OrganizationId
from billing.db.context import Context
from billing.db.database import Transaction
from billing.reconciliation.domain.match_rules import CHUNK, OpenLine
from billing.reconciliation.store.matching_lines import has_plain_reference, has_reference
from billing.reconciliation.store.open_lines import OpenChunk, read_lines_of_import, read_open_chunk, read_open_lines

OPEN_DAYS = timedelta(days=120)
"""How old an open line or item may be for a run over all open lines."""

_FIRST = UUID(int=0)


@dataclass(slots=True)
class OpenLines:
    """The open lines of an import, or all of them. `few` are all of them if they are less than a chunk.

    Lines that an earlier rule has matched are left out.
    """

    context: Context
    organization_id: OrganizationId
    import_id: UUID | None
    few: list[OpenLine] | None = None

    @property
    def from_day(self) -> date:
        """The first day of the lines and items of a run over all open lines."""
        return business_date(self.context.clock()) - OPEN_DAYS

    async def read_few(self, tx: Transaction) -> None:
        """Read the first chunk, and keep it if it is the last one."""
        lines = await self._read(tx, _FIRST)
        if len(lines) < CHUNK:
            self.few = lines

    def visit_all(self) -> None:
        """Visit every open line from now on, also those of other imports."""
        self.import_id, self.few = None, None

    def leave_out(self, line_ids: Collection[UUID]) -> None:
        """Leave out lines that are matched now."""
        if self.few is not None and line_ids:
            matched = set(line_ids)
            self.few = [line for line in self.few if line.id not in matched]

    async def by_reference(self) -> AsyncIterator[OpenChunk]:
        """The ids of the lines with a reference, by chunks."""
        if self.few is not None:
            named = [line for line in self.few if has_reference(line)]
            if named:
                plain = [line.id for line in named if has_plain_reference(line)]
                others = [line.id for line in named if not has_plain_reference(line)]
                yield OpenChunk(len(named), named[-1].id, min(line.booked_on for line in named), plain, others)
            return
        after: UUID | None = _FIRST
        while after is not None:
            async with self.context.database.transaction(self.organization_id) as tx:
                chunk = await read_open_chunk(
                    tx, import_id=self.import_id, from_day=self.from_day, after=after, at_most=CHUNK
                )
            after = None
            if chunk is not None:
                yield chunk
                after = chunk.last_id if chunk.lines == CHUNK else None

    async def in_chunks(self) -> AsyncIterator[list[OpenLine]]:
        """The lines in chunks."""
        if self.few is not None:
            if self.few:
                yield self.few
            return
        after, is_last = _FIRST, False
        while not is_last:
            async with self.context.database.transaction(self.organization_id) as tx:
                lines = await self._read(tx, after)
            is_last = len(lines) < CHUNK
            if is_last and after == _FIRST:
                self.few = lines
            if lines:
                yield lines
                after = lines[-1].id

    async def _read(self, tx: Transaction, after: UUID) -> list[OpenLine]:
        if self.import_id is not None:
            return await read_lines_of_import(tx, self.import_id, after=after, at_most=CHUNK)
        return await read_open_lines(tx, from_day=self.from_day, after=after, at_most=CHUNK)

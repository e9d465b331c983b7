"""The work list of finance: rows of exceptions with their proposals, a page at a time, and counts by reason.

`exceptions.py` reads one exception with its history; `decide_exceptions.py` decides. Source: docs/reconciliation.md,
Exceptions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from uuid import UUID

from billing.core.clock import business_date
from billing.core.errors import NotFound
from billing.core.ids import OrganizationId
from billing.core.money import Dong
from billing.db.context import Context
from billing.db.database import Transaction
from billing.payments.domain.exception import ExceptionState
from billing.reconciliation.domain.listing import TooManyRows
from billing.reconciliation.domain.match_rules import JOINED_WITHIN, OpenLine
from billing.reconciliation.domain.proposals import Proposal, ProposedItem, rank_proposals
from billing.reconciliation.domain.target_proposals import NamedTarget, ReceivedMoney, TargetProposal
from billing.reconciliation.domain.work_list import ReasonCount, WorkFilter, WorkRow
from billing.reconciliation.service.target_proposals import propose_targets
from billing.reconciliation.store.open_lines import read_further_open_lines, read_open_lines_of_ids
from billing.reconciliation.store.proposals import read_proposed_items
from billing.reconciliation.store.target_proposals import read_named_targets
from billing.reconciliation.store.work_list import count_open, find_open_of_line, read_work

PAGE_SIZE = 25
FILE_ROWS_MAX = 10_000
_ITEMS_SHOWN, _NEARBY_SHOWN = 5, 40


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedRow:
    """A row with its proposals, the best first: items of the ledger that its line may be, and codes it may be for.

    `nearby` are further items of the days near the line, for a line that is several of them, and `further_lines` open
    lines of the days near it that may be joined with it; of a single row only.
    """

    row: WorkRow
    items: Sequence[Proposal] = ()
    targets: Sequence[TargetProposal] = ()
    nearby: Sequence[ProposedItem] = ()
    further_lines: Sequence[OpenLine] = ()

    @property
    def best_target(self) -> TargetProposal | None:
        """The target that is proposed; None where none is, or where an item of the ledger is proposed."""
        return self.targets[0] if self.targets and not self.best_item else None

    @property
    def best_item(self) -> Proposal | None:
        """The item of the ledger that is proposed: the best one of equal amount."""
        return next((each for each in self.items if each.difference == 0), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkPage:
    """Some rows of the work list; `next_after` is the `after` of the next page, None on the last one."""

    rows: Sequence[ProposedRow]
    next_after: UUID | None


async def list_work(
    context: Context,
    organization_id: OrganizationId,
    wanted: WorkFilter,
    *,
    after: UUID | None = None,
    limit: int = PAGE_SIZE,
) -> WorkPage:
    """A page of the work list with proposals, the oldest row first. Reading changes nothing."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        rows = await read_work(tx, wanted, now=context.clock(), limit=limit + 1, after=after)
        shown = rows[:limit]
        proposed = await _propose(tx, shown)
    return WorkPage(rows=proposed, next_after=shown[-1].id if len(rows) > limit else None)


async def list_all_work(context: Context, organization_id: OrganizationId, wanted: WorkFilter) -> Sequence[WorkRow]:
    """The rows of a filter for a file, the oldest first. Raises TooManyRows."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        rows = await read_work(tx, wanted, now=context.clock(), limit=FILE_ROWS_MAX + 1)
    if len(rows) > FILE_ROWS_MAX:
        raise TooManyRows(f"the filter has more than {FILE_ROWS_MAX} rows; export fewer days", field="day")
    return rows


async def find_work(context: Context, organization_id: OrganizationId, exception_id: UUID) -> ProposedRow:
    """One exception as a row with its proposals, open or closed. Raises NotFound."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        rows = await read_work(tx, WorkFilter(state=None), now=context.clock(), limit=1, exception_id=exception_id)
        if not rows:
            raise NotFound("no such exception", field="exception_id")
        [proposed] = await _propose(tx, rows)
        return await _with_nearby(tx, proposed)


async def count_work(
    context: Context, organization_id: OrganizationId, day: date | None = None
) -> Sequence[ReasonCount]:
    """Open exceptions by reason, of a day or of all days."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        return await count_open(tx, day)


async def find_booked_work(context: Context, organization_id: OrganizationId, line_id: UUID) -> WorkRow | None:
    """The open exception of the payment that was booked from a statement line; None where its money has a place."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        exception_id = await find_open_of_line(tx, line_id)
        if exception_id is None:
            return None
        rows = await read_work(tx, WorkFilter(), now=context.clock(), limit=1, exception_id=exception_id)
    return rows[0] if rows else None


async def find_targets(context: Context, organization_id: OrganizationId, name: str) -> Sequence[NamedTarget]:
    """What the visits of a MA_LK, an invoice number or a payment code still owe, and their open deposits."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        return await read_named_targets(tx, name, at_most=PAGE_SIZE)


async def _propose(tx: Transaction, rows: Sequence[WorkRow]) -> list[ProposedRow]:
    open_rows = [each for each in rows if each.state is ExceptionState.OPEN]
    items = await _propose_items(tx, open_rows)
    moneys = [_money(each) for each in open_rows if _has_unknown_payer(each)]
    targets = await propose_targets(tx, moneys) if moneys else {}
    return [ProposedRow(row=each, items=items.get(each.id, ()), targets=targets.get(each.id, ())) for each in rows]


async def _with_nearby(tx: Transaction, proposed: ProposedRow) -> ProposedRow:
    """The row with items near its open line that are not proposed, and with the further open lines."""
    row = proposed.row
    is_open_line = row.is_statement_line and row.item_id is not None and row.state is ExceptionState.OPEN
    lines = await read_open_lines_of_ids(tx, [row.item_id]) if is_open_line and row.item_id is not None else []
    if not lines:
        return proposed
    known = {each.item.item_id for each in proposed.items}
    items = await read_proposed_items(tx, lines[0])
    return replace(
        proposed,
        nearby=[each for each in items if each.item_id not in known][:_NEARBY_SHOWN],
        further_lines=await read_further_open_lines(tx, lines[0], within=JOINED_WITHIN, at_most=_NEARBY_SHOWN),
    )


async def _propose_items(tx: Transaction, rows: Sequence[WorkRow]) -> Mapping[UUID, Sequence[Proposal]]:
    """The items that the open lines of the rows may be, by row."""
    by_line = {each.item_id: each for each in rows if each.is_statement_line and each.item_id is not None}
    lines: list[OpenLine] = await read_open_lines_of_ids(tx, list(by_line)) if by_line else []
    found: dict[UUID, Sequence[Proposal]] = {}
    for line in lines:
        row = by_line[line.id]
        found[row.id] = rank_proposals(line, row.text, await read_proposed_items(tx, line))[:_ITEMS_SHOWN]
    return found


def _has_unknown_payer(row: WorkRow) -> bool:
    """Whether a person looks for the visit that the money is for."""
    return row.free > 0 if row.payment_id is not None else row.is_statement_line and row.signed_amount > 0


def _money(row: WorkRow) -> ReceivedMoney:
    amount = row.free if row.payment_id is not None else Dong(row.signed_amount)
    return ReceivedMoney(
        id=row.id,
        amount=amount,
        day=min(row.business_day, business_date(row.read_at)),
        occurred_at=row.occurred_at,
        text=row.text,
        payer_name=row.payer_name,
    )

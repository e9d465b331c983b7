"""Shifts as they are read: with events, receipts, card slips and the sums by method."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self
from uuid import UUID

from billing.core.ids import DeskId, EntryId, PaymentId, PersonId, ReceiptId, ShiftId
from billing.core.list_slice import ListSlice
from billing.core.money import Dong
from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.visit_accounts.domain.receipt import Direction, PartMethod, ReceiptState, write_number
from billing.visit_accounts.domain.shift import Drawer, Shift, ShiftEventKind, ShiftState


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedShift:
    """A shift in a list."""

    id: ShiftId
    desk_id: DeskId
    cashier_id: PersonId
    state: ShiftState
    version: int
    opened_at: datetime
    ended_at: datetime | None
    closed_at: datetime | None
    is_forced: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedEvent:
    """A movement of cash of a shift, in đồng; negative out of the drawer."""

    id: UUID
    kind: ShiftEventKind
    amount: int
    reason: str
    receipt_id: ReceiptId | None
    entry_id: EntryId | None
    recorded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftReceipt:
    """A receipt of a shift."""

    id: ReceiptId
    series: str
    year: int
    number: int
    direction: Direction
    state: ReceiptState
    amount: Dong

    @property
    def written_number(self) -> str:
        """The number as it is printed."""
        return write_number(self.series, self.year, self.number)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftSlip:
    """A card payment of a shift; `batch_id` once its batch is recorded."""

    payment_id: PaymentId
    terminal_id: UUID
    approval_code: str
    amount: Dong
    batch_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodSum:
    """What the valid receipts of a shift sum to, by direction and method."""

    direction: Direction
    method: PartMethod
    amount: int
    parts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftView:
    """A shift as read. `cash` is the content of its drawer. All is empty where it is hidden from its cashier."""

    shift: Shift
    hides_expected_cash: bool
    cash: Dong | None
    is_hidden: bool = False
    events: tuple[ListedEvent, ...] = ()
    receipts: tuple[ShiftReceipt, ...] = ()
    slips: tuple[ShiftSlip, ...] = ()
    sums: tuple[MethodSum, ...] = ()

    def blind(self) -> Self:
        """The view of a cashier who has not counted yet: nothing from which the expected cash follows."""
        return replace(self, cash=None, is_hidden=True, events=(), receipts=(), slips=(), sums=())


_SHIFT = """
    SELECT id, desk_id, cashier_id, state, version, expected_float, opening_float, opened_at, counted, counted_cash,
        expected_cash, difference_reason, is_forced, forced_reason, ended_at, ended_by, closed_at, closed_by
    FROM shift WHERE organization_id = $1 AND id = $2
"""

_HIDES = """
    SELECT coalesce(setting.hides_expected_cash, false) FROM desk
    LEFT JOIN cash_setting AS setting ON setting.organization_id = $1 AND setting.facility_id = desk.facility_id
    WHERE desk.organization_id = $1 AND desk.id = $2
"""

_EVENTS = """
    SELECT id, kind, amount, reason, receipt_id, entry_id, recorded_at FROM shift_event
    WHERE organization_id = $1 AND shift_id = $2 ORDER BY id
"""

_RECEIPTS = """
    SELECT id, series, year, number, direction, state, amount FROM receipt
    WHERE organization_id = $1 AND (moved_to = $2 OR shift_id = $2 AND moved_to IS NULL) ORDER BY id
"""

_SLIPS = """
    SELECT slip.payment_id, slip.terminal_id, slip.approval_code, slip.amount, slip.batch_id
    FROM receipt
    JOIN receipt_part AS part ON part.organization_id = $1 AND part.receipt_id = receipt.id AND part.method = 'card'
    JOIN card_slip AS slip ON slip.organization_id = $1 AND slip.payment_id = part.payment_id
    WHERE receipt.organization_id = $1 AND (receipt.moved_to = $2 OR receipt.shift_id = $2 AND receipt.moved_to IS NULL)
    ORDER BY slip.payment_id
"""

_SUMS = """
    SELECT receipt.direction, part.method, sum(part.amount)::bigint AS amount, count(*)::int AS parts
    FROM receipt
    JOIN receipt_part AS part ON part.organization_id = $1 AND part.receipt_id = receipt.id
    WHERE receipt.organization_id = $1 AND (receipt.moved_to = $2 OR receipt.shift_id = $2 AND receipt.moved_to IS NULL)
        AND receipt.state = 'valid'
    GROUP BY receipt.direction, part.method ORDER BY receipt.direction, part.method
"""


async def read_shift_view(tx: Transaction, shift_id: ShiftId) -> ShiftView | None:
    """A shift with all that belongs to it; None if there is no such shift."""
    row = await tx.fetchrow(_SHIFT, tx.organization_id, shift_id)
    if row is None:
        return None
    shift = read_row(Shift, row)
    events = [read_row(ListedEvent, each) for each in await tx.fetch(_EVENTS, tx.organization_id, shift_id)]
    receipts = await tx.fetch(_RECEIPTS, tx.organization_id, shift_id)
    slips = await tx.fetch(_SLIPS, tx.organization_id, shift_id)
    sums = await tx.fetch(_SUMS, tx.organization_id, shift_id)
    return ShiftView(
        shift=shift,
        hides_expected_cash=await tx.fetchval(_HIDES, tx.organization_id, shift.desk_id),
        cash=Drawer(shift, Dong(shift.expected_float + sum(event.amount for event in events))).cash,
        events=tuple(events),
        receipts=tuple(read_row(ShiftReceipt, each) for each in receipts),
        slips=tuple(read_row(ShiftSlip, each) for each in slips),
        sums=tuple(read_row(MethodSum, each) for each in sums),
    )


_LIST_SHIFTS = """
    SELECT id, desk_id, cashier_id, state, version, opened_at, ended_at, closed_at, is_forced FROM shift
    WHERE organization_id = $1 AND ($2::uuid IS NULL OR id < $2) AND ($3::uuid IS NULL OR id >= $3)
        AND ($5::uuid IS NULL OR desk_id = $5) AND ($6::text IS NULL OR state = $6)
    ORDER BY id DESC LIMIT $4
"""


async def list_shifts(
    tx: Transaction, part: ListSlice, *, desk_id: DeskId | None, state: ShiftState | None
) -> list[ListedShift]:
    """Shifts, the newest first; None filters nothing."""
    rows = await tx.fetch(
        _LIST_SHIFTS,
        tx.organization_id,
        part.before,
        part.first,
        part.limit,
        desk_id,
        None if state is None else state.value,
    )
    return [read_row(ListedShift, row) for row in rows]

"""What the screens of a shift show: hand-overs and shifts with names, codes that wait, causes of a difference.

`desk_receipts.py` has the receipts.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from billing.core.ids import DeskId, FacilityId, ReceiptId, ShiftId, uuid7
from billing.core.money import Dong
from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.visit_accounts.domain.difference_causes import CashReceipt, OtherMoney
from billing.visit_accounts.domain.hand_over import HandOverState
from billing.visit_accounts.domain.receipt import Direction, PartMethod, write_number
from billing.visit_accounts.domain.shift import Shift


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedHandOver:
    """A hand-over with the desk and persons that it names."""

    id: UUID
    shift_id: ShiftId
    amount: Dong
    state: HandOverState
    notes: str
    desk: str
    cashier: str
    requested_at: datetime
    decided_at: datetime | None
    decided_by: str | None
    decision_reason: str


_HAND_OVERS = """
    SELECT hand_over.id, hand_over.shift_id, hand_over.amount, hand_over.state, hand_over.notes, desk.name AS desk,
        cashier.name AS cashier, hand_over.requested_at, hand_over.decided_at, decider.name AS decided_by,
        hand_over.decision_reason
    FROM hand_over
    JOIN shift ON shift.organization_id = $1 AND shift.id = hand_over.shift_id
    JOIN desk ON desk.organization_id = $1 AND desk.id = shift.desk_id
    JOIN facility ON facility.organization_id = $1 AND facility.id = desk.facility_id
    JOIN person AS cashier ON cashier.organization_id = $1 AND cashier.id = hand_over.requested_by
    LEFT JOIN person AS decider ON decider.organization_id = $1 AND decider.id = hand_over.decided_by
    WHERE hand_over.organization_id = $1
"""

_HAND_OVERS_OF_DESK = (
    _HAND_OVERS
    + """
    AND shift.desk_id = $2 AND (hand_over.state = 'pending' OR hand_over.shift_id = $3)
    ORDER BY hand_over.id DESC LIMIT 20
"""
)


async def read_hand_overs_of_desk(tx: Transaction, desk_id: DeskId, shift_id: ShiftId) -> list[NamedHandOver]:
    """The hand-overs of a shift, and those of its desk that wait, the newest first."""
    rows = await tx.fetch(_HAND_OVERS_OF_DESK, tx.organization_id, desk_id, shift_id)
    return [read_row(NamedHandOver, row) for row in rows]


_RECENT_HAND_OVERS = (
    _HAND_OVERS
    + """
    AND ($2::text[] IS NULL OR facility.code = ANY ($2)) AND (hand_over.state = 'pending' OR hand_over.decided_at >= $3)
    ORDER BY (hand_over.state <> 'pending'), hand_over.id DESC LIMIT 100
"""
)


async def read_recent_hand_overs(
    tx: Transaction, *, facility_codes: frozenset[str] | None, since: datetime
) -> list[NamedHandOver]:
    """Hand-overs that wait, then those decided since a time, of some facilities or of all."""
    codes = None if facility_codes is None else sorted(facility_codes)
    rows = await tx.fetch(_RECENT_HAND_OVERS, tx.organization_id, codes, since)
    return [read_row(NamedHandOver, row) for row in rows]


_WAITING_CODES = """
    SELECT count(*)::int FROM desk_code AS code
    JOIN intent ON intent.organization_id = $1 AND intent.id = code.intent_id
    WHERE code.organization_id = $1 AND code.desk_id = $2 AND code.put_away_at IS NULL AND code.opened_at >= $3
        AND intent.state IN ('created', 'pending', 'unknown')
"""


async def count_waiting_codes(tx: Transaction, desk_id: DeskId, *, since: datetime) -> int:
    """The codes that a desk opened since a time and that have no money yet."""
    found: int = await tx.fetchval(_WAITING_CODES, tx.organization_id, desk_id, since)
    return found


_CASH_RECEIPTS = """
    SELECT receipt.id, receipt.series, receipt.year, receipt.number, receipt.direction, receipt.issued_at,
        receipt.amount, array_agg(part.method) AS methods,
        coalesce(sum(part.amount) FILTER (WHERE part.method = 'cash'), 0)::bigint AS cash,
        coalesce((min(print.document ->> 'change'))::bigint, 0) AS change
    FROM receipt
    JOIN receipt_part AS part ON part.organization_id = $1 AND part.receipt_id = receipt.id
    LEFT JOIN receipt_print AS print ON print.organization_id = $1 AND print.receipt_id = receipt.id
    WHERE receipt.organization_id = $1 AND (receipt.moved_to = $2 OR receipt.shift_id = $2 AND receipt.moved_to IS NULL)
        AND receipt.state = 'valid'
    GROUP BY receipt.organization_id, receipt.id ORDER BY receipt.id
"""


async def read_cash_receipts(tx: Transaction, shift_id: ShiftId) -> list[CashReceipt]:
    """The valid receipts of a shift with their cash and change, for the causes of a difference."""
    return [
        CashReceipt(
            id=ReceiptId(row["id"]),
            number=write_number(row["series"], row["year"], row["number"]),
            direction=Direction(row["direction"]),
            issued_at=row["issued_at"],
            methods=frozenset(map(PartMethod, row["methods"])),
            amount=row["amount"],
            cash=row["cash"],
            change=row["change"],
        )
        for row in await tx.fetch(_CASH_RECEIPTS, tx.organization_id, shift_id)
    ]


_UNALLOCATED = """
    SELECT payment.amount, payment.occurred_at AS received_at
    FROM payment
    JOIN payment_position AS position ON position.organization_id = $1 AND position.payment_id = payment.id
    WHERE payment.organization_id = $1 AND payment.id >= $5 AND payment.amount = $2
        AND payment.occurred_at BETWEEN $3 AND $4 AND position.unallocated > 0
    LIMIT 20
"""


async def read_unallocated_of_amount(
    tx: Transaction, amount: int, *, since: datetime, until: datetime
) -> list[OtherMoney]:
    """Provider money of an amount that belongs to nobody yet; it was recorded after it occurred, so its id is later."""
    since_id = uuid7(int(since.timestamp() * 1000), 0)
    rows = await tx.fetch(_UNALLOCATED, tx.organization_id, amount, since, until, since_id)
    return [read_row(OtherMoney, row) for row in rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedShift:
    """A shift with the names of its desk and persons."""

    shift: Shift
    desk: str
    facility_id: FacilityId
    facility_code: str
    cashier: str
    ended_by: str | None
    closed_by: str | None


_SHIFTS = """
    SELECT to_jsonb(shift) - 'organization_id' AS shift, desk.name AS desk, desk.facility_id,
        facility.code AS facility_code, cashier.name AS cashier, ender.name AS ended_by, closer.name AS closed_by
    FROM shift
    JOIN desk ON desk.organization_id = $1 AND desk.id = shift.desk_id
    JOIN facility ON facility.organization_id = $1 AND facility.id = desk.facility_id
    JOIN person AS cashier ON cashier.organization_id = $1 AND cashier.id = shift.cashier_id
    LEFT JOIN person AS ender ON ender.organization_id = $1 AND ender.id = shift.ended_by
    LEFT JOIN person AS closer ON closer.organization_id = $1 AND closer.id = shift.closed_by
    WHERE shift.organization_id = $1
"""

_ONE_SHIFT = _SHIFTS + "AND shift.id = $2"


async def read_named_shift(tx: Transaction, shift_id: ShiftId) -> NamedShift | None:
    """A shift with its names; None if there is none."""
    row = await tx.fetchrow(_ONE_SHIFT, tx.organization_id, shift_id)
    return None if row is None else read_row(NamedShift, row)


_OWN_SHIFT = _SHIFTS + "AND shift.cashier_id = $2 AND shift.state = 'open'"


async def read_open_shift_of(tx: Transaction, cashier_id: UUID) -> NamedShift | None:
    """The open shift of a cashier; None if there is none."""
    row = await tx.fetchrow(_OWN_SHIFT, tx.organization_id, cashier_id)
    return None if row is None else read_row(NamedShift, row)


_LAST_SHIFT = _SHIFTS + "AND shift.desk_id = $2 ORDER BY shift.id DESC LIMIT 1"


async def read_last_shift(tx: Transaction, desk_id: DeskId) -> NamedShift | None:
    """The latest shift of a desk in any state; None for a new desk."""
    row = await tx.fetchrow(_LAST_SHIFT, tx.organization_id, desk_id)
    return None if row is None else read_row(NamedShift, row)


_UNCLOSED = (
    _SHIFTS
    + """
    AND shift.state <> 'closed' AND ($2::text[] IS NULL OR facility.code = ANY ($2))
    ORDER BY shift.state DESC, shift.id LIMIT 100
"""
)


async def read_unclosed_shifts(tx: Transaction, *, facility_codes: frozenset[str] | None) -> list[NamedShift]:
    """Shifts that are open or wait for their audit, of some facilities or of all."""
    codes = None if facility_codes is None else sorted(facility_codes)
    return [read_row(NamedShift, row) for row in await tx.fetch(_UNCLOSED, tx.organization_id, codes)]

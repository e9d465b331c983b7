"""Receipts as the desk lists them, with the name of the patient: the last ones of a visit and of a desk, a shift's."""

from dataclasses import dataclass
from datetime import datetime

from billing.core.ids import DeskId, ReceiptId, ShiftId, VisitId
from billing.core.money import Dong
from billing.core.text import shorten_name
from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.visit_accounts.domain.receipt import Direction, PartMethod, ReceiptState, write_number


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskReceiptPart:
    """One method with its amount in đồng."""

    method: PartMethod
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskReceipt:
    """A receipt in a list of the desk. `patient` is the name as printed, empty once erased; `issued_by` a name.

    `printed_at` is None before any print.
    """

    id: ReceiptId
    series: str
    year: int
    number: int
    direction: Direction
    state: ReceiptState
    amount: Dong
    issued_at: datetime
    issued_by: str
    visit_id: VisitId | None
    printed_at: datetime | None
    reprints: int
    patient: str
    tendered: int | None
    change: int | None
    parts: tuple[DeskReceiptPart, ...]

    @property
    def written_number(self) -> str:
        """The number as it is printed."""
        return write_number(self.series, self.year, self.number)

    @property
    def short_name(self) -> str:
        return shorten_name(self.patient)

    @property
    def methods(self) -> list[PartMethod]:
        """The methods of its parts, each once."""
        return sorted({part.method for part in self.parts})

    @property
    def parts_not_cash(self) -> list[DeskReceiptPart]:
        """What was not paid in cash, nor by its rounding; negative for money out."""
        sign = 1 if self.direction is Direction.IN else -1
        in_cash = (PartMethod.CASH, PartMethod.ROUNDING)
        return [
            DeskReceiptPart(method=part.method, amount=sign * part.amount)
            for part in self.parts
            if part.method not in in_cash
        ]

    @property
    def amount_not_cash(self) -> int:
        """The sum of these parts."""
        return sum(part.amount for part in self.parts_not_cash)

    def amount_of(self, method: PartMethod) -> int:
        """The sum of the parts of a method."""
        return sum(part.amount for part in self.parts if part.method is method)


_RECEIPTS = """
    SELECT receipt.id, receipt.series, receipt.year, receipt.number, receipt.direction, receipt.state, receipt.amount,
        receipt.issued_at, coalesce(person.name, '') AS issued_by, receipt.visit_id, receipt.printed_at,
        receipt.reprints, coalesce(printed.document ->> 'patient', '') AS patient,
        (printed.document ->> 'tendered')::bigint AS tendered, (printed.document ->> 'change')::bigint AS change,
        (SELECT coalesce(jsonb_agg(jsonb_build_object('method', part.method, 'amount', part.amount)
            ORDER BY part.part), '[]')
         FROM receipt_part AS part WHERE part.organization_id = $1 AND part.receipt_id = receipt.id) AS parts
    FROM receipt
    LEFT JOIN person ON person.organization_id = $1 AND person.id = receipt.issued_by
    LEFT JOIN receipt_print AS printed ON printed.organization_id = $1 AND printed.receipt_id = receipt.id
"""

_OF_VISIT = _RECEIPTS + "WHERE receipt.organization_id = $1 AND receipt.visit_id = $2 ORDER BY receipt.id DESC LIMIT $3"


async def read_receipts_of_visit(tx: Transaction, visit_id: VisitId, *, at_most: int) -> list[DeskReceipt]:
    """The last receipts of a visit, the newest first."""
    return [read_row(DeskReceipt, row) for row in await tx.fetch(_OF_VISIT, tx.organization_id, visit_id, at_most)]


_LAST_SHIFTS = """
    SELECT shift.id FROM shift WHERE shift.organization_id = $1 AND shift.desk_id = $2 ORDER BY shift.id DESC LIMIT 3
"""

_OF_DESK = (
    _RECEIPTS
    + "WHERE receipt.organization_id = $1 AND receipt.shift_id IN ("
    + _LAST_SHIFTS
    + ") ORDER BY receipt.id DESC LIMIT $3"
)


async def read_receipts_of_desk(tx: Transaction, desk_id: DeskId, *, at_most: int) -> list[DeskReceipt]:
    """The last receipts of the three newest shifts of a desk, the newest first: what was issued before a power cut."""
    return [read_row(DeskReceipt, row) for row in await tx.fetch(_OF_DESK, tx.organization_id, desk_id, at_most)]


_UNPRINTED = (
    _RECEIPTS
    + "WHERE receipt.organization_id = $1 AND receipt.shift_id IN ("
    + _LAST_SHIFTS
    + """) AND receipt.issued_at >= $3 AND receipt.state = 'valid' AND receipt.printed_at IS NULL
        AND EXISTS (SELECT FROM receipt_part AS came WHERE came.organization_id = $1 AND came.receipt_id = receipt.id
            AND came.method IN ('provider', 'transfer'))
    ORDER BY receipt.id DESC LIMIT $4
"""
)


async def read_unprinted_transfers(
    tx: Transaction, desk_id: DeskId, *, since: datetime, at_most: int
) -> list[DeskReceipt]:
    """The newest receipts of a desk for transfers that nobody has printed, issued since a time."""
    rows = await tx.fetch(_UNPRINTED, tx.organization_id, desk_id, since, at_most)
    return [read_row(DeskReceipt, row) for row in rows]


_OF_SHIFT = (
    _RECEIPTS
    + """
    WHERE receipt.organization_id = $1 AND (receipt.moved_to = $2 OR receipt.shift_id = $2 AND receipt.moved_to IS NULL)
    ORDER BY receipt.id
"""
)


async def read_receipts_of_shift(tx: Transaction, shift_id: ShiftId) -> list[DeskReceipt]:
    """Every receipt of a shift, in the order of issue."""
    return [read_row(DeskReceipt, row) for row in await tx.fetch(_OF_SHIFT, tx.organization_id, shift_id)]

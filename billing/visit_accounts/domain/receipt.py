"""Receipts: the numbered paper for money in (phiếu thu) or out (phiếu chi), its parts by method, and its void.

Numbers are gapless for each organization, series and year. A void keeps number, reason and approver. Source:
docs/design.md §2, Receipt.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from billing.core.errors import Refused
from billing.core.ids import DepositId, DepositRequestId, InvoiceId, PaymentId, PersonId, ReceiptId, ShiftId, VisitId
from billing.core.money import Dong


class Direction(StrEnum):
    """Whether a receipt is for money in or out."""

    IN = "in"
    OUT = "out"


class Purpose(StrEnum):
    """What the money of a receipt is for."""

    DEPOSIT = "deposit"
    INVOICE = "invoice"
    GUARANTEE = "guarantee"
    REFUND = "refund"
    RETURNED_DEPOSIT = "returned_deposit"
    CASH = "cash"


class ReceiptState(StrEnum):
    """A receipt is valid until it is void."""

    VALID = "valid"
    VOID = "void"


class PartMethod(StrEnum):
    """How one part of a receipt was paid; `rounding` is what cash rounding added or took off."""

    CASH = "cash"
    CARD = "card"
    PROVIDER = "provider"
    TRANSFER = "transfer"
    ROUNDING = "rounding"


class OverCollection(Refused):
    """More is collected than is owed or requested."""

    code = "over_collection"


class ReceiptAlreadyVoid(Refused):
    """The receipt is void already."""

    code = "receipt_already_void"


class ReceiptNotMovable(Refused):
    """The receipt cannot be moved to this shift: another facility, the same shift, or a closed day."""

    code = "receipt_not_movable"


class ReceiptShiftEnded(Refused):
    """The shift that has the receipt has ended: its cash was counted and its minutes are frozen."""

    code = "receipt_shift_ended"


class ReceiptMoneyUsed(Refused):
    """The money of the receipt has moved on: to a final bill, a refund or the patient's credit."""

    code = "receipt_money_used"


class ReceiptNumberTaken(Refused):
    """The number of a paper block was entered before."""

    code = "receipt_number_taken"


class PaymentHasReceipt(Refused):
    """The payment is on a valid receipt."""

    code = "payment_has_receipt"


class TransferAlreadyBooked(Refused):
    """The bank transfer was confirmed before, or its provider has reported it."""

    code = "transfer_already_booked"


class SlipAlreadyRecorded(Refused):
    """The approval code of the terminal was recorded before, on the same day."""

    code = "slip_already_recorded"


SERIES: Mapping[Direction, str] = {Direction.IN: "PT", Direction.OUT: "PC"}
"""The series of receipts by direction: phiếu thu, phiếu chi."""

UNUSED = "unused"
"""The void reason of a number of a paper block that was never written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptPart:
    """One part of a receipt, in đồng: a payment in or a refund out.

    A cash part is the cash that was given; the rounding part is what it differs from what is credited, negative for a
    rounding up.
    """

    method: PartMethod
    amount: int
    payment_id: PaymentId | None = None
    refund_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A numbered receipt. `amount` is what is credited to the patient, in đồng: the sum of its parts.

    `shift_id` issued it; `moved_to` is the shift that has it now where it was moved.
    """

    id: ReceiptId
    series: str
    year: int
    number: int
    direction: Direction
    purpose: Purpose
    state: ReceiptState
    amount: Dong
    issued_at: datetime
    issued_by: PersonId | None
    visit_id: VisitId | None = None
    shift_id: ShiftId | None = None
    block_id: UUID | None = None
    deposit_id: DepositId | None = None
    deposit_request_id: DepositRequestId | None = None
    invoice_id: InvoiceId | None = None
    void_reason: str = ""
    voided_at: datetime | None = None
    voided_by: PersonId | None = None
    reprints: int = 0
    printed_at: datetime | None = None
    moved_to: ShiftId | None = None
    parts: Sequence[ReceiptPart] = ()

    @property
    def written_number(self) -> str:
        """The number as it is printed."""
        return write_number(self.series, self.year, self.number)

    @property
    def held_in(self) -> ShiftId | None:
        """The shift that has the receipt and its cash now."""
        return self.moved_to or self.shift_id

    @property
    def cash(self) -> int:
        """The cash that was given for the receipt."""
        return sum(part.amount for part in self.parts if part.method is PartMethod.CASH)

    def credited(self, part: ReceiptPart) -> Dong:
        """What a part credits to the patient: for cash, the part without the rounding."""
        if part.method is not PartMethod.CASH:
            return Dong(part.amount)
        return Dong(part.amount + sum(each.amount for each in self.parts if each.method is PartMethod.ROUNDING))

    def require_valid(self) -> None:
        """Raises ReceiptAlreadyVoid, which states who voided it and when."""
        if self.state is ReceiptState.VOID:
            raise ReceiptAlreadyVoid(
                f"receipt {self.written_number} was voided at {self.voided_at:%Y-%m-%d %H:%M:%S} UTC by "
                f"{self.voided_by}"
            )


def write_number(series: str, year: int, number: int) -> str:
    """A receipt number as it is printed: PT2026-000123."""
    return f"{series}{year}-{number:06d}"

"""What a cashier collects at the desk in one step: ticked lines, a request, an invoice, or an advance; and how.

`domain/collection.py` is the collection with its parts as the receipt lists them. Source: docs/visit-accounts.md,
The desk.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from billing.core.errors import InvalidValue, Refused
from billing.core.ids import DepositRequestId, InvoiceId, PaymentId, ReceiptId, VisitId
from billing.core.money import NOTHING, Dong
from billing.visit_accounts.domain.collection import CollectedPart
from billing.visit_accounts.domain.receipt import PartMethod


class DueChanged(Refused):
    """Another amount is due now than the cashier was shown. `due` in đồng."""

    code = "due_changed"

    def __init__(self, *, due: Dong, shown: Dong) -> None:
        super().__init__(f"{due} đồng are due now, {shown} đồng were shown; look at the lines again", field="due")
        self.due = due


@dataclass(frozen=True, slots=True, kw_only=True)
class CardPayment:
    """A card payment as the terminal printed it; `amount` None takes all that is due, in đồng."""

    terminal_id: UUID
    approval_code: str
    amount: Dong | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskCollection:
    """What is collected, in đồng. Exactly one of `lines`, `request_id`, `invoice_id` and `advance` is the target.

    `shown_due` is what the cashier saw. Without `card` all of it is cash; `tendered` is the cash that was given, None
    where it is exact.
    """

    visit_id: VisitId
    shown_due: Dong
    lines: tuple[str, ...] = ()
    request_id: DepositRequestId | None = None
    invoice_id: InvoiceId | None = None
    advance: Dong | None = None
    uses_deposit: bool = True
    tendered: Dong | None = None
    card: CardPayment | None = None

    def check(self) -> None:
        """Raises InvalidValue."""
        named = [bool(self.lines), self.request_id is not None, self.invoice_id is not None, self.advance is not None]
        if sum(named) > 1:
            raise InvalidValue("collect for lines, a request, an invoice or an advance, not for several", field="lines")
        if self.advance is not None and self.advance != self.shown_due:
            raise InvalidValue("an advance is collected in full", field="advance")

    def parts(self, due: Dong, arrived: Sequence[PaymentId]) -> list[CollectedPart]:
        """The parts of the receipt: card, cash for the rest, and the money that has come before.

        Raises DueChanged, InvalidValue.
        """
        if due != self.shown_due:
            raise DueChanged(due=due, shown=self.shown_due)
        parts = []
        by_card = NOTHING
        if self.card is not None and due:
            by_card = due if self.card.amount is None else self.card.amount
            if not 0 < by_card <= due:
                raise InvalidValue(f"pay 1 to {due} đồng by card", field="card_amount")
            parts.append(
                CollectedPart(
                    method=PartMethod.CARD,
                    amount=by_card,
                    terminal_id=self.card.terminal_id,
                    approval_code=self.card.approval_code,
                )
            )
        if due > by_card:
            parts.append(CollectedPart(method=PartMethod.CASH, amount=Dong(due - by_card), tendered=self.tendered))
        parts.extend(CollectedPart(method=PartMethod.PROVIDER, payment_id=each) for each in arrived)
        return parts


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskResult:
    """The result: the receipt, None where the deposit paid all; the request that was paid, if any."""

    receipt_id: ReceiptId | None
    request_id: DepositRequestId | None = None

"""What a cashier collects at once: several methods for one target, on one receipt.

The target is the deposit of a visit (for a request, or as an advance) or an invoice. A part `provider` is a payment
that came by QR or another provider before: the receipt lists it, and no money moves. Source: docs/visit-accounts.md,
Cash.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from billing.core.errors import InvalidValue, Refused
from billing.core.ids import DepositRequestId, InvoiceId, PaymentId, VisitId
from billing.core.money import NOTHING, Dong
from billing.visit_accounts.domain.receipt import PartMethod

_PARTS_MAX = 20
_TEXT_MAX = 40
_TAKEN = (PartMethod.CASH, PartMethod.CARD, PartMethod.TRANSFER)


class TenderedTooLittle(Refused):
    """The patient gave less cash than the cash part."""

    code = "tendered_too_little"


class PaymentNotOfTarget(Refused):
    """No money of the payment is on the target of the receipt."""

    code = "payment_not_of_target"


class AmountMismatch(Refused):
    """The parts do not sum to the stated amount."""

    code = "amount_mismatch"


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectedPart:
    """One method with its amount in đồng. `tendered` is the cash that the patient gave.

    Card: terminal and approval code. Transfer: bank account and the bank's reference, confirmed by a head cashier.
    Provider: the payment, whose amount on the target counts.
    """

    method: PartMethod
    amount: Dong = NOTHING
    tendered: Dong | None = None
    terminal_id: UUID | None = None
    approval_code: str = ""
    bank_account_id: UUID | None = None
    reference: str = ""
    payment_id: PaymentId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """A collection for one visit, or of a payer for its guarantees. `amount` is what is to be collected.

    An advance states it. `guarantee_ids` are those that the payer pays; none: all that it owes for.
    """

    visit_id: VisitId | None = None
    parts: Sequence[CollectedPart]
    payer: str = ""
    guarantee_ids: Sequence[UUID] = ()
    deposit_request_id: DepositRequestId | None = None
    invoice_id: InvoiceId | None = None
    amount: Dong | None = None

    @property
    def taken(self) -> Dong:
        """The money that the cashier takes now: all parts but those of providers."""
        return Dong(sum(part.amount for part in self.parts))

    def of_method(self, method: PartMethod) -> list[CollectedPart]:
        """The parts of a method, in order."""
        return [part for part in self.parts if part.method is method]

    def check(self) -> None:
        """Check what the parts need. Raises InvalidValue, AmountMismatch."""
        if self.deposit_request_id is not None and self.invoice_id is not None:
            raise InvalidValue("collect for a deposit request or for an invoice, not for both", field="invoice_id")
        if self.payer and self.of_method(PartMethod.PROVIDER):
            raise InvalidValue("money that came before is assigned to its payer by its exception", field="parts")
        is_advance = self.deposit_request_id is None and self.invoice_id is None and not self.payer
        if is_advance and self.amount is None:
            raise InvalidValue("an advance states its amount", field="amount")
        if not 1 <= len(self.parts) <= _PARTS_MAX:
            raise InvalidValue(f"a receipt has 1 to {_PARTS_MAX} parts", field="parts")
        if len(self.of_method(PartMethod.CASH)) > 1:
            raise InvalidValue("a receipt has one cash part", field="parts")
        for number, part in enumerate(self.parts):
            problem = _problem_of(part)
            if problem is not None:
                raise InvalidValue(problem, field=f"parts.{number}")
        payments = [part.payment_id for part in self.of_method(PartMethod.PROVIDER)]
        if len(set(payments)) < len(payments):
            raise InvalidValue("a payment is on a receipt once", field="parts")

    def check_amount(self, *, on_target: Dong) -> None:
        """Compare the parts with the stated amount; `on_target` is what providers brought before.

        Raises AmountMismatch.
        """
        if self.amount is not None and self.amount != self.taken + on_target:
            raise AmountMismatch(
                f"the parts sum to {self.taken + on_target} đồng, the amount is {self.amount} đồng", field="amount"
            )


def change_of(part: CollectedPart, *, rounding: int) -> Dong:
    """The change of a cash part. Raises TenderedTooLittle."""
    due = part.amount + rounding
    tendered = due if part.tendered is None else part.tendered
    if tendered < due:
        raise TenderedTooLittle(f"{due} đồng are due in cash, {tendered} đồng were given", field="parts")
    return Dong(tendered - due)


def _problem_of(part: CollectedPart) -> str | None:
    is_card, is_transfer = part.method is PartMethod.CARD, part.method is PartMethod.TRANSFER
    problems = {
        "rounding is computed, not sent": part.method is PartMethod.ROUNDING,
        "cash, card and transfer have an amount above 0; a provider's payment has its own": (
            (part.amount > 0) != (part.method in _TAKEN)
        ),
        "a card part, and no other, has terminal_id and approval_code": (
            (part.terminal_id is not None) != is_card or (part.approval_code != "") != is_card
        ),
        "a transfer, and no other part, has bank_account_id and reference": (
            (part.bank_account_id is not None) != is_transfer or (part.reference != "") != is_transfer
        ),
        "a provider's part, and no other, has payment_id": (
            (part.payment_id is not None) != (part.method is PartMethod.PROVIDER)
        ),
        "tendered is for cash": part.tendered is not None and part.method is not PartMethod.CASH,
        f"codes and references have at most {_TEXT_MAX} characters": (
            max(len(part.approval_code), len(part.reference)) > _TEXT_MAX
        ),
    }
    return next((problem for problem, is_found in problems.items() if is_found), None)

"""A payment and its allocations.

Received money is always booked: on invoices that still owe, else as credit (late payment of a paid invoice included),
else as unallocated, and never less or more than received. `apply_events.py` finds the intent and its invoices, and
leaves money without a usable code unallocated. Source: docs/design.md §5, Where money goes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from billing.core.ids import (
    AllocationId,
    DeliveryId,
    DepositId,
    IntentId,
    InvoiceId,
    PaymentId,
    ProviderAccountId,
    VisitId,
)
from billing.core.money import Dong
from billing.invoices.domain.invoice import Invoice, InvoiceState
from billing.payments.domain.deposit import Deposit


class AllocationTarget(StrEnum):
    """The target of a part of a payment."""

    INVOICE = "invoice"
    DEPOSIT = "deposit"
    GUARANTEE = "guarantee"
    CREDIT = "credit"
    UNALLOCATED = "unallocated"
    REFUND = "refund"


class AllocationReason(StrEnum):
    """Why a part of a payment is allocated to its target; all but `owed` are reasons of exceptions too."""

    OWED = "owed"
    OVER_PAID = "over_paid"
    ALREADY_PAID = "already_paid"
    PAID_AFTER_CANCEL = "paid_after_cancel"
    NO_REFERENCE = "no_reference"
    AMBIGUOUS_REFERENCE = "ambiguous_reference"
    SPLIT_REFERENCE_AMOUNT_MISMATCH = "split_reference_amount_mismatch"
    PROBABLE_DUPLICATE = "probable_duplicate"


class ReversalReason(StrEnum):
    """Why the allocations of a payment change after an outflow: one is reversed, or its remainder is reallocated.

    A person may declare a payment the duplicate of another: its allocation is reversed too.
    """

    UNEXPECTED_REVERSAL = "unexpected_reversal"
    DECLARED_DUPLICATE = "declared_duplicate"
    DUPLICATE_REVERTED = "duplicate_reverted"
    REMAINDER_OF_REVERSAL = "remainder_of_reversal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """Money received; immutable."""

    id: PaymentId
    account_id: ProviderAccountId
    delivery_id: DeliveryId
    intent_id: IntentId | None
    amount: Dong
    provider_reference: str
    bank_reference: str
    occurred_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """A part of a payment with one target. `visit_id` is None if it belongs to no single patient."""

    id: AllocationId
    payment_id: PaymentId
    target: AllocationTarget
    amount: Dong
    reason: AllocationReason
    invoice_id: InvoiceId | None = None
    deposit_id: DepositId | None = None
    visit_id: VisitId | None = None


@dataclass(frozen=True, slots=True)
class AllocationDraft:
    """A part of an amount before it has ids."""

    target: AllocationTarget
    amount: Dong
    reason: AllocationReason
    invoice: Invoice | None = None
    visit_id: VisitId | None = None
    deposit: Deposit | None = None


def allocate_to_deposit(amount: Dong, deposit: Deposit) -> AllocationDraft:
    """Allocate an amount to the deposit of a visit while it is open; later it is credit of the patient."""
    if deposit.takes_money:
        return AllocationDraft(
            AllocationTarget.DEPOSIT, amount, AllocationReason.OWED, visit_id=deposit.visit_id, deposit=deposit
        )
    return AllocationDraft(AllocationTarget.CREDIT, amount, AllocationReason.ALREADY_PAID, visit_id=deposit.visit_id)


def allocate_to_invoices(amount: Dong, invoices: Sequence[Invoice]) -> list[AllocationDraft]:
    """Allocate an amount to invoices in the intent's order, each at most the amount it owes; the rest is credit.

    The credit belongs to the patient if all the invoices are of one visit, else to the payer.
    """
    parts: list[AllocationDraft] = []
    rest = amount
    for invoice in invoices:
        if rest and invoice.takes_money:
            put = Dong(min(rest, invoice.owed))
            parts.append(
                AllocationDraft(AllocationTarget.INVOICE, put, AllocationReason.OWED, invoice, invoice.visit_id)
            )
            rest = Dong(rest - put)
    if rest:
        visits = {invoice.visit_id for invoice in invoices}
        owner = visits.pop() if len(visits) == 1 else None
        parts.append(
            AllocationDraft(AllocationTarget.CREDIT, rest, _credit_reason(invoices, placed=bool(parts)), None, owner)
        )
    return parts


def _credit_reason(invoices: Sequence[Invoice], *, placed: bool) -> AllocationReason:
    if placed:
        return AllocationReason.OVER_PAID
    if any(invoice.state is not InvoiceState.ISSUED or invoice.corrections < 0 for invoice in invoices):
        return AllocationReason.PAID_AFTER_CANCEL
    return AllocationReason.ALREADY_PAID


def position_of(parts: Sequence[Allocation]) -> Mapping[AllocationTarget, int]:
    """The amount of a new payment by allocation target."""
    sums = dict.fromkeys(AllocationTarget, 0)
    for part in parts:
        sums[part.target] += part.amount
    return sums

"""A payment and its allocations.

Received money is always booked: on invoices that still owe, else as credit, else as unallocated, and never less or more
than received. Source: docs/design.md §5, Where money goes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from billing.core.ids import AllocationId, DeliveryId, IntentId, InvoiceId, PaymentId, ProviderAccountId, VisitId
from billing.core.money import Dong
from billing.invoices.domain.invoice import Invoice, InvoiceState


class AllocationTarget(StrEnum):
    """The target of a part of a payment."""

    INVOICE = "invoice"
    CREDIT = "credit"
    UNALLOCATED = "unallocated"


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
    """Why the allocations of a payment change after an outflow: one is reversed, or its remainder is reallocated."""

    UNEXPECTED_REVERSAL = "unexpected_reversal"
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
    visit_id: VisitId | None = None


@dataclass(frozen=True, slots=True)
class AllocationDraft:
    """A part of an amount before it has ids."""

    target: AllocationTarget
    amount: Dong
    reason: AllocationReason
    invoice: Invoice | None = None
    visit_id: VisitId | None = None


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

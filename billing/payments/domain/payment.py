"""A payment and where its money belongs.

Money that arrived is always booked: on invoices that still owe, else as credit, else as unallocated, and never less or
more than arrived. Source: docs/design.md §5, Where money goes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from billing.core.ids import AllocationId, DeliveryId, IntentId, InvoiceId, PaymentId, ProviderAccountId, VisitId
from billing.core.money import Dong
from billing.invoices.domain.invoice import Invoice, InvoiceState


class Place(StrEnum):
    """Where a part of a payment is."""

    INVOICE = "invoice"
    CREDIT = "credit"
    UNALLOCATED = "unallocated"


class Why(StrEnum):
    """Why a part of a payment is where it is; all but `owed` are for a person to look at."""

    OWED = "owed"
    OVER_PAID = "over_paid"
    PAID_AGAIN = "paid_again"
    PAID_AFTER_CANCEL = "paid_after_cancel"
    NO_REFERENCE = "no_reference"
    TWO_REFERENCES = "two_references"
    RESPACED_AMOUNT_DIFFERS = "respaced_amount_differs"
    PROBABLE_DUPLICATE = "probable_duplicate"


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
    """A part of a payment, put in one place. `visit_id` is None where no one patient owns it."""

    id: AllocationId
    payment_id: PaymentId
    place: Place
    amount: Dong
    why: Why
    invoice_id: InvoiceId | None = None
    visit_id: VisitId | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """A part of an amount before it has ids."""

    place: Place
    amount: Dong
    why: Why
    invoice: Invoice | None = None
    visit_id: VisitId | None = None


def place_on_invoices(amount: Dong, invoices: Sequence[Invoice]) -> list[Part]:
    """Put an amount on invoices in the intent's order, each at most what it owes; the rest is credit.

    The credit belongs to the patient when all the invoices are of one visit, else to the payer.
    """
    parts: list[Part] = []
    rest = amount
    for invoice in invoices:
        if rest and invoice.takes_money:
            put = Dong(min(rest, invoice.owed))
            parts.append(Part(Place.INVOICE, put, Why.OWED, invoice, invoice.visit_id))
            rest = Dong(rest - put)
    if rest:
        visits = {invoice.visit_id for invoice in invoices}
        owner = visits.pop() if len(visits) == 1 else None
        parts.append(Part(Place.CREDIT, rest, _why_credit(invoices, placed=bool(parts)), None, owner))
    return parts


def _why_credit(invoices: Sequence[Invoice], *, placed: bool) -> Why:
    if placed:
        return Why.OVER_PAID
    if any(invoice.state is not InvoiceState.ISSUED or invoice.corrections < 0 for invoice in invoices):
        return Why.PAID_AFTER_CANCEL
    return Why.PAID_AGAIN


def position_of(parts: Sequence[Allocation]) -> Mapping[Place, int]:
    """How much of a new payment stands in each place."""
    sums = dict.fromkeys(Place, 0)
    for part in parts:
        sums[part.place] += part.amount
    return sums

"""The invoice: the frozen bill of a visit, and the amount owed of the patient share."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Self

from billing.core.errors import Refused
from billing.core.ids import InvoiceId, VisitId
from billing.core.money import NOTHING, Dong, Shares


class InvoiceState(StrEnum):
    """draft → issued or discarded; only a draft that no intent names is discarded."""

    DRAFT = "draft"
    ISSUED = "issued"
    DISCARDED = "discarded"


class NothingToInvoice(Refused):
    """The earlier invoices of the visit contain its whole cost so far."""

    code = "nothing_to_invoice"


class CorrectionNeeded(Refused):
    """A payer's share of the visit fell below its invoices; only a correction may lower an issued invoice."""

    code = "correction_needed"


class FinalBillNeeded(Refused):
    """The visit has an open visit account: only its final bill invoices it."""

    code = "final_bill_needed"


class VisitErased(Refused):
    """The data of the visit were erased after their retention; it can no longer be priced or claimed."""

    code = "visit_erased"


class InvoiceNotIssued(Refused):
    """The invoice is a draft or was discarded: it is neither paid nor claimed."""

    code = "invoice_not_issued"


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoice:
    """One frozen bill. owed = patient share + corrections − allocated, never negative.

    `guarantor` is the private insurer that owes its share; empty without a guarantee.
    """

    id: InvoiceId
    visit_id: VisitId
    visit_version: int
    number: str
    state: InvoiceState
    version: int
    shares: Shares
    guarantor: str = ""
    corrections: int = 0
    allocated: Dong = NOTHING
    issued_at: datetime | None = None

    def __post_init__(self) -> None:
        assert self.owed >= 0, "more is allocated to an invoice than its patient share"

    @property
    def owed(self) -> Dong:
        return Dong(self.shares.patient + self.corrections - self.allocated)

    @property
    def takes_money(self) -> bool:
        return self.state is InvoiceState.ISSUED and self.owed > 0

    def allocate(self, amount: Dong) -> Self:
        """The invoice after `amount`, at most the amount owed, was allocated to it."""
        return replace(self, allocated=Dong(self.allocated + amount), version=self.version + 1)

    def deallocate(self, amount: Dong) -> Self:
        """The invoice after the allocation of `amount` was reversed: the amount is owed again."""
        return replace(self, allocated=Dong(self.allocated - amount), version=self.version + 1)

    def correct(self, change: int, *, freed: Dong) -> Self:
        """The invoice after corrections of the patient's amount, and after `freed` of its allocations became credit."""
        return replace(
            self,
            corrections=self.corrections + change,
            allocated=Dong(self.allocated - freed),
            version=self.version + 1,
        )


def shares_still_to_invoice(whole: Shares, earlier: Sequence[Shares]) -> Shares:
    """The shares of a further invoice of a visit: the rounded visit so far less its earlier invoices.

    Raises NothingToInvoice, or CorrectionNeeded where a payer's share is smaller now. Source: docs/design.md §4, Money.
    """
    patient = whole.patient - sum(shares.patient for shares in earlier)
    other = whole.other - sum(shares.other for shares in earlier)
    insurer = whole.insurer - sum(shares.insurer for shares in earlier)
    private = whole.private - sum(shares.private for shares in earlier)
    remaining = _without_drift([patient, other, insurer, private], drift_max=len(earlier))
    if min(remaining) < 0:
        raise CorrectionNeeded("a share of this visit fell below its issued invoices; issue a correction")
    if earlier and sum(remaining) == 0:
        raise NothingToInvoice("everything this visit has cost so far is already invoiced")
    return Shares(
        patient=Dong(remaining[0]), other=Dong(remaining[1]), insurer=Dong(remaining[2]), private=Dong(remaining[3])
    )


def _without_drift(remaining: list[int], *, drift_max: int) -> list[int]:
    """Offset a share that is negative by rounding only (one đồng per earlier invoice) against the largest other share.

    Each invoice was rounded separately, so a payer's share of the rounded visit may be one đồng less than on its
    invoices, although no exact share fell.
    """
    for position, share in enumerate(remaining):
        largest = max(range(len(remaining)), key=remaining.__getitem__)
        if -drift_max <= share < 0 and remaining[largest] + share >= 0:
            remaining[largest] += share
            remaining[position] = 0
    return remaining

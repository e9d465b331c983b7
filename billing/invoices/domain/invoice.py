"""The invoice: the frozen bill of a visit, and what of the patient's share is still owed."""

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
    """All that the visit has cost so far is on its earlier invoices."""

    code = "nothing_to_invoice"


class CorrectionNeeded(Refused):
    """A payer's share of the visit fell below what its invoices say; only a correction may lower an issued bill."""

    code = "correction_needed"


class VisitErased(Refused):
    """What was told of the visit was erased after its retention; it can no longer be priced or claimed."""

    code = "visit_erased"


class InvoiceNotIssued(Refused):
    """The invoice is a draft or was discarded: it bills nothing."""

    code = "invoice_not_issued"


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoice:
    """One frozen bill. owed = patient's share + corrections − allocated, never negative.

    `guarantor` is the private insurer that owes its share; empty where none guaranteed anything.
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
        assert self.owed >= 0, "more is allocated to an invoice than it asks for"

    @property
    def owed(self) -> Dong:
        return Dong(self.shares.patient + self.corrections - self.allocated)

    @property
    def takes_money(self) -> bool:
        return self.state is InvoiceState.ISSUED and self.owed > 0

    def allocate(self, amount: Dong) -> Self:
        """The invoice after `amount`, at most what is owed, was allocated to it."""
        return replace(self, allocated=Dong(self.allocated + amount), version=self.version + 1)

    def deallocate(self, amount: Dong) -> Self:
        """The invoice after `amount` that was allocated to it has left again: it is owed anew."""
        return replace(self, allocated=Dong(self.allocated - amount), version=self.version + 1)


def shares_still_to_invoice(whole: Shares, earlier: Sequence[Shares]) -> Shares:
    """What a further invoice of a visit asks for: the rounded visit so far less its earlier invoices.

    Raises NothingToInvoice, or CorrectionNeeded where a payer's share has fallen. Source: docs/design.md §4, Money.
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
    """Take a share that is short by no more than rounding (one đồng an earlier invoice) from the largest other one.

    Each invoice was rounded by itself, so the rounded visit may give one payer a đồng less than its invoices did,
    although nobody's exact share fell.
    """
    for position, share in enumerate(remaining):
        largest = max(range(len(remaining)), key=remaining.__getitem__)
        if -drift_max <= share < 0 and remaining[largest] + share >= 0:
            remaining[largest] += share
            remaining[position] = 0
    return remaining

"""An issued invoice as it is shown: with its visit's number, its lines, and the applied rules of every amount."""

from dataclasses import dataclass
from decimal import Decimal

from billing.core.ids import VisitId
from billing.coverage.domain.breakdown import BreakdownStep, breakdown
from billing.coverage.domain.price_result import AppliedRule, PricedLine
from billing.invoices.domain.correction import BilledLine
from billing.invoices.domain.invoice import Invoice, InvoiceState
from billing.visits.domain.visit import ChargeItem


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedInvoice(Invoice):
    """An invoice of a list, with the number of its visit (MA_LK)."""

    ma_lk: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceFilter:
    """Invoices by visit, MA_LK, number and state; None filters nothing."""

    visit_id: VisitId | None = None
    ma_lk: str | None = None
    number: str | None = None
    state: InvoiceState | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceLine(BilledLine):
    """A line of an invoice with its applied rules; `breakdown` is empty where the item is not known."""

    line: int
    unit: str
    group: int
    level: Decimal
    reasons: tuple[AppliedRule, ...]
    breakdown: tuple[BreakdownStep, ...] = ()

    def priced(self, item: ChargeItem) -> PricedLine:
        """The line with its charge item of the snapshot, as it was priced."""
        return PricedLine(item=item, level=self.level, reasons=self.reasons, **self.amounts)

    def breakdown_with(self, item: ChargeItem) -> tuple[BreakdownStep, ...]:
        """The breakdown of its amounts, computed from its charge item in the snapshot."""
        return breakdown(self.priced(item))


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSnapshot:
    """A price snapshot as stored: its canonical text, the hash of the text, and the versions that computed the price.

    `invoices/formats/price_snapshot.py` reads the text.
    """

    document: str
    document_hash: bytes
    policy_version: str
    code_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceDetails(ListedInvoice):
    """An invoice with its lines, the rules applied to the whole visit, and its frozen inputs.

    `document` is None where an invoice has no snapshot, which no version has written.
    """

    reasons: tuple[AppliedRule, ...]
    lines: tuple[InvoiceLine, ...]
    document: str | None

"""Compare an issued invoice with its repriced amounts, by line, rule and payer.

The comparison has two uses: to check that the running code computes the issued amounts (nothing may differ), and to
show the effect of draft parameters or prices. Amounts of lines have two decimals, shares are whole đồng.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from billing.core.errors import BillingError
from billing.core.money import NOTHING, Shares, sum_shares
from billing.coverage.domain.price_result import PricedLine, PricedVisit
from billing.invoices.domain.invoice_details import ListedInvoice, StoredSnapshot
from billing.visits.domain.visit import Table

NO_SHARES = Shares(patient=NOTHING, other=NOTHING, insurer=NOTHING)


class Amounts(NamedTuple):
    """The amounts of a line; `level` is a percentage."""

    hospital_amount: Decimal
    insured_amount: Decimal
    level: Decimal
    self_pay: Decimal
    copay: Decimal
    fund: Decimal
    other_funds: Decimal

    def __reduce__(self) -> tuple[Callable[[str], "Amounts"], tuple[str]]:
        """Pickle as one text: a third of the time of seven decimals."""
        return _amounts_of, (" ".join(map(str, self)),)


def _amounts_of(text: str) -> Amounts:
    return Amounts(*map(Decimal, text.split(" ")))


class RepricedLine(NamedTuple):
    """A line as issued and as repriced, with the ids of its applied rules; None on the side without such a line.

    A line of an invoice that is not repriced yet has no amounts `now` and no `rules`.
    """

    table: Table
    number: int
    code: str
    name: str
    issued: Amounts | None
    now: Amounts | None
    issued_rules: tuple[str, ...]
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RepricingInput:
    """An issued invoice with all that its repricing reads.

    `earlier` are the shares of each issued invoice of the visit before it, as corrected until then, in their order.
    `snapshot` is None where an invoice has none, which no version has written.
    `lines` are those of the whole visit so far: the shares of a further invoice are the visit less earlier invoices.
    """

    invoice: ListedInvoice
    snapshot: StoredSnapshot | None
    earlier: tuple[Shares, ...]
    lines: tuple[RepricedLine, ...]

    @property
    def code_version(self) -> str:
        return "" if self.snapshot is None else self.snapshot.code_version

    @property
    def shares_of_visit(self) -> Shares:
        """The sum of the shares of the visit's invoices up to this one."""
        return sum_shares([*self.earlier, self.invoice.shares])


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The reason why an invoice has no price now; `rule` is empty where no rule is the reason."""

    code: str
    detail: str
    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceDiff:
    """An invoice that differs, or has no price now (`now` is None and `refusal` states the reason)."""

    number: str
    ma_lk: str
    code_version: str
    issued: Shares
    now: Shares | None
    lines: tuple[RepricedLine, ...] = ()
    refusal: Refusal | None = None


@dataclass(slots=True)
class Totals:
    """Sums of many invoices; those without a price now are counted in `refused` and in no sum."""

    invoices: int = 0
    changed: int = 0
    refused: int = 0
    patient_more: int = 0
    patient_less: int = 0
    lines_changed: int = 0
    issued: Shares = field(default=NO_SHARES)
    now: Shares = field(default=NO_SHARES)

    def count(self, issued: Shares, change: InvoiceDiff | None) -> None:
        """Add one invoice; `change` is None where nothing differs."""
        self.invoices += 1
        now = issued if change is None else change.now
        if change is not None and now is None:
            self.refused += 1
            return
        assert now is not None, "an invoice that has a price has shares"
        self.changed += change is not None
        self.lines_changed += 0 if change is None else len(change.lines)
        self.patient_more += now.patient > issued.patient
        self.patient_less += now.patient < issued.patient
        self.issued = sum_shares((self.issued, issued))
        self.now = sum_shares((self.now, now))

    def add(self, other: "Totals") -> None:
        """Add the sums of other invoices."""
        self.invoices += other.invoices
        self.changed += other.changed
        self.refused += other.refused
        self.patient_more += other.patient_more
        self.patient_less += other.patient_less
        self.lines_changed += other.lines_changed
        self.issued = sum_shares((self.issued, other.issued))
        self.now = sum_shares((self.now, other.now))


def compare_invoice(
    issued: RepricingInput, priced: PricedVisit, *, issued_shares: Shares, now: Shares
) -> InvoiceDiff | None:
    """The differences of an invoice; None where every line and every share is equal.

    `issued_shares` and `now` are the shares to compare: those of this invoice, or those of the visit so far.
    """
    before = {(line.table, line.number): line for line in issued.lines}
    lines = [change for line in priced.lines if (change := _compare(before.pop(line.item.key, None), line)) is not None]
    lines += before.values()
    if not lines and issued_shares == now:
        return None
    return InvoiceDiff(
        number=issued.invoice.number,
        ma_lk=issued.invoice.ma_lk,
        code_version=issued.code_version,
        issued=issued_shares,
        now=now,
        lines=tuple(lines),
    )


def unpriceable(issued: RepricingInput, refusal: BillingError, *, issued_shares: Shares) -> InvoiceDiff:
    """The difference of an invoice without a price now, with the rule where the refusal names one."""
    return InvoiceDiff(
        number=issued.invoice.number,
        ma_lk=issued.invoice.ma_lk,
        code_version=issued.code_version,
        issued=issued_shares,
        now=None,
        refusal=Refusal(code=refusal.code, detail=refusal.detail, rule=str(getattr(refusal, "rule", ""))),
    )


def _compare(issued: RepricedLine | None, line: PricedLine) -> RepricedLine | None:
    now = Amounts(
        line.hospital_amount,
        line.insured_amount,
        line.level,
        line.self_pay,
        line.copay,
        line.fund,
        line.other_funds,
    )
    if issued is not None and (issued.issued == now or _is_only_a_level(issued.issued, now)):
        return None
    item, rules = line.item, _rules(line)
    if issued is None:
        return RepricedLine(item.table, item.number, item.code, item.name, None, now, (), rules)
    return issued._replace(code=item.code, name=item.name, now=now, rules=rules)


def _is_only_a_level(issued: Amounts | None, now: Amounts) -> bool:
    """Whether lines differ only in a level without effect: neither is in insurance scope."""
    return issued is not None and not issued.insured_amount and issued._replace(level=now.level) == now


def _rules(line: PricedLine) -> tuple[str, ...]:
    rules: Sequence[str] = [reason.rule for reason in line.reasons]
    return tuple(dict.fromkeys(rules))

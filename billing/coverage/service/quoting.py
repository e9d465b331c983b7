"""Price visits in order: the price of each, or a finding with the reason why it has none."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from billing.core.errors import InvalidValue, NotSupported
from billing.coverage.domain.benefit_level import same_day_note, visit_days
from billing.coverage.domain.compare_stated import compare_with_stated, exclude_reported
from billing.coverage.domain.price_result import PricedVisit
from billing.coverage.domain.pricing_authority import CollectedPrice
from billing.coverage.domain.refusals import PriceNotInForce, refusal_as_finding
from billing.visits.domain.copay_history import CopayPaid
from billing.visits.domain.finding import Finding, FindingCode
from billing.visits.domain.visit import Visit

PriceVisit = Callable[[int, Visit], CollectedPrice]
"""Prices the visit at a position in the file. Raises the errors of `pricing_authority.price_for_collection`."""


@dataclass(frozen=True, slots=True)
class QuotedVisit:
    """One visit of a file with its price; `hoso` is its position in the file, counted from 1."""

    hoso: int
    visit: Visit
    priced: PricedVisit


@dataclass(frozen=True, slots=True)
class Quote:
    """The quote of one file: priced visits in the order of the file, and all findings.

    `read_count` counts the visits that were read, priced or not: a visit that lacks a fact is included.
    """

    visits: tuple[QuotedVisit, ...]
    findings: tuple[Finding, ...]
    read_count: int = 0


def quote_visits(
    read: Sequence[tuple[int, Visit]],
    read_findings: Iterable[Finding],
    *,
    file: str,
    price_for_collection: PriceVisit,
    is_one_person: bool = False,
) -> Quote:
    """Price the visits in order; visits of one person count the co-payments of the earlier ones in the file."""
    visits = [visit for _, visit in read] if is_one_person else []
    findings = list(read_findings)
    unbuilt = sum(finding.code is FindingCode.NOT_SUPPORTED for finding in findings)
    read_so_far = tuple(findings)
    quoted: list[QuotedVisit] = []
    paid: tuple[CopayPaid, ...] = ()
    for hoso, submitted in read:
        visit = submitted
        if paid and visit.copay_history is not None:
            visit = replace(visit, copay_history=visit.copay_history.with_paid(_by_the_end_of(visit, paid)))
        try:
            collected = price_for_collection(hoso, visit)
        except (NotSupported, InvalidValue, PriceNotInForce) as refusal:
            findings.append(refusal_as_finding(refusal, file=file, hoso=hoso, ma_lk=visit.ma_lk))
            continue
        if is_one_person:
            paid = (*paid, *collected.priced.copay_paid)
        quoted.append(QuotedVisit(hoso, visit, _with_same_day_note(collected.priced, submitted, visits)))
        if collected.computed is not None:
            differences = compare_with_stated(collected.computed, file=file, hoso=hoso, ma_lk=visit.ma_lk)
            findings.extend(exclude_reported(differences, read_so_far))
    return Quote(tuple(quoted), tuple(findings), len(read) + unbuilt)


def _by_the_end_of(visit: Visit, paid: tuple[CopayPaid, ...]) -> tuple[CopayPaid, ...]:
    """The co-payments of earlier visits of the file: each counts in its year, even if that visit ended after this one.

    Source: the format of worked cases (tests/cases, visits are processed in order); docs/reference/bhyt.md, rule B-025.
    """
    last = visit_days(visit)[1]
    return tuple(
        replace(each, paid_on=last) if each.paid_on > last and each.paid_on.year == last.year else each for each in paid
    )


def _with_same_day_note(priced: PricedVisit, visit: Visit, of_person: Sequence[Visit]) -> PricedVisit:
    """The price with a note on the person's other visits of the same day."""
    reason = same_day_note(visit, of_person)
    return priced if reason is None else replace(priced, reasons=(*priced.reasons, reason))

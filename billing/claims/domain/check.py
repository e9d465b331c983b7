"""Check whether a visit is ready to be claimed: all checks, on an open or closed visit; nothing is changed.

The findings of the file's reader and of the price comparison are included once.
"""

from collections.abc import Iterable, Iterator

from billing.claims.domain.claim import Claim, ClaimContext, ClaimFinding, Severity
from billing.claims.domain.line_checks import (
    check_funds,
    check_line_rules,
    check_prices,
    check_scope,
    check_times,
    check_transport,
)
from billing.claims.domain.review_warnings import check_review_warnings
from billing.claims.domain.route_checks import check_cards, check_category, check_deadline, check_papers
from billing.core.errors import InvalidValue, NotSupported
from billing.coverage.domain.compare_stated import compare_with_stated, exclude_reported
from billing.coverage.domain.price import price
from billing.coverage.domain.price_result import AppliedRule, PricedVisit
from billing.coverage.domain.refusals import refusal_as_finding
from billing.visits.domain.finding import Finding, FindingCode

_GRAVITY = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFORMATION: 2}
_AMOUNTS = {
    FindingCode.AMOUNT_DIFFERS: "amount",
    FindingCode.TOTALS_DIFFER: "total",
    FindingCode.LEVEL_ROUNDED: "level",
}
_ERRORS = frozenset(
    {
        FindingCode.AMOUNT_DIFFERS,
        FindingCode.TOTALS_DIFFER,
        FindingCode.FUNDS_DIFFER,
        FindingCode.SCOPE_DIFFERS,
        FindingCode.HOSO_COUNT_DIFFERS,
        FindingCode.FORMAT_DIFFERS,
    }
)
_PERCENTAGES = ("TYLE_TT_DV", "TYLE_TT_BH", "MUC_HUONG", "coinsurance_pct")
_THREE_DECIMALS = ("SO_LUONG", "DON_GIA", "DON_GIA_BV", "DON_GIA_BH")


def check_claim(
    claim: Claim, claim_context: ClaimContext, supplied: Iterable[Finding] = ()
) -> tuple[ClaimFinding, ...]:
    """All findings before a visit is claimed, the most severe first, then by line.

    `supplied` are the reader's findings of this visit. Where several checks name one field of one line, the first
    remains: a violated rule precedes the difference of an amount.
    """
    supplied = tuple(supplied)
    priced, refusal = _price(claim, claim_context)
    found: list[ClaimFinding] = [
        *check_cards(claim),
        *check_category(claim, claim_context),
        *check_papers(claim, claim_context),
        *check_scope(claim),
        *check_line_rules(claim, claim_context),
        *check_prices(claim),
        *check_transport(claim),
        *check_funds(claim, priced),
        *check_times(claim),
        *check_review_warnings(claim, claim_context, priced),
        *(from_reader_finding(finding) for finding in supplied),
        *_check_amounts(claim, priced, supplied),
        *([] if refusal is None else [refusal]),
        *check_deadline(claim, claim_context),
    ]
    return by_severity(_once(found))


def from_reader_finding(finding: Finding) -> ClaimFinding:
    """A finding of a reader or comparison with its severity: an error if it refuses the visit or changes an amount."""
    severity = Severity.ERROR if finding.refuses or finding.code in _ERRORS else Severity.WARNING
    if finding.code is FindingCode.NOT_SUPPORTED:
        return ClaimFinding(Severity.WARNING, finding, _not_priced(finding))
    if finding.code in _AMOUNTS:
        operands = {"field": finding.field, "found": finding.found, "expected": finding.expected}
        return ClaimFinding(severity, finding, AppliedRule("D-005", operands, _AMOUNTS[finding.code]))
    if finding.code is FindingCode.FORMAT_DIFFERS:
        return ClaimFinding(severity, finding, _out_of_format(finding))
    variant = "refused" if finding.refuses else "listed"
    return ClaimFinding(severity, finding, AppliedRule("D-006", {"code": finding.code.value}, variant))


def _out_of_format(finding: Finding) -> AppliedRule:
    """The rule for a value outside the format of its field: an amount, a unit price or quantity, or a percentage."""
    operands = {"field": finding.field, "found": finding.found, "expected": finding.expected}
    if finding.field.endswith(_PERCENTAGES):
        return AppliedRule("D-007", operands, "percentage")
    return AppliedRule("D-007", operands, "thousands" if finding.field in _THREE_DECIMALS else "amount")


def by_severity(findings: Iterable[ClaimFinding]) -> tuple[ClaimFinding, ...]:
    """The most severe first; then the whole visit before its lines, lines by table and number."""
    return tuple(
        sorted(
            findings,
            key=lambda one: (
                _GRAVITY[one.severity],
                one.finding.stt is not None,
                one.finding.table,
                -1 if one.finding.stt is None else one.finding.stt,
            ),
        )
    )


def _price(claim: Claim, claim_context: ClaimContext) -> tuple[PricedVisit | None, ClaimFinding | None]:
    try:
        return price(claim.visit, parameters=claim_context.parameters, policy=claim_context.policy), None
    except (NotSupported, InvalidValue) as refusal:
        finding = refusal_as_finding(refusal, file=claim.file, hoso=claim.hoso, ma_lk=claim.visit.ma_lk)
        return None, from_reader_finding(finding)


def _check_amounts(claim: Claim, priced: PricedVisit | None, supplied: tuple[Finding, ...]) -> Iterator[ClaimFinding]:
    """Compare the stated amounts of the lines with ours; a level that differs is reported with the rule that set it."""
    if priced is None:
        return
    levels = {(line.item.table.value, line.item.number): line.reasons[-1] for line in priced.lines if line.reasons}
    differences = compare_with_stated(priced, file=claim.file, hoso=claim.hoso, ma_lk=claim.visit.ma_lk)
    for finding in exclude_reported(differences, supplied):
        over = from_reader_finding(finding)
        reason = levels.get((finding.table, finding.stt or 0))
        if finding.field == "MUC_HUONG" and finding.code is FindingCode.AMOUNT_DIFFERS and reason is not None:
            over = ClaimFinding(over.severity, finding, reason)
        yield over


def _not_priced(finding: Finding) -> AppliedRule:
    return AppliedRule("D-005", {"rule": finding.expected}, "not_priced")


def _once(found: Iterable[ClaimFinding]) -> Iterator[ClaimFinding]:
    seen: set[object] = set()
    for one in found:
        key = one.place if one.finding.stt is not None else (*one.place, one.finding.code, one.finding.found)
        if key not in seen:
            seen.add(key)
            yield one

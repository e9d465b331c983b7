"""Claim checks of lines: the line rules, contradictions of scope and ratio, ceilings, times, other funds.

Rules B-012, B-050, B-051, B-061 … B-071, B-075, B-082 and checks D-002 … D-004 of the data standard.
"""

from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise

from billing.claims.domain.claim import Claim, ClaimContext, ClaimFinding, Severity
from billing.core.money import ZERO
from billing.coverage.domain.bed_days import expect_beds
from billing.coverage.domain.consultations import expect_consultations
from billing.coverage.domain.expectation import Expected
from billing.coverage.domain.explain import plain_number
from billing.coverage.domain.facility_lists import expect_contained, expect_stents
from billing.coverage.domain.price_result import AppliedRule, PricedVisit
from billing.coverage.domain.surgeries import expect_surgeries
from billing.visits.domain.finding import FindingCode
from billing.visits.domain.visit import ChargeItem, Scope, Table

_ARMED_FORCES_DIGIT = "5"
_TRANSPORT = "VC."
_DIFFERS = FindingCode.RULE_DIFFERS


def expected_of_lines(claim: Claim, claim_context: ClaimContext) -> tuple[Expected, ...]:
    """All expectations of the line rules for a visit, met or not."""
    visit, facts, lists = claim.visit, claim.facts, claim_context.lists
    return (
        *expect_consultations(visit, facts),
        *expect_surgeries(visit, facts),
        *expect_beds(visit, facts, four_hours_are_a_day=lists.four_hours_are_a_day),
        *expect_stents(visit, lists),
        *expect_contained(visit, lists),
    )


def check_line_rules(claim: Claim, claim_context: ClaimContext) -> Iterator[ClaimFinding]:
    """The unmet expectations of the line rules; for an item without insured amount only B-067 is checked."""
    for expected in expected_of_lines(claim, claim_context):
        if not expected.is_met:
            yield claim.found(
                Severity.WARNING if expected.is_warning else Severity.ERROR,
                _DIFFERS,
                expected.reason,
                item=expected.item,
                table=Table.SERVICES,
                field=expected.field,
                found=plain_number(expected.found),
                expected=" / ".join(plain_number(value) for value in expected.accepted),
            )


def check_scope(claim: Claim) -> Iterator[ClaimFinding]:
    """Contradictions of PHAM_VI with ratio, amounts and card (B-012, B-050)."""
    digits = {card.benefit_digit for card in claim.visit.cards}
    for item in claim.visit.items:
        if item.scope is Scope.PATIENT:
            yield from _check_out_of_scope(claim, item)
        elif item.scope is Scope.INSURED and not item.payment_ratio and item.quantity:
            reason = AppliedRule("B-050", {}, "nothing_covered")
            yield claim.found(Severity.WARNING, _DIFFERS, reason, item=item, field="TYLE_TT_BH", found="0")
        elif item.scope is Scope.ARMED_FORCES and digits and _ARMED_FORCES_DIGIT not in digits:
            reason = AppliedRule("B-012", {}, "scope")
            yield claim.found(Severity.ERROR, _DIFFERS, reason, item=item, field="PHAM_VI", found="3", expected="2")


def _check_out_of_scope(claim: Claim, item: ChargeItem) -> Iterator[ClaimFinding]:
    stated = item.stated
    values = [("TYLE_TT_BH", item.payment_ratio)]
    if stated is not None:
        values += [("THANH_TIEN_BH", stated.insured_amount or ZERO), ("T_BHTT", stated.fund or ZERO)]
    for field, value in values:
        if value:
            reason = AppliedRule("B-050", {"field": field}, "contradiction")
            yield claim.found(
                Severity.ERROR, _DIFFERS, reason, item=item, field=field, found=plain_number(value), expected="0"
            )


def check_transport(claim: Claim) -> Iterator[ClaimFinding]:
    """Transport of a patient is paid only for certain groups; our source names them incompletely (B-082)."""
    groups = ", ".join(dict.fromkeys(card.group for card in claim.visit.cards))
    for item in claim.visit.items:
        if item.code.startswith(_TRANSPORT) and item.scope is not Scope.PATIENT and groups:
            reason = AppliedRule("B-082", {"code": item.code, "groups": groups}, "transport")
            yield claim.found(Severity.WARNING, _DIFFERS, reason, item=item, field="MA_DICH_VU", found=item.code)


def check_prices(claim: Claim) -> Iterator[ClaimFinding]:
    """Unit prices: above its ceiling a price is insured at the ceiling (B-070), never above the hospital's (B-051)."""
    for item in claim.visit.items:
        if item.table is not Table.SERVICES or item.scope is Scope.PATIENT:
            continue
        covered, hospital, ceiling = item.insurance_price, item.hospital_price, item.ceiling
        if ceiling is not None and hospital > ceiling and covered != ceiling:
            operands = {"hospital_price": _text(hospital), "ceiling": _text(ceiling)}
            yield _price(claim, item, Severity.ERROR, AppliedRule("B-070", operands, "ceiling"), ceiling)
        elif covered > hospital:
            operands = {"covered_price": _text(covered), "hospital_price": _text(hospital)}
            yield _price(claim, item, Severity.WARNING, AppliedRule("B-051", operands, "above"), hospital)
        if claim.facts.line(item.key).is_reused and covered != hospital:
            yield _price(claim, item, Severity.ERROR, AppliedRule("D-004", {}), hospital)


def _price(claim: Claim, item: ChargeItem, severity: Severity, reason: AppliedRule, expected: Decimal) -> ClaimFinding:
    return claim.found(
        severity,
        _DIFFERS,
        reason,
        item=item,
        field="DON_GIA_BH",
        found=plain_number(item.insurance_price),
        expected=plain_number(expected),
    )


def check_funds(claim: Claim, priced: PricedVisit | None) -> Iterator[ClaimFinding]:
    """Other funds are at most the amount of their line (B-075); the fund pays nothing of an item of another source."""
    amounts = {} if priced is None else {line.item.key: line.hospital_amount for line in priced.lines}
    for item in claim.visit.items:
        stated = item.stated
        amount = amounts.get(item.key, ZERO if stated is None else stated.hospital_amount or ZERO)
        given = item.other_funds.total
        if given and given >= amount and amount:
            operands = {"other_funds": _text(given), "hospital_amount": _text(amount)}
            yield claim.found(
                Severity.ERROR,
                _DIFFERS,
                AppliedRule("B-075", operands, "above"),
                item=item,
                field="T_NGUONKHAC",
                found=_text(given),
                expected=f"< {_text(amount)}",
            )
        if item.paying_source != "1" and stated is not None and stated.fund:
            reason = AppliedRule("D-003", {"source": item.paying_source})
            yield claim.found(
                Severity.ERROR, _DIFFERS, reason, item=item, field="T_BHTT", found=_text(stated.fund), expected="0"
            )


def check_times(claim: Claim) -> Iterator[ClaimFinding]:
    """NGAY_YL ≤ NGAY_TH_YL ≤ NGAY_KQ, and the order and the result inside the visit."""
    visit = claim.visit
    for item in visit.items:
        facts = claim.facts.line(item.key)
        times = [("NGAY_YL", item.ordered_at), ("NGAY_TH_YL", facts.performed_at), ("NGAY_KQ", facts.result_at)]
        known = [(field, timestamp) for field, timestamp in times if timestamp is not None]
        for (earlier, before), (later, after) in pairwise(known):
            if after < before:
                reason = AppliedRule("D-002", {"earlier": earlier, "later": later}, "order")
                found, expected = f"{after:%d/%m/%Y %H:%M}", f"≥ {before:%d/%m/%Y %H:%M}"
                yield claim.found(
                    Severity.ERROR, _DIFFERS, reason, item=item, field=later, found=found, expected=expected
                )
        for field, timestamp in known:
            is_late = visit.discharged_at is not None and timestamp > visit.discharged_at
            if field != "NGAY_TH_YL" and (timestamp < visit.admitted_at or is_late):
                reason = AppliedRule("D-002", {"field": field}, "outside")
                yield claim.found(
                    Severity.WARNING, _DIFFERS, reason, item=item, field=field, found=f"{timestamp:%d/%m/%Y %H:%M}"
                )


def _text(amount: Decimal) -> str:
    return format(amount, "f")

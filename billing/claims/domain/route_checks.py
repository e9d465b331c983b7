"""Claim checks of cards and route: groups and digits, validity, object code against the facts, papers, deadline.

Rules B-010, B-015 (cards), B-046 … B-049 (route), B-101 (deadline).
"""

from collections.abc import Iterator

from billing.claims.domain.claim import Claim, ClaimContext, ClaimFinding, Severity
from billing.core.clock import business_date
from billing.coverage.domain.annexes import Annex
from billing.coverage.domain.benefit_level import visit_days
from billing.coverage.domain.card_digits import card_digits
from billing.coverage.domain.patient_category import CategoryChoice, CategoryFacts, CategoryMatch, choose_category
from billing.coverage.domain.price_result import AppliedRule
from billing.coverage.domain.referrals import REFERRAL_WORKING_DAYS, claim_due_on, referral_validity
from billing.visits.domain.finding import FindingCode

NOT_INSURED = "9"
_REFERRED = "1.3"
_BY_APPOINTMENT = "1.5"
_DIFFERS = FindingCode.RULE_DIFFERS
_LACKING = FindingCode.FACT_LACKING


def check_cards(claim: Claim) -> Iterator[ClaimFinding]:
    """Check that group and digit of each card match (a warning only), and that a card is valid on the first day."""
    visit = claim.visit
    first, last = visit_days(visit)
    for card in visit.cards:
        usual = card_digits(card.category_code, on=first)
        group, digit = card.category_code, card.benefit_digit
        if not usual:
            reason = AppliedRule("B-010", {"group": group}, "unknown_group")
            yield claim.found(Severity.WARNING, _DIFFERS, reason, field="MA_THE_BHYT", found=group)
        elif digit not in usual:
            expected = ", ".join(usual)
            reason = AppliedRule("B-010", {"group": group, "digit": digit, "usual": expected}, "unusual_digit")
            found = group + digit
            yield claim.found(Severity.WARNING, _DIFFERS, reason, field="MA_THE_BHYT", found=found, expected=expected)
    if visit.category_code == NOT_INSURED or not visit.cards:
        return
    if not any(card.covers(first) for card in visit.cards):
        reason = AppliedRule("B-015", {"day": first.isoformat()}, "not_on_first_day")
        field, found = "GT_THE_TU", "; ".join(f"{card.valid_from} … {card.valid_to or ''}" for card in visit.cards)
        yield claim.found(Severity.ERROR, _DIFFERS, reason, field=field, found=found, expected=first.isoformat())
        return
    ends = [card.valid_to for card in visit.cards]
    latest = max((end for end in ends if end is not None), default=None)
    if None not in ends and latest is not None and latest < last:
        reason = AppliedRule("B-015", {"expired": latest.isoformat()}, "expires")
        yield claim.found(Severity.INFORMATION, _DIFFERS, reason, field="GT_THE_DEN", found=latest.isoformat())


def check_category(claim: Claim, claim_context: ClaimContext) -> Iterator[ClaimFinding]:
    """Check the object code against the facts: the first match in table order is correct (B-049).

    An undecided code is information; a code that the facts rule out is an error, and so is a code after another that
    fits. While the visit is open the code is provisional, and its findings are at most warnings.
    """
    visit = claim.visit
    choice = choose_category(category_facts(claim, claim_context))
    stated = choice.match_of(visit.category_code)
    if visit.discharged_at is None and stated is not None:
        reason = AppliedRule("B-049", {}, "provisional")
        yield claim.found(Severity.INFORMATION, _LACKING, reason, field="NGAY_RA")
    if stated is None or visit.category_code == choice.code:
        return
    error = Severity.ERROR if visit.discharged_at is not None else Severity.WARNING
    yield _judge(claim, choice, stated, error)
    lacking = _lacking_up_to(stated, choice)
    if choice.code is None and not claim_context.annexes.rows and {"annex_i", "annex_ii"} & set(lacking):
        yield claim.found(
            Severity.INFORMATION, _LACKING, AppliedRule("B-046", {}, "not_imported"), field="MA_BENH_CHINH"
        )


def _judge(claim: Claim, choice: CategoryChoice, stated: CategoryMatch, error: Severity) -> ClaimFinding:
    code, field = stated.code, "MA_DOITUONG_KCB"
    if choice.code is not None:
        reason = AppliedRule("B-049", {"code": code, "expected": choice.code}, "differs")
        return claim.found(error, _DIFFERS, reason, field=field, found=code, expected=choice.code)
    if stated.fits is False:
        reason = AppliedRule("B-049", {"code": code, "unmet": " ".join(stated.unmet)}, "does_not_fit")
        expected = ", ".join(choice.possible)
        return claim.found(error, _DIFFERS, reason, field=field, found=code, expected=expected)
    lacking = " ".join(_lacking_up_to(stated, choice))
    reason = AppliedRule("B-049", {"code": code, "lacking": lacking}, "undecided")
    order = [fit.code for fit in choice.fits]
    expected = ", ".join(each for each in choice.possible if order.index(each) <= order.index(code))
    return claim.found(Severity.INFORMATION, _LACKING, reason, field=field, found=code, expected=expected)


def _lacking_up_to(stated: CategoryMatch, choice: CategoryChoice) -> tuple[str, ...]:
    """The missing facts that would rule out every code before the stated one and confirm the stated one."""
    considered = choice.fits[: choice.fits.index(stated) + 1]
    return tuple(dict.fromkeys(name for fit in considered if fit.fits is None for name in fit.lacking))


def check_papers(claim: Claim, claim_context: ClaimContext) -> Iterator[ClaimFinding]:
    """Check the referral paper of code 1.3 and the appointment of code 1.5 (B-047, B-048)."""
    facts, code = claim.facts, claim.visit.category_code
    if code == _REFERRED and facts.referral_signed_on is None:
        yield claim.found(
            Severity.INFORMATION, _LACKING, AppliedRule("B-047", {}, "no_date"), field="GIAY_CHUYEN_TUYEN"
        )
    elif code == _REFERRED:
        yield from _check_referral(claim, claim_context)
    if code == _BY_APPOINTMENT and facts.is_appointment_used:
        reason = AppliedRule("B-048", {}, "used")
        yield claim.found(Severity.ERROR, _DIFFERS, reason, field="GIAY_CHUYEN_TUYEN", found=facts.paper_number)
    elif code == _BY_APPOINTMENT and not facts.paper_number:
        reason = AppliedRule("B-048", {}, "no_paper")
        yield claim.found(Severity.INFORMATION, _LACKING, reason, field="GIAY_CHUYEN_TUYEN")


def _check_referral(claim: Claim, claim_context: ClaimContext) -> Iterator[ClaimFinding]:
    """An expired paper is an error; a warning while holidays are unknown or the disease may be of annex III."""
    facts, day = claim.facts, business_date(claim.visit.admitted_at)
    signed_on = facts.referral_signed_on
    assert signed_on is not None, "requested before"
    age = facts.age_on(day)
    listed = claim_context.annexes.lists(Annex.THIRD, facts.disease, age=age, day=day)
    held = referral_validity(signed_on, on=day, is_for_year=bool(listed), holidays=claim_context.lists.holidays)
    if held.is_valid:
        return
    is_sure = signed_on > day or (listed is not None and bool(claim_context.lists.holidays))
    operands = {
        "signed": signed_on.isoformat(),
        "last": held.last_day.isoformat(),
        "days": str(REFERRAL_WORKING_DAYS),
        "day": day.isoformat(),
    }
    yield claim.found(
        Severity.ERROR if is_sure else Severity.WARNING,
        _DIFFERS,
        AppliedRule("B-047", operands, "expired"),
        field="GIAY_CHUYEN_TUYEN",
        found=signed_on.isoformat(),
        expected=held.last_day.isoformat(),
    )


def check_deadline(claim: Claim, claim_context: ClaimContext) -> Iterator[ClaimFinding]:
    """The due date of the claim of a closed visit; a past date is a warning (B-101)."""
    if claim.visit.discharged_at is None:
        return
    due = claim_due_on(business_date(claim.visit.discharged_at), claim_context.lists.holidays)
    is_over = claim_context.today > due
    reason = AppliedRule("B-101", {"due": due.isoformat()}, "over" if is_over else "due")
    severity = Severity.WARNING if is_over else Severity.INFORMATION
    yield claim.found(severity, FindingCode.CLAIM_DUE, reason, field="NGAY_RA", expected=due.isoformat())


def category_facts(claim: Claim, claim_context: ClaimContext) -> CategoryFacts:
    """The facts that select an object code."""
    return CategoryFacts(
        visit=claim.visit,
        facts=claim.facts,
        facility=claim_context.facility,
        annexes=claim_context.annexes,
        parameters=claim_context.parameters,
        holidays=claim_context.lists.holidays,
    )

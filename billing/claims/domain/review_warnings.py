"""Claim checks that only warn: claims of 0 from the fund, and the checks of the insurer's review programs.

They change no price. The checks of the review programs are known from public programs, not from a law that was read
completely, so their rules are `partly`. Source: docs/reference/bhyt.md, section 8 (further findings of `claim check`);
Circular 35/2016/TT-BYT Art. 4b, 4c as added by Circular 39/2024/TT-BYT.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from billing.claims.domain.claim import Claim, ClaimContext, ClaimFinding, Severity
from billing.core.clock import business_date
from billing.core.money import total
from billing.coverage.domain.bed_days import BED_GROUPS
from billing.coverage.domain.consultations import CONSULTATION_GROUP, RETURN_RATIO, is_emergency, is_return
from billing.coverage.domain.explain import plain_number
from billing.coverage.domain.policy import SameDayReturn
from billing.coverage.domain.price_result import AppliedRule, PricedVisit
from billing.coverage.domain.surgeries import SURGERY_GROUP
from billing.visits.domain.finding import FindingCode
from billing.visits.domain.visit import ChargeItem, Scope

_PHACO = "phaco"
_SHORT = timedelta(hours=4)
_DIFFERS = FindingCode.RULE_DIFFERS


def check_review_warnings(
    claim: Claim, claim_context: ClaimContext, priced: PricedVisit | None
) -> Iterator[ClaimFinding]:
    """Every warning of one claim; `priced` is None where it could not be priced."""
    yield from _claims_nothing(claim, priced)
    yield from _consultations_of_inpatients(claim, claim_context)
    yield from _same_day_return(claim, claim_context)
    yield from _beds_of_a_short_emergency(claim, claim_context)
    yield from _beds_after_phaco(claim)


def _claims_nothing(claim: Claim, priced: PricedVisit | None) -> Iterator[ClaimFinding]:
    """The claim against the fund is 0: the file states 0, or it states no fund's part and our price is 0.

    An open visit without items is not named.
    """
    visit = claim.visit
    if not visit.items and visit.discharged_at is None:
        return
    stated = [item.stated.fund for item in visit.items if item.stated is not None and item.stated.fund is not None]
    claims_by_file = bool(total(stated)) if stated and len(stated) == len(visit.items) else None
    claims_anything = (
        claims_by_file if claims_by_file is not None else any(stated) or priced is None or bool(priced.fund)
    )
    if not claims_anything:
        reason = AppliedRule("D-008", {})
        yield claim.found(Severity.WARNING, _DIFFERS, reason, field="T_BHTT", found="0", expected="> 0")


def _consultations_of_inpatients(claim: Claim, claim_context: ClaimContext) -> Iterator[ClaimFinding]:
    """Each insured consultation after the first in an inpatient file."""
    if claim.visit.care_kind not in claim_context.parameters.inpatient_kinds:
        return
    own = sorted(_insured(claim, {CONSULTATION_GROUP}), key=lambda item: (_time_of(item, claim), item.number))
    for position, item in enumerate(own[1:], start=2):
        reason = AppliedRule("D-009", {"position": str(position)})
        yield claim.found(
            Severity.WARNING, _DIFFERS, reason, item=item, field="MA_NHOM", found=str(item.group), expected="1"
        )


def _same_day_return(claim: Claim, claim_context: ClaimContext) -> Iterator[ClaimFinding]:
    """The first consultation of a second visit of a person on one day: 30 %, in an emergency 100 %."""
    if not is_return(claim.visit, claim.facts):
        return
    own = sorted(_insured(claim, {CONSULTATION_GROUP}), key=lambda item: (_time_of(item, claim), item.number))
    for item in own[:1]:
        if item.service_ratio == RETURN_RATIO:
            continue
        operands = {
            "day": business_date(claim.visit.admitted_at).isoformat(),
            "earlier": claim.facts.same_day_return_of,
            "ratio": plain_number(RETURN_RATIO),
        }
        is_policy = claim_context.policy.same_day_return is SameDayReturn.RATIO_30
        yield claim.found(
            Severity.ERROR if is_policy else Severity.WARNING,
            _DIFFERS,
            AppliedRule("D-010", operands, "by_policy" if is_policy else ""),
            item=item,
            field="TYLE_TT_DV",
            found=plain_number(item.service_ratio),
            expected=plain_number(RETURN_RATIO),
        )


def _beds_of_a_short_emergency(claim: Claim, claim_context: ClaimContext) -> Iterator[ClaimFinding]:
    """Beds of an emergency of up to 4 hours, whether the patient then leaves or goes on to a ward."""
    visit, ward_at = claim.visit, claim.facts.admitted_to_ward_at
    if not is_emergency(visit, claim.facts):
        return
    is_short_visit = visit.discharged_at is not None and _is_short(
        visit.admitted_at, visit.discharged_at, claim_context
    )
    is_short_before_ward = ward_at is not None and _is_short(visit.admitted_at, ward_at, claim_context)
    for item in _insured(claim, BED_GROUPS):
        is_before_ward = is_short_before_ward and ward_at is not None and _time_of(item, claim) < ward_at
        if is_short_visit or is_before_ward:
            end = visit.discharged_at if is_short_visit else ward_at
            assert end is not None, "a short stay has its end"
            minutes = int((end - visit.admitted_at) / timedelta(minutes=1))
            reason = AppliedRule("D-011", {"hours": f"{minutes // 60}:{minutes % 60:02}"})
            found = plain_number(item.quantity)
            yield claim.found(
                Severity.WARNING, _DIFFERS, reason, item=item, field="SO_LUONG", found=found, expected="0"
            )


def _beds_after_phaco(claim: Claim) -> Iterator[ClaimFinding]:
    """Beds from the day of a Phaco operation on."""
    operations = [
        item
        for item in claim.visit.items
        if item.group == SURGERY_GROUP and item.quantity and _PHACO in item.name.casefold()
    ]
    if not operations:
        return
    first = min(business_date(claim.facts.line(item.key).performed_at or _time_of(item, claim)) for item in operations)
    for item in _insured(claim, BED_GROUPS):
        if business_date(_time_of(item, claim)) >= first:
            reason = AppliedRule("D-012", {"day": first.isoformat()})
            found = plain_number(item.quantity)
            yield claim.found(Severity.WARNING, _DIFFERS, reason, item=item, field="MA_NHOM", found=found, expected="0")


def _insured(claim: Claim, groups: frozenset[int] | set[int]) -> list[ChargeItem]:
    """Items of these cost groups that are claimed from the fund."""
    return [
        item for item in claim.visit.items if item.group in groups and item.scope is not Scope.PATIENT and item.quantity
    ]


def _is_short(start: datetime, end: datetime, claim_context: ClaimContext) -> bool:
    """Whether a stay has up to 4 hours; the facility's list decides exactly 4, since sources disagree (B-066)."""
    stay = end - start
    return stay < _SHORT or (stay == _SHORT and not claim_context.lists.four_hours_are_a_day)


def _time_of(item: ChargeItem, claim: Claim) -> datetime:
    return item.ordered_at or claim.visit.admitted_at

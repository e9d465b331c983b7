"""Claims to start from, and a set of them that together calls for every sentence of the claim checks."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal

from billing.claims.domain.check import check_claim
from billing.claims.domain.claim import Claim, ClaimContext, ClaimFinding
from billing.claims.domain.line_checks import expected_of_lines
from billing.claims.formats.xml130_claim_fields import check_fields
from billing.coverage.domain.annexes import Annex, Annexes, CodeRange, DiseaseRow
from billing.coverage.domain.parameters import load_parameters
from billing.coverage.domain.policy import Policy, SameDayReturn
from billing.coverage.domain.price_result import AppliedRule
from billing.visits.domain.facts import (
    ContainedPrice,
    FacilityFacts,
    LineFacts,
    LineLists,
    StentCeiling,
    TechnicalLevel,
    VisitFacts,
)
from billing.visits.domain.finding import Finding, FindingCode
from billing.visits.domain.visit import ChargeItem, FormerTier, Scope, StatedAmounts, Table
from billing.visits.formats.xml130.tables import Row
from tests.coverage.builders import a_card, a_drug, a_visit, an_item, at, given

SINCE = date(2025, 1, 1)
ANNEXES = Annexes(
    tuple(DiseaseRow(annex=annex, codes=(CodeRange("C00", "C97"),), since=SINCE) for annex in Annex),
)
FACILITY = FacilityFacts(
    technical_level=TechnicalLevel.BASIC, points=40, is_provisional=False, former_tier=FormerTier.DISTRICT
)
REGISTERED = VisitFacts(
    birth=date(1980, 5, 6),
    disease="J15.9",
    registered_facilities=("01001",),
    region="",
    has_referral=False,
    has_appointment=False,
    is_emergency=False,
    outcome="1",
    leaving="1",
)
CONTEXT = ClaimContext(
    facility=FACILITY, annexes=ANNEXES, parameters=load_parameters(), policy=Policy(), today=date(2026, 11, 3)
)


def a_claim(*items: ChargeItem, facts: VisitFacts = REGISTERED, **changes: object) -> Claim:
    return Claim(visit=a_visit(*items, **changes), facts=facts, file="a.xml", hoso=1)


def checked(
    claim: Claim, claim_context: ClaimContext = CONTEXT, supplied: tuple[Finding, ...] = ()
) -> tuple[ClaimFinding, ...]:
    return check_claim(claim, claim_context, supplied)


def brief(findings: tuple[ClaimFinding, ...]) -> list[tuple[str, str, str, str, str]]:
    """Severity, rule with variant, field, found and expected of each but the deadline."""
    return [
        (
            one.severity.value,
            f"{one.reason.rule} {one.reason.variant}".strip(),
            one.finding.field,
            one.finding.found,
            one.finding.expected,
        )
        for one in findings
        if one.finding.code is not FindingCode.CLAIM_DUE
    ]


def facts_of(**lines: LineFacts) -> VisitFacts:
    """The registered patient, with facts of lines of XML3: l1=LineFacts(…) describes line 1."""
    return replace(REGISTERED, lines={(Table.SERVICES, int(name[1:])): supplied for name, supplied in lines.items()})


def stating(item: ChargeItem, **amounts: str) -> ChargeItem:
    return replace(item, stated=StatedAmounts(**{name: Decimal(amount) for name, amount in amounts.items()}))


def supplied(code: FindingCode, field: str = "T_BHTT", expected: str = "") -> Finding:
    return Finding(
        code=code, file="a.xml", hoso=1, ma_lk="LK1", table="XML1", stt=None, field=field, found="1", expected=expected
    )


def claim_reasons() -> Iterator[AppliedRule]:
    """Every reason the claim checks give, over visits that call for all of them."""
    for claim, claim_context in _calling_for_everything():
        for one in checked(claim, claim_context, _SUPPLIED):
            yield one.reason
        for expected in expected_of_lines(claim, claim_context):
            yield expected.reason
    for discharged_at in (None, at("2026-11-02 16:00")):
        claim = a_claim(discharged_at=discharged_at)
        for one in check_fields(claim, [Row("XML1", 0, {}), Row("XML3", 0, {"STT": "1"})]):
            yield one.reason


_SUPPLIED = (
    supplied(FindingCode.TOTALS_DIFFER),
    supplied(FindingCode.LEVEL_ROUNDED, "MUC_HUONG"),
    supplied(FindingCode.CODE_ZERO_LOST, "MA_DANTOC"),
    supplied(FindingCode.CODE_UNKNOWN, "MA_NHOM"),
    *(supplied(FindingCode.FORMAT_DIFFERS, field) for field in ("T_BNCCT", "DON_GIA_BV", "TYLE_TT_BH")),
)
_NINE, _TEN = at("2026-11-02 09:00"), at("2026-11-02 10:00")
_TEAM = frozenset({"A"})
_LISTS = LineLists(
    stents=(StentCeiling(since=SINCE, codes=frozenset({"S1"}), ceilings=(Decimal(1),)),),
    contained=(ContainedPrice(service="PT1", contains=frozenset({"VT9"})),),
)


def _calling_for_everything() -> Iterator[tuple[Claim, ClaimContext]]:
    yield a_claim(cards=(a_card("DN3"), a_card("ZZ4"))), CONTEXT
    yield a_claim(cards=(a_card(valid_from="2026-11-03"),)), replace(CONTEXT, today=date(2026, 12, 1))
    yield (
        a_claim(
            an_item(ordered_at=at("2026-11-05 08:00")),
            cards=(a_card(valid_to="2026-11-03"),),
            discharged_at=at("2026-11-06 08:00"),
        ),
        CONTEXT,
    )
    yield a_claim(category_code="1.2"), CONTEXT
    unknown = replace(REGISTERED, registered_facilities=None)
    yield a_claim(facts=unknown, category_code="1.2"), replace(CONTEXT, facility=FACILITY)
    yield a_claim(facts=unknown, category_code="1.17"), replace(CONTEXT, facility=FacilityFacts(), annexes=Annexes())
    yield a_claim(facts=REGISTERED, discharged_at=None), replace(CONTEXT, facility=FacilityFacts())
    for signed_on in (None, date(2026, 9, 1)):
        facts = replace(REGISTERED, has_referral=True, referral_signed_on=signed_on)
        yield a_claim(facts=facts, category_code="1.3"), CONTEXT
    for is_used in (True, False):
        yield a_claim(facts=replace(REGISTERED, is_appointment_used=is_used), category_code="1.5"), CONTEXT
    yield a_claim(stating(an_item(other_funds=given("1000000")), fund="5")), CONTEXT
    yield _claim_of_lines(), replace(CONTEXT, lists=_LISTS)
    yield _claim_of_beds("6", "1"), CONTEXT
    yield _claim_of_beds("1", "5"), CONTEXT
    yield a_claim(), replace(CONTEXT, parameters=replace(CONTEXT.parameters, base_salaries=()))
    yield from _with_warnings()


def _with_warnings() -> Iterator[tuple[Claim, ClaimContext]]:
    yield a_claim(category_code="9"), CONTEXT
    yield a_claim(an_item(1, group=13), an_item(2, group=13, code="K2"), care_kind="03"), CONTEXT
    again = replace(REGISTERED, same_day_return_of="LK0")
    for choice in SameDayReturn:
        policy = replace(CONTEXT.policy, same_day_return=choice)
        yield a_claim(an_item(group=13), facts=again), replace(CONTEXT, policy=policy)
    short = {"category_code": "2", "discharged_at": at("2026-11-02 10:30")}
    yield a_claim(an_item(group=15), **short), CONTEXT
    phaco = an_item(1, group=8, name="Phẫu thuật tán nhuyễn thể thủy tinh (PHACO)")
    yield a_claim(phaco, an_item(2, group=15), care_kind="03"), CONTEXT


def _claim_of_lines() -> Claim:
    surgery = {"group": 8, "hospital_price": 2_000_000, "insurance_price": 2_000_000}
    items = (
        a_drug(1, scope=Scope.ARMED_FORCES),
        stating(a_drug(2, scope=Scope.PATIENT), fund="1"),
        an_item(1, group=13),
        an_item(2, group=13, quantity=2, code="K1"),
        an_item(3, group=13, code="K1", service_ratio=30),
        an_item(4, **{**surgery, "hospital_price": 3_000_000, "insurance_price": 3_000_000}, code="PT1"),
        *(an_item(number, **surgery) for number in (5, 6, 7)),
        an_item(8, group=18),
        an_item(9, payment_ratio=0),
        an_item(10, insurance_price=2_000_000),
        an_item(11, group=10, code="S1", ceiling=Decimal(5)),
        an_item(12, code="VC.00001"),
        stating(an_item(13, paying_source="2"), fund="1"),
        an_item(14, insurance_price=1, code="VT9"),
        stating(an_item(15, ordered_at=_TEN), hospital_amount="5", level="95"),
        an_item(16, ordered_at=at("2026-11-01 08:00")),
    )
    facts = facts_of(
        l1=LineFacts(number_at_desk=66),
        l4=LineFacts(performed_at=_NINE, performers=_TEAM),
        l5=LineFacts(performed_at=_NINE, performers=_TEAM),
        l6=LineFacts(performed_at=_NINE, performers=frozenset({"B"})),
        l7=LineFacts(performed_at=_NINE),
        l8=LineFacts(performed_at=_NINE),
        l14=LineFacts(is_reused=True),
        l15=LineFacts(performed_at=_NINE),
    )
    return a_claim(*items, facts=facts)


def _claim_of_beds(quantity: str, outcome: str) -> Claim:
    half = {"group": 15, "quantity": Decimal("0.5"), "ordered_at": at("2026-11-04 08:00")}
    items = (
        an_item(1, group=15, quantity=Decimal(quantity)),
        an_item(2, group=15, quantity=2, service_ratio=30),
        *(an_item(number, department=str(number), insurance_price=number, **half) for number in (3, 4, 5)),
    )
    facts = replace(facts_of(l1=LineFacts(patients_in_bed=2)), outcome=outcome)
    return a_claim(*items, facts=facts, care_kind="03", discharged_at=at("2026-11-08 16:00"))

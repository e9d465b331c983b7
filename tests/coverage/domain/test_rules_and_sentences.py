"""Every rule the code names resolves to a title, a source, a proof and sentences that take its operands."""

import re
from dataclasses import replace
from datetime import date
from decimal import Decimal
from itertools import chain
from pathlib import Path

import pytest

from billing import claims, coverage, visits
from billing.core.errors import NotFound
from billing.coverage.domain.benefit_level import same_day_note
from billing.coverage.domain.explain import (
    MAIN_SENTENCE,
    NOTE,
    Language,
    all_rules,
    category_name,
    explain,
    find_rule,
    money_text,
    percent_text,
    period_text,
    plain_number,
)
from billing.coverage.domain.parameters import load_parameters
from billing.coverage.domain.policy import (
    CareSide,
    CopayCrossing,
    HospitalAmountMode,
    OtherFundsMode,
    OutOfRouteExemption,
    SupplyPackageCap,
)
from billing.coverage.domain.price_result import AppliedRule
from billing.visits.domain.card import Card
from billing.visits.domain.copay_history import CopayHistory, CopayPaid
from billing.visits.domain.private_insurance import CoveredPart, PrivateInsurance
from billing.visits.domain.visit import OUT_OF_ROUTE_TIERS, CeilingKind, PayerClass, Scope
from tests.claims.builders import claim_reasons
from tests.coverage.builders import a_card, a_drug, a_visit, an_item, at, given, priced
from tests.coverage.domain.test_pricing_authority import collect, his, listed, ours, stated

TESTS = Path(__file__).parents[2]
SOURCES = [*chain.from_iterable(Path(each.__file__).parent.rglob("*.py") for each in (coverage, claims, visits))]
RULE_IN_CODE = re.compile(r'"([BD]-\d{3}a?)"')

SMALL = an_item(hospital_price=100_000, insurance_price=100_000)
PAID_15_MILLION = CopayHistory(five_years_on=date(2020, 1, 1), paid=(CopayPaid(date(2026, 2, 1), Decimal(15_000_000)),))
PRIVATE = PrivateInsurance(covers=frozenset(CoveredPart))

VISITS = [
    a_visit(),
    a_visit(an_item(hospital_price=100_000, insurance_price=100_000)),
    a_visit(category_code="1.2"),
    a_visit(category_code="2"),
    a_visit(category_code="9"),
    a_visit(cards=()),
    a_visit(cards=(a_card(valid_to="2026-01-01"),)),
    a_visit(admitted_at=at("2024-12-31 08:00"), discharged_at=None),
    a_visit(category_code="3.1", care_kind="03", copay_history=CopayHistory()),
    a_visit(category_code="1.14"),
    a_visit(category_code="3.3"),
    a_visit(category_code="3.1", care_kind="04"),
    a_visit(cards=(a_card("HT3"), a_card("DN4"))),
    a_visit(admitted_at=at("2026-06-30 08:00"), discharged_at=at("2026-07-02 08:00"), care_kind="03"),
    a_visit(a_drug(payment_ratio=50), cards=(a_card("QN5"),)),
    a_visit(an_item(service_ratio=30, insurance_price=500_000)),
    a_visit(category_code="1.14", cards=(a_card("HT3"),)),
    a_visit(cards=(Card("", date(2026, 11, 1), None, "TE1"),)),
    a_visit(SMALL, category_code="1.14"),
    a_visit(category_code="10"),
    a_visit(category_code="2", admitted_at=at("2024-12-31 08:00"), discharged_at=None),
    *(
        a_visit(out_of_route_tier=tier, admitted_at=at("2024-12-31 08:00"), discharged_at=None)
        for tier in OUT_OF_ROUTE_TIERS
    ),
    a_visit(cards=(a_card("CN3"),)),
    a_visit(category_code="3.1", care_kind="03", cards=(a_card("CN3"),)),
    a_visit(
        an_item(1, ordered_at=at("2026-11-02 08:00")),
        an_item(2, ordered_at=at("2026-11-05 08:00")),
        an_item(3, ordered_at=at("2026-11-06 08:00")),
        cards=(a_card(valid_to="2026-11-04"), a_card("HT3", valid_from="2026-11-06")),
        care_kind="03",
        discharged_at=at("2026-11-07 08:00"),
    ),
    a_visit(cards=(replace(a_card(), shown_at=at("2026-11-02 09:00")),)),
    a_visit(exempt_from=at("2026-01-02 08:00")),
    a_visit(exempt_from=at("2026-01-02 00:00")),
    a_visit(copay_history=PAID_15_MILLION, admitted_at=at("2026-03-01 08:00"), discharged_at=None),
    a_visit(copay_history=PAID_15_MILLION),
    a_visit(copay_history=replace(PAID_15_MILLION, paid=(CopayPaid(date(2026, 2, 1), Decimal(14_040_000)),))),
    a_visit(
        an_item(1, ordered_at=at("2025-12-31 08:00")),
        copay_history=CopayHistory(),
        admitted_at=at("2025-12-31 08:00"),
        discharged_at=at("2026-01-02 08:00"),
    ),
    a_visit(
        an_item(1),
        an_item(2),
        copay_history=replace(PAID_15_MILLION, paid=(CopayPaid(date(2026, 8, 1), Decimal(15_100_000)),)),
    ),
    a_visit(an_item(1, group=10, package="G1", hospital_price=200_000_000, insurance_price=200_000_000)),
    a_visit(
        *(an_item(number, group=10, ceiling=Decimal(9), ceiling_kind=kind) for number, kind in enumerate(CeilingKind))
    ),
    a_visit(*(an_item(number, payer_class=payer) for number, payer in enumerate(PayerClass))),
    a_visit(a_drug(1, paying_source="2"), a_drug(2, is_copay_replaced=True), a_drug(3)),
    *(a_visit(private_insurance=replace(PRIVATE, limit=limit)) for limit in (None, Decimal(1))),
    a_visit(private_insurance=replace(PRIVATE, guarantor="Bảo Việt")),
    a_visit(a_drug(payment_ratio=50), cards=(a_card("TE1"),)),
    a_visit(a_drug(scope=Scope.ARMED_FORCES), cards=(a_card("QN5"),)),
    a_visit(
        a_drug(1, scope=Scope.ARMED_FORCES),
        a_drug(2, scope=Scope.PATIENT),
        a_drug(3, payment_ratio=50),
        a_drug(4, payment_ratio=0),
        a_drug(5, payment_ratio=50, is_war_wound=True),
        a_drug(6, price=Decimal("328901.5"), other_funds=given("10.55")),
        an_item(7, hospital_price=2_000_000),
        an_item(8, insurance_price=2_000_000),
        an_item(9, group=10, ceiling=Decimal(500_000)),
        *(an_item(20 + group, group=group, service_ratio=30) for group in (2, 8, 13, 15)),
    ),
]


def _read_otherwise():
    """Visits under policy options that are not the default."""
    near = CopayHistory(five_years_on=date(2020, 1, 1), paid=(CopayPaid(date(2026, 8, 1), Decimal(15_100_000)),))
    package = an_item(1, group=10, package="G1", hospital_price=200_000_000, insurance_price=200_000_000)
    yield priced(a_visit(a_drug(payment_ratio=50), cards=(a_card("QN5"),)), digit_5_ignores_ratios=True)
    yield priced(a_visit(SMALL, category_code="1.14"), out_of_route_small_visit_at_full_rate=False)
    yield priced(a_visit(an_item(1), an_item(2), copay_history=near), copay_crossing=CopayCrossing.CAP)
    for exempt in ({"copay_history": PAID_15_MILLION}, {"exempt_from": at("2026-01-02 08:00")}):
        for choice in OutOfRouteExemption:
            yield priced(a_visit(category_code="3.1", care_kind="03", **exempt), out_of_route_exemption=choice)
    yield priced(a_visit(package), supply_package_cap=SupplyPackageCap.FUND_PAYMENT)
    yield priced(a_visit(package), package_limit_exempt_digits="4")
    yield priced(a_visit(a_drug(other_funds=given("1"))), other_funds_mode=OtherFundsMode.FACILITY_POOL)
    yield priced(a_visit(a_drug(other_funds=given("1"))), other_funds_mode=OtherFundsMode.COPAY_REPLACEMENT)
    yield priced(a_visit(category_code="3.1", care_kind="04"), day_care_side=CareSide.OUTPATIENT)
    no_extra_charge = HospitalAmountMode.NO_EXTRA_CHARGE
    yield priced(a_visit(an_item(group=13, service_ratio=30)), hospital_amount_mode=no_extra_charge)


def _emitted():
    for pricing in (ours(listed(insured=5)), his()):
        visit = a_visit(an_item(code="T1", stated=stated(0, 1, 4)))
        yield from collect(visit, pricing).priced.lines[0].reasons
    for visit in (*map(priced, VISITS), *_read_otherwise()):
        yield from visit.reasons
        for line in visit.lines:
            yield from line.reasons
    yield from claim_reasons()
    two = [a_visit(ma_lk="LK1"), a_visit(ma_lk="LK2")]
    yield same_day_note(two[0], two)


def test_every_rule_the_code_or_the_parameters_name_is_described():
    named = {rule for source in SOURCES for rule in RULE_IN_CODE.findall(source.read_text("utf-8"))}
    named |= {route.rule for routes in load_parameters().routes.values() for route in routes}

    assert named == {rule.id for rule in all_rules().values() if set(rule.sentences) != {NOTE}}


def test_every_rule_of_the_reference_is_described_and_named_in_code():
    """B-001 … B-093 of the reference on the statutory insurance, and of what comes after a visit those we check."""
    blocks = {1: 3, 10: 17, 20: 22, 25: 30, 40: 53, 60: 67, 70: 73, 75: 77, 80: 82, 90: 93, 101: 101}
    reference = {f"B-{number:03}" for first, last in blocks.items() for number in range(first, last + 1)} | {"B-041a"}
    billing = Path(coverage.__file__).parents[1]
    sources = [*billing.rglob("*.py"), Path(coverage.__file__).parent / "domain" / "parameters.toml"]
    code = "".join(path.read_text("utf-8") for path in sources)

    assert {rule for rule in all_rules() if rule.startswith("B-")} == reference
    assert [rule for rule in sorted(reference) if rule not in code] == []


def test_rule_states_how_long_it_holds():
    periods = [period_text(find_rule(rule), Language.VIETNAMESE) for rule in ("B-010", "B-044", "B-040", "B-090")]

    assert periods == ["từ 2015", "từ 01/01/2025", "01/01/2015 – 31/12/2024", ""]
    assert explain(AppliedRule("B-043", {"code": "3.1", "factor": "40"}), Language.ENGLISH).period == "since 01/01/2025"


def test_every_sentence_is_emitted_and_every_emitted_reason_has_one():
    """Except notes, which only the list of rules contains."""
    described = {(rule.id, variant) for rule in all_rules().values() for variant in rule.sentences if variant != NOTE}

    assert {(reason.rule, reason.variant or MAIN_SENTENCE) for reason in _emitted()} == described


@pytest.mark.parametrize("language", list(Language))
def test_every_sentence_takes_the_operands_the_code_gives(language):
    for reason in _emitted():
        explanation = explain(reason, language)

        assert explanation.sentence.endswith(".")
        assert not set("{}") & set(explanation.sentence)
        assert explanation.citation


def test_every_rule_names_a_case_or_test_that_exists():
    cases = {path.stem.upper() for path in (TESTS / "cases" / "bhyt").glob("*.json")}
    tests = set(re.findall(r"def (test_\w+)", "".join(path.read_text("utf-8") for path in TESTS.rglob("test_*.py"))))

    for rule in all_rules().values():
        assert rule.proof
        assert set(rule.proof) <= cases | tests, rule.id
        assert rule.status in {"verified", "partly", "unverified"}
        assert all(rule.titles.values())


def test_sentence_shows_amounts_as_people_write_them():
    reason = AppliedRule("B-020", {"insured_amount": "300000.50", "share": "15", "threshold": "379500.00"})

    assert explain(reason, Language.VIETNAMESE).sentence == (
        "Chi phí trong phạm vi BHYT của lượt này là 300.000,50 đ, thấp hơn 15 % lương cơ sở (379.500 đ): "
        "quỹ BHYT trả 100 %."
    )


def test_sentence_names_object_code_and_day():
    route = explain(AppliedRule("B-042", {"code": "1.3", "factor": "100"}), Language.ENGLISH)
    card = explain(AppliedRule("B-015", {"day": date(2026, 11, 2).isoformat()}, "not_valid"), Language.VIETNAMESE)

    assert "1.3 (referral paper)" in route.sentence
    assert "02/11/2026" in card.sentence


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("0", "0 đ"),
        ("1234567", "1.234.567 đ"),
        ("432.10", "432,10 đ"),
        ("999.995", "1.000 đ"),
        ("50600.00", "50.600 đ"),
    ],
)
def test_money_is_written_with_points_and_a_comma(amount, text):
    assert money_text(Decimal(amount)) == text


def test_numbers_are_shortest():
    assert [plain_number(Decimal(text)) for text in ("80.00", "47.50", "100", "1E+2", "0.00")] == [
        "80",
        "47.5",
        "100",
        "100",
        "0",
    ]
    assert percent_text(Decimal("47.50"), Language.VIETNAMESE) == "47,5 %"


def test_every_object_code_has_a_name():
    codes = {*load_parameters().routes, "8", "9"}

    assert all(category_name(code, language) for code in codes for language in Language)


def test_unknown_rule_or_variant_is_refused():
    with pytest.raises(NotFound):
        find_rule("B-999")
    with pytest.raises(NotFound):
        explain(AppliedRule("B-043", {}, "other"), Language.ENGLISH)

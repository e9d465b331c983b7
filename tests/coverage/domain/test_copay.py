"""The year's co-payment: threshold, adding up, crossing inside a visit, certificates (B-025 … B-029)."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from billing.core.errors import InvalidValue
from billing.coverage.domain.copay import yearly_threshold
from billing.coverage.domain.explain import Language, explain
from billing.coverage.domain.parameters import load_parameters
from billing.coverage.domain.policy import CopayCrossing, OutOfRouteExemption
from billing.visits.domain.copay_history import CopayHistory, CopayPaid
from billing.visits.domain.visit import FormerTier
from tests.coverage.builders import a_card, a_drug, a_visit, an_item, at, given, priced, rules_of

SIX_SALARIES = 15_180_000  # 6 × 2,530,000


def a_history(*paid, five_years_on="2020-01-01"):
    entries = tuple(CopayPaid(date.fromisoformat(day), Decimal(amount)) for day, amount in paid)
    return CopayHistory(
        five_years_on=None if five_years_on is None else date.fromisoformat(five_years_on), paid=entries
    )


def _threshold(day, *paid):
    return yearly_threshold(a_history(*paid), date.fromisoformat(day), load_parameters())


def _stay(*amounts, history, **changes):
    """Items of these amounts, a day apart; each co-pays 20 %."""
    items = [
        an_item(place, hospital_price=amount, insurance_price=amount, ordered_at=at(f"2027-03-{place:02} 09:00"))
        for place, amount in enumerate(amounts, start=1)
    ]
    return a_visit(
        *items,
        copay_history=history,
        admitted_at=at("2027-03-01 08:00"),
        discharged_at=at("2027-03-20 08:00"),
        **changes,
    )


def _copays(visit, **policy):
    return [int(line.copay) for line in priced(visit, **policy).lines]


def test_threshold_is_six_base_salaries():
    assert _threshold("2027-03-01").amount == SIX_SALARIES
    assert _threshold("2026-06-30", ("2026-02-01", "1")).amount == 14_040_000


def test_threshold_keeps_the_weight_of_what_was_paid_before_the_base_salary_changed():
    # A public hospital's notice: A = 13,000,000 → (6 − 13/2.34) × 2,530,000 = 1,124,444.44 more.
    assert _threshold("2026-07-01", ("2026-06-30", "13000000")).amount == Decimal("14124444.44")
    assert _threshold("2026-12-31", ("2026-06-30", "13000000"), ("2026-07-01", "500000")).amount == Decimal(
        "14124444.44"
    )
    assert _threshold("2026-07-01").amount == SIX_SALARIES
    assert _threshold("2026-07-01", ("2025-12-31", "13000000")).amount == SIX_SALARIES


@pytest.mark.parametrize(("before", "is_reached"), [("14039999.99", False), ("14040000", True), ("20000000", True)])
def test_who_reached_six_of_the_old_base_salary_is_exempt_at_once(before, is_reached):
    threshold = _threshold("2026-07-01", ("2026-05-01", before))
    visit = a_visit(copay_history=a_history(("2026-05-01", before)))

    assert threshold.is_reached is is_reached
    assert priced(visit).copay == (0 if is_reached else 200_000)
    assert ("B-027", "reached" if is_reached else "") in rules_of(priced(visit))


def test_before_july_2025_a_changed_base_salary_takes_the_new_threshold_whole():
    assert _threshold("2024-07-01", ("2024-06-30", "5000000")).amount == 14_040_000
    assert _threshold("2024-06-30", ("2024-06-30", "5000000")).amount == 10_800_000


def test_year_before_the_first_known_base_salary_takes_the_first_one():
    assert _threshold("2018-08-01").amount == 8_340_000


def test_without_a_history_nothing_is_tested():
    visit = priced(a_visit())

    assert (visit.copay_threshold, visit.copay_accumulated, visit.copay_paid) == (None, None, ())


def test_line_after_the_crossing_one_is_exempt():
    # 15,000,000 before; 100,000 → 15,100,000; 100,000 → 15,200,000 > 15,180,000; then nothing.
    visit = _stay(500_000, 500_000, 500_000, history=a_history(("2027-01-10", "15000000")))

    result = priced(visit)

    assert _copays(visit) == [100_000, 100_000, 0]
    assert [line.level for line in result.lines] == [80, 80, 100]
    assert (result.copay_threshold, result.copay_accumulated) == (SIX_SALARIES, 15_200_000)
    assert result.copay_paid == (CopayPaid(date(2027, 3, 20), Decimal("200000.00")),)
    assert "B-026" in [reason.rule for reason in result.lines[1].reasons]
    assert [reason.rule for reason in result.lines[2].reasons] == ["B-025"]


def test_crossing_line_is_capped_where_the_facility_reads_it_so():
    visit = _stay(500_000, 500_000, 500_000, history=a_history(("2027-01-10", "15000000")))

    result = priced(visit, copay_crossing=CopayCrossing.CAP)

    assert [line.copay for line in result.lines] == [100_000, 80_000, 0]
    assert [line.fund for line in result.lines] == [400_000, 420_000, 500_000]
    assert [line.level for line in result.lines] == [80, 80, 100]
    assert result.copay_accumulated == SIX_SALARIES


@pytest.mark.parametrize("crossing", list(CopayCrossing))
def test_exactly_the_threshold_is_not_above_it(crossing):
    visit = _stay(500_000, 500_000, history=a_history(("2027-01-10", "15080000")))

    expected = {CopayCrossing.LINE: [100_000, 100_000], CopayCrossing.CAP: [100_000, 0]}
    assert _copays(visit, copay_crossing=crossing) == expected[crossing]


def test_accumulated_copay_exactly_at_the_threshold_is_not_above_it():
    at_it = a_history(("2027-01-10", "15180000"))
    by_old_salary = a_history(("2026-06-30", "14040000"))

    capped = priced(_stay(500_000, history=at_it), copay_crossing=CopayCrossing.CAP)
    reached = priced(a_visit(copay_history=by_old_salary))

    assert [(reason.rule, reason.variant) for reason in capped.lines[0].reasons] == [("B-025", "at_threshold")]
    assert [(reason.rule, reason.variant) for reason in reached.lines[0].reasons] == [("B-025", "reached")]


def test_lines_are_taken_in_order_of_time_not_of_number():
    early, late = at("2027-03-01 09:00"), at("2027-03-02 09:00")
    items = (an_item(1, ordered_at=late), an_item(2, ordered_at=early))
    visit = a_visit(
        *items,
        copay_history=a_history(("2027-01-10", "15100000")),
        admitted_at=at("2027-03-01 08:00"),
        discharged_at=at("2027-03-03 08:00"),
    )

    assert _copays(visit) == [0, 200_000]


@pytest.mark.parametrize(
    ("five_years_on", "copays"),
    [("2027-03-02", [200_000, 0]), ("2027-03-03", [200_000, 200_000]), (None, [200_000] * 2)],
)
def test_exemption_needs_five_years_at_the_time_of_the_line(five_years_on, copays):
    history = a_history(("2027-01-10", "20000000"), five_years_on=five_years_on)

    assert _copays(_stay(1_000_000, 1_000_000, history=history)) == copays


def test_stay_across_new_year_is_counted_in_both_years():
    items = [an_item(1, ordered_at=at("2027-12-31 09:00")), an_item(2, ordered_at=at("2028-01-01 09:00"))]
    visit = a_visit(
        *items,
        cards=(a_card(valid_to=None),),
        copay_history=a_history(("2027-05-01", "20000000")),
        admitted_at=at("2027-12-30 08:00"),
        discharged_at=at("2028-01-05 08:00"),
    )

    result = priced(visit)

    assert [line.copay for line in result.lines] == [0, 200_000]
    assert (result.copay_threshold, result.copay_accumulated) == (SIX_SALARIES, 200_000)
    assert result.copay_paid == (CopayPaid(date(2028, 1, 5), Decimal("200000.00")),)


def test_stay_across_new_year_tells_where_each_year_stood():
    items = [an_item(1, ordered_at=at("2027-12-31 09:00")), an_item(2, ordered_at=at("2028-01-01 09:00"))]
    visit = a_visit(
        *items,
        cards=(a_card(valid_to=None),),
        copay_history=a_history(("2027-05-01", "20000000")),
        admitted_at=at("2027-12-30 08:00"),
        discharged_at=at("2028-01-05 08:00"),
    )

    standing = [reason.operands for reason in priced(visit).reasons if reason.variant == "standing_of_year"]

    assert [(each["year"], each["accumulated"]) for each in standing] == [("2027", "20000000.00"), ("2028", "0.00")]


def test_what_the_old_year_of_a_stay_adds_counts_on_its_last_day():
    items = [an_item(1, ordered_at=at("2027-12-31 09:00")), an_item(2, ordered_at=at("2028-01-01 09:00"))]
    visit = a_visit(
        *items,
        cards=(a_card(valid_to=None),),
        copay_history=a_history(),
        admitted_at=at("2027-12-30 08:00"),
        discharged_at=at("2028-01-05 08:00"),
    )

    assert [paid.paid_on for paid in priced(visit).copay_paid] == [date(2027, 12, 31), date(2028, 1, 5)]


def test_entries_after_the_visit_do_not_count():
    visit = _stay(1_000_000, history=a_history(("2027-03-21", "20000000")))

    assert _copays(visit) == [200_000]


def test_copay_of_out_of_route_care_does_not_add_up():
    visit = a_visit(category_code="3.1", care_kind="03", copay_history=a_history(("2026-08-01", "1000000")))

    result = priced(visit)

    assert (result.copay, result.copay_accumulated, result.copay_paid) == (680_000, 1_000_000, ())
    assert ("B-029", "") in rules_of(result)


ABOVE = a_history(("2026-08-01", "20000000"))
IN_LAW_46 = {"admitted_at": at("2024-11-02 08:00"), "discharged_at": at("2024-11-03 08:00"), "category_code": "1.1"}
OUT_OF_ROUTE = [
    pytest.param({"category_code": "3.1", "care_kind": "03"}, 32, 40, id="central-inpatient"),
    pytest.param({"category_code": "3.2", "care_kind": "03"}, 80, 100, id="formerly-province-inpatient"),
    pytest.param({"category_code": "3.3"}, 80, 100, id="formerly-district"),
    pytest.param({"category_code": "3.6", "care_kind": "03"}, 80, 100, id="difficult-areas"),
    pytest.param({"category_code": "1.13"}, 40, 50, id="basic-50-points"),
    pytest.param({"category_code": "1.14"}, 40, 50, id="basic-formerly-province"),
    pytest.param({"category_code": "1.18"}, 40, 50, id="specialised-formerly-province"),
    pytest.param(
        {**IN_LAW_46, "out_of_route_tier": FormerTier.CENTRAL, "care_kind": "03"}, 32, 40, id="law-46-central"
    ),
    pytest.param(
        {**IN_LAW_46, "out_of_route_tier": FormerTier.PROVINCE, "care_kind": "03"}, 80, 100, id="law-46-province"
    ),
    pytest.param({**IN_LAW_46, "out_of_route_tier": FormerTier.DISTRICT}, 80, 100, id="law-46-district"),
]
EXEMPT = [
    pytest.param({"copay_history": a_history(("2024-08-01", "20000000"), ("2026-08-01", "20000000"))}, id="history"),
    pytest.param({"copay_history": a_history(("2024-01-02", "8340001"), ("2026-02-01", "14040000"))}, id="reached"),
    pytest.param({"exempt_from": None}, id="certificate"),
]


def _out_of_route(changes, exempt):
    visit = a_visit(**changes, **{key: value for key, value in exempt.items() if value is not None})
    if "exempt_from" in exempt:
        visit = replace(visit, exempt_from=visit.admitted_at.replace(month=2))
    elif visit.admitted_at.year == 2024:
        visit = replace(visit, copay_history=a_history(("2024-02-01", "20000000")))
    return visit


@pytest.mark.parametrize("exempt", EXEMPT)
@pytest.mark.parametrize(("changes", "level", "_rate"), OUT_OF_ROUTE)
def test_exemption_does_not_reach_care_out_of_route(changes, level, _rate, exempt):
    result = priced(_out_of_route(changes, exempt))

    assert result.lines[0].level == level
    (rule,) = [reason for reason in result.lines[0].reasons if reason.rule in {"B-025", "B-028"}]
    assert rule.variant == "out_of_route"
    assert "not exempt" in explain(rule, Language.ENGLISH).sentence
    assert "không được miễn" in explain(rule, Language.VIETNAMESE).sentence


@pytest.mark.parametrize("exempt", EXEMPT)
@pytest.mark.parametrize(("changes", "_level", "rate"), OUT_OF_ROUTE)
def test_facility_that_exempts_care_out_of_route_is_warned(changes, _level, rate, exempt):
    visit = _out_of_route(changes, exempt)

    result = priced(visit, out_of_route_exemption=OutOfRouteExemption.OUT_OF_ROUTE_RATE)

    assert result.lines[0].level == rate
    (rule,) = [reason for reason in result.lines[0].reasons if reason.rule in {"B-025", "B-028"}]
    assert explain(rule, Language.ENGLISH).sentence.startswith("Warning")
    assert explain(rule, Language.VIETNAMESE).sentence.startswith("Cảnh báo")


@pytest.mark.parametrize("code", ["1.1", "1.3", "1.5", "1.11", "1.12", "2"])
def test_exemption_reaches_care_in_route(code):
    by_history = priced(a_visit(category_code=code, copay_history=ABOVE))
    by_certificate = priced(a_visit(category_code=code, exempt_from=at("2026-11-01 00:00")))
    emergency_of_2024 = priced(
        _out_of_route({**IN_LAW_46, "category_code": "2", "out_of_route_tier": FormerTier.CENTRAL}, {})
    )

    assert [result.lines[0].level for result in (by_history, by_certificate, emergency_of_2024)] == [100, 100, 100]


def test_care_out_of_route_is_not_capped_at_the_threshold():
    history = a_history(("2024-02-01", "13990000"))
    visit = a_visit(**IN_LAW_46, out_of_route_tier=FormerTier.PROVINCE, care_kind="03", copay_history=history)

    result = priced(visit, copay_crossing=CopayCrossing.CAP)

    assert (result.copay, result.lines[0].level) == (200_000, 80)
    assert not {"B-026"} & {reason.rule for reason in result.lines[0].reasons}


def test_what_other_funds_pay_of_the_copayment_does_not_add_up():
    visit = a_visit(a_drug(other_funds=given("50000")), copay_history=a_history())

    assert priced(visit).copay_accumulated == 150_000


def test_lines_are_exempt_from_the_timestamp_of_the_certificate_until_the_year_ends():
    days = ("2027-12-30 08:59", "2027-12-30 09:00", "2028-01-01 00:00")
    items = [an_item(number, ordered_at=at(day)) for number, day in enumerate(days, start=1)]
    visit = a_visit(
        *items,
        cards=(a_card(valid_to=None),),
        exempt_from=at("2027-12-30 09:00"),
        admitted_at=at("2027-12-29 08:00"),
        discharged_at=at("2028-01-05 08:00"),
    )

    rule = priced(visit).lines[1].reasons[-1]

    assert [line.level for line in priced(visit).lines] == [80, 100, 80]
    assert (rule.rule, rule.variant, rule.operands["time"]) == ("B-028", "from_day_and_time", "09:00")


def test_exemption_by_certificate_is_reported_by_its_day():
    result = priced(a_visit(exempt_from=at("2026-11-01 00:00")))

    assert ("B-028", "") in rules_of(result)


def test_negative_copayment_is_refused():
    with pytest.raises(InvalidValue):
        CopayPaid(date(2027, 1, 1), Decimal(-1))

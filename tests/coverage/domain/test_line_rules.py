"""Line rules on hand-worked visits. Source: Circular 35/2016/TT-BYT Art. 4b–4d as added by Circular 39/2024/TT-BYT."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from billing.coverage.domain.bed_days import count_bed_days, expect_beds, has_further_day, share_bed, split_day
from billing.coverage.domain.card_digits import card_digits
from billing.coverage.domain.consultations import expect_consultations
from billing.coverage.domain.facility_lists import expect_contained, expect_stents
from billing.coverage.domain.surgeries import expect_surgeries
from billing.visits.domain.facts import ContainedPrice, LineFacts, LineLists, StentCeiling, VisitFacts
from billing.visits.domain.visit import Scope, Table
from tests.coverage.builders import a_visit, an_item, at

NOTHING = VisitFacts()


def _consultation(number, ratio=100, **changes):
    return an_item(number, group=13, service_ratio=ratio, hospital_price=50_000, insurance_price=50_000, **changes)


def _values(expected):
    return [each.value for each in expected]


def _facts(**lines):
    """Facts of lines of XML3: l1=LineFacts(…) describes line 1."""
    return VisitFacts(lines={(Table.SERVICES, int(name[1:])): facts for name, facts in lines.items()})


def test_consultations_of_a_visit_count_100_30_30_30_10_and_nothing():
    visit = a_visit(*(_consultation(number) for number in range(1, 8)))

    expected = expect_consultations(visit, NOTHING)

    assert _values(expected) == [100, 30, 30, 30, 10, 0, 0]
    assert sum(_values(expected)) == 200, "at most two prices"
    assert [each.is_met for each in expected] == [True] + [False] * 6


def test_consultations_stated_right_are_met_in_any_order_of_one_timestamp():
    # BHYT-038: 100/30/30/30; the same with the whole one written last.
    for ratios in ((100, 30, 30, 30), (30, 30, 30, 100)):
        visit = a_visit(*(_consultation(number, ratio) for number, ratio in enumerate(ratios, start=1)))

        assert all(each.is_met for each in expect_consultations(visit, NOTHING))


def test_time_decides_which_consultation_is_the_first():
    later, first = (
        _consultation(1, 100, ordered_at=at("2026-11-02 10:00")),
        _consultation(2, 30, ordered_at=at("2026-11-02 09:00")),
    )

    expected = {each.item.number: each.value for each in expect_consultations(a_visit(later, first), NOTHING)}

    assert expected == {1: 30, 2: 100}


def test_consultation_out_of_scope_counts_for_nobody():
    visit = a_visit(_consultation(1, scope=Scope.PATIENT), _consultation(2))

    assert [(each.item.number, each.value) for each in expect_consultations(visit, NOTHING)] == [(2, 100)]


@pytest.mark.parametrize(("number", "ratio"), [(65, "100"), (66, "50")])
def test_insurer_pays_half_above_65_consultations_of_a_desk(number, ratio):
    facts = _facts(l1=LineFacts(number_at_desk=number))

    assert _values(expect_consultations(a_visit(_consultation(1)), facts)) == [Decimal(ratio)]


def test_consultation_twice_on_a_line_or_with_one_code_is_a_suspicion():
    visit = a_visit(_consultation(1, quantity=2), _consultation(2, 30, code="K02"), _consultation(3, 30, code="K02"))

    warnings = [each for each in expect_consultations(visit, NOTHING) if each.is_warning]

    assert [(each.item.number, each.field, each.value) for each in warnings] == [
        (1, "SO_LUONG", 1),
        (2, "SO_LUONG", 0),
        (3, "SO_LUONG", 0),
    ]


def _surgery(number, price, ratio=100, group=8):
    return an_item(number, group=group, service_ratio=ratio, hospital_price=price, insurance_price=price)


NINE = at("2026-11-02 09:00")


def test_further_surgery_counts_50_by_the_same_team_and_80_by_another():
    # BHYT-042: 6,000,000 whole, 4,000,000 by the same team 50 %, 3,000,000 by another 80 %.
    visit = a_visit(
        _surgery(1, 6_000_000),
        _surgery(2, 4_000_000, 50),
        _surgery(3, 3_000_000, 80),
        _surgery(4, 500_000, 80, group=18),
    )
    team, other = frozenset({"A", "B"}), frozenset({"C"})
    facts = _facts(
        l1=LineFacts(performed_at=NINE, performers=team),
        l2=LineFacts(performed_at=NINE, performers=team),
        l3=LineFacts(performed_at=NINE, performers=other),
        l4=LineFacts(performed_at=NINE, performers=team),
    )

    expected = expect_surgeries(visit, facts)

    assert _values(expected) == [100, 50, 80, 80]
    assert all(each.is_met for each in expected)


def test_whole_second_surgery_is_not_met_and_a_cheaper_one_is_not_the_main():
    visit = a_visit(_surgery(1, 4_000_000), _surgery(2, 6_000_000))
    facts = _facts(l1=LineFacts(performed_at=NINE), l2=LineFacts(performed_at=NINE))

    first, second = expect_surgeries(visit, facts)

    assert (first.accepted, first.is_met) == ((50, 80), False), "teams are not supplied: both are accepted"
    assert (second.value, second.is_met) == (100, True)


def test_overlapping_teams_leave_both_ratios_open():
    visit = a_visit(_surgery(1, 6_000_000), _surgery(2, 4_000_000, 80))
    facts = _facts(
        l1=LineFacts(performed_at=NINE, performers=frozenset({"A", "B"})),
        l2=LineFacts(performed_at=NINE, performers=frozenset({"B", "C"})),
    )

    assert all(each.is_met for each in expect_surgeries(visit, facts))


@pytest.mark.parametrize(
    "facts",
    [
        NOTHING,
        _facts(l1=LineFacts(performed_at=NINE), l2=LineFacts(performed_at=at("2026-11-03 09:00"))),
    ],
    ids=["no timestamp", "two operations"],
)
def test_interventions_not_of_one_operation_are_not_judged(facts):
    assert expect_surgeries(a_visit(_surgery(1, 6_000_000), _surgery(2, 4_000_000)), facts) == ()


@pytest.mark.parametrize(
    ("start", "end", "further", "days"),
    [
        ("2026-11-02 08:00", "2026-11-02 11:59", False, 0),
        ("2026-11-02 08:00", "2026-11-02 12:00", False, 0),
        ("2026-11-02 08:00", "2026-11-02 12:01", False, 1),
        ("2026-11-02 22:00", "2026-11-03 07:00", False, 1),
        ("2026-11-02 08:00", "2026-11-03 08:00", False, 1),
        ("2026-11-02 08:00", "2026-11-08 16:00", False, 6),
        ("2026-11-02 08:00", "2026-11-08 16:00", True, 7),
        ("2026-11-02 08:00", "2026-11-02 16:00", True, 1),  # under 24 hours nothing is added
    ],
)
def test_bed_days_of_a_stay(start, end, further, days):
    assert count_bed_days(at(start), at(end), has_further_day=further, four_hours_are_a_day=False) == days


def test_exactly_four_hours_are_a_setting():
    start, end = at("2026-11-02 08:00"), at("2026-11-02 12:00")

    assert count_bed_days(start, end, has_further_day=False, four_hours_are_a_day=True) == 1


@pytest.mark.parametrize(
    ("outcome", "leaving", "emergency", "further"),
    [
        ("1", "1", None, False),
        ("5", "1", None, True),
        ("6", "4", None, True),
        ("5", "", None, True),
        ("8", "", None, True),
        ("4", "4", None, True),
        ("4", "2", None, True),
        ("4", "2", False, True),
        ("4", "5", None, True),
        ("4", "", None, None),
        ("3", "2", True, True),
        ("3", "2", False, False),
        ("3", "2", None, None),
        ("", "", None, None),
    ],
)
def test_day_of_leaving_counts_for_the_dead_the_worse_and_those_passed_on(outcome, leaving, emergency, further):
    assert has_further_day(VisitFacts(outcome=outcome, leaving=leaving, came_through_emergency=emergency)) is further


@pytest.mark.parametrize("leaving", ["1", "3"])
def test_worse_result_alone_gives_no_further_bed_day(leaving):
    facts = VisitFacts(outcome="4", leaving=leaving)

    assert has_further_day(facts) is False
    assert _unmet(a_visit(_bed(1, 7), **STAY), facts) == [(None, "SO_LUONG", (6,), False)]
    assert _unmet(a_visit(_bed(1, 7), **STAY), replace(facts, leaving="4")) == []


def test_shared_bed_counts_a_half_or_a_third():
    assert [share_bed(patients) for patients in (1, 2, 3, 5)] == [100, 50, 33, 33]


def test_day_in_several_departments_counts_dearest_and_cheapest():
    # BHYT-046: 250,000 and 200,000 count 0.5 each, 220,000 nothing. Shared by three: 0.33.
    prices = [Decimal(250_000), Decimal(200_000), Decimal(220_000)]

    assert split_day(prices, [1, 1, 1]) == (Decimal("0.5"), Decimal("0.5"), 0)
    assert split_day(prices, [2, 3, 1]) == (Decimal("0.5"), Decimal("0.33"), 0)


def _bed(number, quantity, price=250_000, ratio=100, **changes):
    return an_item(
        number, group=15, quantity=Decimal(quantity), hospital_price=price, insurance_price=price,
        service_ratio=ratio, **changes
    )  # fmt: skip


def _unmet(visit, facts=NOTHING):
    return [
        (each.item.number if each.item else None, each.field, each.accepted, each.is_warning)
        for each in expect_beds(visit, facts, four_hours_are_a_day=False)
        if not each.is_met
    ]


STAY = {"care_kind": "03", "discharged_at": at("2026-11-08 16:00")}
HOME = VisitFacts(outcome="2", leaving="1")


def test_stay_of_six_days_is_met_by_six_and_not_by_seven():
    assert _unmet(a_visit(_bed(1, 6), **STAY), HOME) == []
    assert _unmet(a_visit(_bed(1, 7), **STAY), HOME) == [(None, "SO_LUONG", (6,), False)]
    assert _unmet(a_visit(_bed(1, 5), **STAY), HOME) == [(None, "SO_LUONG", (6,), True)], "the hospital's own loss"


def test_seven_days_are_accepted_where_the_way_of_leaving_is_not_supplied():
    assert _unmet(a_visit(_bed(1, 7), **STAY)) == []
    assert _unmet(a_visit(_bed(1, 8), **STAY)) == [(None, "SO_LUONG", (6, 7), False)]


def test_open_stay_is_not_counted():
    assert _unmet(a_visit(_bed(1, 9), care_kind="03", discharged_at=None)) == []


def test_old_30_percent_of_a_shared_bed_is_33_now():
    (unmet,) = _unmet(a_visit(_bed(1, 6, ratio=30), **STAY), HOME)

    assert unmet[:2] == (1, "TYLE_TT_DV")
    assert unmet[2][0] == 33


def test_supplied_number_of_patients_decides_the_ratio():
    facts = VisitFacts(
        outcome="2", leaving="1", lines={(Table.SERVICES, 1): LineFacts(patients_in_bed=2)}
    )  # fmt: skip

    assert _unmet(a_visit(_bed(1, 6), **STAY), facts) == [(1, "TYLE_TT_DV", (50,), False)]


def test_beds_of_one_day_in_three_departments():
    beds = [
        _bed(1, "0.5", 250_000, department="A"),
        _bed(2, "1", 200_000, department="B"),
        _bed(3, "0.5", 220_000, department="C"),
    ]
    visit = a_visit(*beds, care_kind="03", discharged_at=at("2026-11-04 16:00"))

    assert _unmet(visit, HOME) == [(2, "SO_LUONG", (Decimal("0.5"),), False), (3, "SO_LUONG", (0,), False)]


STENTS = LineLists(
    stents=(
        StentCeiling(since=date(2017, 1, 1), codes=frozenset({"S1"}), ceilings=(Decimal(36_000_000),)),
        StentCeiling(
            since=date(2026, 1, 1),
            codes=frozenset({"S1"}),
            ceilings=(Decimal(36_000_000), Decimal(18_000_000), Decimal(12_000_000)),
        ),
    )
)


def _stent(number, ceiling, **changes):
    price = {"hospital_price": 40_000_000, "insurance_price": ceiling}
    return an_item(number, group=10, is_supply=True, code="S1", ceiling=Decimal(ceiling), **price, **changes)


def test_stents_have_ceilings_by_their_order():
    visit = a_visit(*(_stent(number, 36_000_000) for number in (1, 2, 3, 4)))

    expected = expect_stents(visit, STENTS)

    assert _values(expected) == [36_000_000, 18_000_000, 12_000_000, 12_000_000]
    assert [each.is_met for each in expected] == [True, False, False, False]


def test_second_stent_is_half_of_the_first_where_the_list_names_only_that():
    day = at("2025-11-02 08:00")
    visit = a_visit(*(_stent(number, 36_000_000) for number in (1, 2, 3)), admitted_at=day, discharged_at=None)

    assert _values(expect_stents(visit, STENTS)) == [36_000_000, 18_000_000]


def test_without_a_list_no_stent_is_judged():
    assert expect_stents(a_visit(_stent(1, 1)), LineLists()) == ()


def test_what_another_price_contains_is_not_charged_in_addition():
    lists = LineLists(contained=(ContainedPrice(service="PT1", contains=frozenset({"VT9"})),))
    same_day, day_after = an_item(2, code="VT9"), an_item(3, code="VT9", ordered_at=at("2026-11-03 09:00"))
    visit = a_visit(an_item(1, code="PT1"), same_day, day_after, an_item(4, code="VT8"))

    expected = expect_contained(visit, lists)

    assert [(each.item.number, each.field, each.value, each.is_met) for each in expected] == [(2, "SO_LUONG", 0, False)]


def test_usual_digits_of_a_group_change_in_2026():
    assert card_digits("TE", on=date(2026, 1, 1)) == ("1",)
    assert card_digits("CN", on=date(2025, 12, 31)) == ("3",)
    assert card_digits("CN", on=date(2026, 1, 1)) == ("2", "3")
    assert card_digits("ZZ", on=date(2026, 1, 1)) == ()

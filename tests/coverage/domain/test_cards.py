"""Which card counts for which line: by the time of its order (B-013 … B-016), and what stands in for a card."""

from datetime import date

import pytest

from billing.core.errors import InvalidValue
from billing.coverage.domain.policy import CardChoice
from billing.visits.domain.card import Card
from billing.visits.domain.visit import Scope
from tests.coverage.builders import a_card, a_drug, a_visit, an_item, at, priced, rules_of

STAY = {"care_kind": "03", "discharged_at": at("2026-11-26 08:00")}


def _levels(visit, **policy):
    return [int(line.level) for line in priced(visit, **policy).lines]


def _ordered(*days):
    return [an_item(number, ordered_at=at(f"{day} 09:00")) for number, day in enumerate(days, start=1)]


@pytest.mark.parametrize("group", ["CN3", "LH4"])
def test_raised_group_gets_100_percent_since_2026_whatever_its_digit(group):
    visit = priced(a_visit(a_drug(payment_ratio=50), cards=(a_card(group),)))

    assert (visit.fund, visit.copay, visit.self_pay) == (500_000, 0, 500_000)
    assert ("B-013", "") in rules_of(visit)


def test_stay_over_new_year_2026_with_a_raised_card_has_two_levels():
    stay = a_visit(
        *_ordered("2025-12-31", "2026-01-01"),
        cards=(a_card("CN3"),),
        care_kind="03",
        admitted_at=at("2025-12-30 08:00"),
        discharged_at=at("2026-01-02 08:00"),
    )

    assert _levels(stay) == [95, 100]


@pytest.mark.parametrize("is_reversed", [False, True])
def test_cards_that_follow_each_other_split_the_stay_by_line_time(is_reversed):
    cards = (a_card("DN4", valid_to="2026-11-03"), a_card("HT3", valid_from="2026-11-04"))
    visit = a_visit(*_ordered("2026-11-03", "2026-11-04"), cards=cards[::-1] if is_reversed else cards, **STAY)

    assert _levels(visit) == [80, 95]
    assert [reason.operands for reason in priced(visit).reasons if reason.rule == "B-014"] == [{"groups": "DN4, HT3"}]


def test_line_without_an_order_time_counts_at_admission():
    cards = (a_card("DN4", valid_to="2026-11-03"), a_card("HT3", valid_from="2026-11-04"))

    assert _levels(a_visit(cards=cards, **STAY)) == [80]


@pytest.mark.parametrize(
    ("choice", "groups", "level"),
    [
        (CardChoice.HIGHEST, ("DN4", "HN2"), 100),
        (CardChoice.HIGHEST, ("HN2", "DN4"), 100),
        (CardChoice.LAST, ("HN2", "DN4"), 80),
        (CardChoice.LAST, ("DN4", "HN2"), 100),
    ],
)
def test_of_cards_valid_at_once_the_highest_counts(choice, groups, level):
    assert _levels(a_visit(cards=tuple(map(a_card, groups))), card_choice=choice) == [level]


TE1_QN5 = (a_drug(1, payment_ratio=50), a_drug(2, scope=Scope.ARMED_FORCES))


@pytest.mark.parametrize("is_reversed", [False, True])
@pytest.mark.parametrize(
    ("groups", "items", "funds"),
    [
        (("HN2", "HT3", "DN4"), (a_drug(),), [1_000_000]),
        (("CN3", "HT3"), (a_drug(),), [1_000_000]),
        (("TE1", "QN5"), TE1_QN5, [500_000, 1_000_000]),
    ],
)
def test_highest_card_counts_whatever_the_order_in_the_file(groups, items, funds, is_reversed):
    cards = tuple(map(a_card, groups))

    result = priced(a_visit(*items, cards=cards[::-1] if is_reversed else cards))

    assert [line.fund for line in result.lines] == funds
    assert ("B-014", "choice") in rules_of(result)


@pytest.mark.parametrize("is_reversed", [False, True])
@pytest.mark.parametrize(("choice", "levels"), [(CardChoice.HIGHEST, (100, 100)), (CardChoice.LAST, (80, 100))])
def test_of_cards_in_their_days_of_grace_the_highest_counts(choice, levels, is_reversed):
    cards = (a_card("HN2", valid_to="2026-11-10"), a_card("DN4", valid_to="2026-11-09"))
    visit = a_visit(*_ordered("2026-11-12"), cards=cards[::-1] if is_reversed else cards, **STAY)

    assert _levels(visit, card_choice=choice) == [levels[is_reversed]]


def test_card_that_lifts_ratios_goes_before_another_of_100_percent():
    visit = a_visit(a_drug(payment_ratio=50), cards=(a_card("TE1"), a_card("HN2")))

    assert priced(visit).fund == 1_000_000


def test_small_visit_is_at_100_percent_under_every_card():
    items = [an_item(number, hospital_price=100_000, insurance_price=100_000) for number in (1, 2)]
    cards = (a_card("DN4", valid_to="2026-11-02"), a_card("HT3", valid_from="2026-11-03"))

    assert _levels(a_visit(*items, cards=cards, **STAY)) == [100, 100]


def test_expired_card_counts_for_15_days_of_a_treatment_and_no_longer():
    card = a_card(valid_to="2026-11-10")
    visit = priced(a_visit(*_ordered("2026-11-10", "2026-11-25", "2026-11-26"), cards=(card,), **STAY))

    assert [(line.level, line.insured_amount) for line in visit.lines] == [(80, 1_000_000), (80, 1_000_000), (0, 0)]
    assert [[reason.rule for reason in line.reasons] for line in visit.lines] == [
        ["B-010"],
        ["B-015", "B-010"],
        ["B-015"],
    ]


@pytest.mark.parametrize("care_kind", ["01", "07"])
def test_expired_card_does_not_count_after_its_end_where_nothing_is_treated(care_kind):
    visit = a_visit(*_ordered("2026-11-12"), cards=(a_card(valid_to="2026-11-10"),), **STAY | {"care_kind": care_kind})

    assert _levels(visit) == [0]


def test_card_that_was_not_valid_at_admission_has_no_days_of_grace():
    visit = a_visit(*_ordered("2026-11-12"), cards=(a_card(valid_to="2026-11-01"),), **STAY)

    assert _levels(visit) == [0]


def test_new_card_goes_before_the_days_of_grace_of_the_old_one():
    cards = (a_card("HN2", valid_to="2026-11-10"), a_card("DN4", valid_from="2026-11-12"))

    assert _levels(a_visit(*_ordered("2026-11-11", "2026-11-12"), cards=cards, **STAY)) == [100, 80]


@pytest.mark.parametrize(("code", "levels"), [("1.1", [0, 80]), ("2", [80, 80])])
def test_card_shown_late_counts_from_then_on_except_in_an_emergency(code, levels):
    card = Card("DN4791234567890", date(2018, 1, 1), None, shown_at=at("2026-11-04 08:00"))
    visit = a_visit(*_ordered("2026-11-03", "2026-11-04"), cards=(card,), category_code=code, **STAY)

    assert _levels(visit) == levels


def test_child_without_a_card_is_insured_by_group_and_digit():
    child = Card("", date(2026, 11, 1), None, "TE1")

    assert priced(a_visit(cards=(child,), category_code="1.7")).fund == 1_000_000
    assert (child.category_code, child.benefit_digit, child.without_person()) == ("TE", "1", "")


def test_card_without_its_full_code_states_where_the_group_is_from():
    without_code, full = Card("", date(2026, 11, 1), None, "TE1"), a_card("TE1")

    assert [("B-002", "") in rules_of(priced(a_visit(cards=(card,)))) for card in (without_code, full)] == [True, False]


@pytest.mark.parametrize("code", ["TE179KT12345678", "TE1 79"])
def test_temporary_code_of_the_portal_is_accepted(code):
    code = code.replace(" ", "")
    card = Card(code, date(2026, 11, 1), None, "" if len(code) == 15 else "TE1")

    assert priced(a_visit(cards=(card,))).fund == 1_000_000


@pytest.mark.parametrize("code", ["", "DN4", "1234567890", "DN479123456789"])
def test_code_that_tells_no_group_needs_an_entitlement(code):
    with pytest.raises(InvalidValue):
        Card(code, date(2026, 1, 1), None)
    assert Card(code, date(2026, 1, 1), None, "DN4").benefit_digit == "4"


@pytest.mark.parametrize("entitlement", ["HN2", "DN", "D44"])
def test_entitlement_may_not_contradict_the_card(entitlement):
    with pytest.raises(InvalidValue):
        Card("DN4791234567890", date(2026, 1, 1), None, entitlement)

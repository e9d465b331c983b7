"""The collected amounts: ours by the list in force, or those of the hospital's system with every difference reported.

The visit of the builders: one test of 1,000,000 đ, card of digit 4, so the fund pays 80 % and the patient 200,000 đ.
"""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from uuid import UUID

import pytest

from billing.coverage.domain.parameters import load_parameters
from billing.coverage.domain.policy import Policy
from billing.coverage.domain.pricing_authority import (
    AS_SUBMITTED,
    CollectedPrice,
    FacilityPricing,
    ListInForce,
    PriceDay,
    PricingAuthority,
    VisitPricing,
    price_again,
    price_for_collection,
)
from billing.coverage.domain.refusals import PriceNotInForce, RuleNotSupported
from billing.tariffs.domain.tariff import ListedPrice, TariffId
from billing.visits.domain.private_insurance import CoveredPart, PrivateInsurance
from billing.visits.domain.visit import PayerClass, Scope, StatedAmounts, Visit
from tests.coverage.builders import a_card, a_drug, a_visit, an_item, at

ADMITTED = date(2026, 11, 2)
LIST = TariffId(UUID(int=7))


def listed(code: str = "T1", *, insured: object = None, fee: object = None, on_demand: object = None) -> ListedPrice:
    prices = {name: None if value is None else Decimal(str(value)) for name, value in
              (("insured", insured), ("fee", fee), ("on_demand", on_demand))}  # fmt: skip
    return ListedPrice(code=code, name="x", unit="", **prices)


def pricing(
    authority: PricingAuthority, *prices: ListedPrice, day: date = ADMITTED, price_day: PriceDay = PriceDay.ORDERED
) -> VisitPricing:
    setting = FacilityPricing(authority=authority, price_day=price_day, vendor="HIS X")
    lists = {day: ListInForce(LIST, date(2026, 7, 1), {each.code: each for each in prices})} if prices else {}
    return VisitPricing(setting, lists)


def collect(visit: Visit, by: VisitPricing) -> CollectedPrice:
    return price_for_collection(visit, by, parameters=load_parameters(), policy=Policy())


def ours(*prices: ListedPrice, **changes: object) -> VisitPricing:
    return pricing(PricingAuthority.VIENPHI, *prices, **changes)  # type: ignore[arg-type]


def his(*prices: ListedPrice, **changes: object) -> VisitPricing:
    return pricing(PricingAuthority.HIS, *prices, **changes)  # type: ignore[arg-type]


def stated(self_pay: object, copay: object, fund: object, **more: object) -> StatedAmounts:
    amounts = {"self_pay": self_pay, "copay": copay, "fund": fund, **more}
    return StatedAmounts(**{name: None if amount is None else Decimal(str(amount)) for name, amount in amounts.items()})


def differences(found: CollectedPrice) -> list[tuple[str, str, str]]:
    return [(each.field, str(each.his_value), str(each.vienphi_value)) for each in found.differences]


def test_without_a_setting_what_was_submitted_is_priced() -> None:
    found = collect(a_visit(an_item(code="T1")), AS_SUBMITTED)

    assert (found.priced.shares.patient, found.differences) == (200_000, ())


def test_prices_in_force_take_the_place_of_those_submitted() -> None:
    found = collect(a_visit(an_item(code="T1")), ours(listed(insured=900_000, fee=950_000)))

    [line] = found.priced.lines
    assert (line.hospital_amount, line.fund, line.copay) == (900_000, 720_000, 180_000)
    assert line.reasons[0].rule == "B-053"
    assert line.reasons[0].operands == {"day": "2026-07-01", "price": "900000"}
    assert found.differences == ()


def test_what_is_snapshot_prices_to_the_same_again() -> None:
    item = an_item(code="T1", stated=stated(0, 300_000, 700_000))
    for by in (ours(listed(insured=900_000)), his(listed(insured=900_000)), AS_SUBMITTED):
        found = collect(a_visit(item), by)
        authority = None if by.setting is None else by.setting.authority

        again = price_again(found.visit, authority, parameters=load_parameters(), policy=Policy())

        assert again.shares == found.priced.shares
        assert [line.fund for line in again.lines] == [line.fund for line in found.priced.lines]


@pytest.mark.parametrize(
    "prices", [(), (listed("T2", insured=5),), (listed(fee=5),)], ids=["no list", "not listed", "no insurance price"]
)
def test_service_without_a_price_in_force_is_refused_by_name(prices: tuple[ListedPrice, ...]) -> None:
    with pytest.raises(PriceNotInForce, match=r"no price in force for T1 on 2026-11-02") as refused:
        collect(a_visit(an_item(code="T1")), ours(*prices))

    assert refused.value.item.code == "T1"


def test_service_without_a_code_is_refused_by_its_name() -> None:
    with pytest.raises(PriceNotInForce, match="“Xét nghiệm”, which has no code"):
        collect(a_visit(an_item()), ours(listed(insured=5)))


def test_drugs_and_supplies_keep_the_price_of_their_lot_unless_listed() -> None:
    visit = a_visit(
        a_drug(1, price=10, code="D1"),
        a_drug(2, price=10, code="D2"),
        an_item(3, code="S1", is_supply=True, group=10, hospital_price=30, insurance_price=30),
    )

    found = collect(visit, ours(listed("D2", insured=12)))

    assert [line.hospital_amount for line in found.priced.lines] == [10, 12, 30]


@pytest.mark.parametrize(
    ("changes", "hospital", "insured"),
    [
        ({}, 900_000, 900_000),
        ({"hospital_price": 2_000_000}, 2_000_000, 900_000),
        ({"hospital_price": 1_500_000}, 900_000, 900_000),
        ({"scope": Scope.PATIENT}, 950_000, 0),
        ({"scope": Scope.PATIENT, "hospital_price": 2_000_000}, 2_000_000, 0),
        ({"scope": Scope.ARMED_FORCES}, 950_000, 0),
    ],
    ids=[
        "insured",
        "on demand",
        "submitted price is on no list",
        "out of scope",
        "out of scope on demand",
        "not armed forces",
    ],
)
def test_price_of_the_kind_the_line_needs(changes: dict[str, object], hospital: int, insured: int) -> None:
    prices = listed(insured=900_000, fee=950_000, on_demand=2_000_000)

    [line] = collect(a_visit(an_item(code="T1", **changes)), ours(prices)).priced.lines

    assert (line.hospital_amount, line.insured_amount) == (hospital, insured)


@pytest.mark.parametrize(
    "changes",
    [{"cards": ()}, {"cards": (a_card(valid_to="2026-01-01"),)}, {"category_code": "9"}],
    ids=["no card", "expired", "not insured"],
)
def test_visit_without_insurance_pays_the_fee(changes: dict[str, object]) -> None:
    visit = replace(a_visit(an_item(code="T1")), **changes)  # type: ignore[arg-type]

    found = collect(visit, ours(listed(insured=900_000, fee=950_000)))

    assert found.priced.shares.patient == 950_000


def test_card_that_ended_inside_the_treatment_leaves_the_insurance_price() -> None:
    """Rule B-015: until 15 days after its end the fund still pays, so the line is still one of giá BHYT."""
    stay = a_visit(
        an_item(1, code="T1", ordered_at=at("2026-11-17 08:00")),
        an_item(2, code="T1", ordered_at=at("2026-11-18 08:00")),
        care_kind="03",
        cards=(a_card(valid_to="2026-11-02"),),
        discharged_at=at("2026-11-19 08:00"),
    )
    prices = ours(listed(insured=900_000, fee=950_000), price_day=PriceDay.ADMITTED)

    inside, after = collect(stay, prices).priced.lines

    assert (inside.hospital_amount, inside.fund) == (900_000, 720_000)
    assert (after.hospital_amount, after.fund) == (950_000, 0)


def test_card_that_begins_inside_the_stay_gives_the_insurance_price_from_then_on() -> None:
    stay = a_visit(
        an_item(1, code="T1", ordered_at=at("2026-11-02 09:00")),
        an_item(2, code="T1", ordered_at=at("2026-11-03 08:00")),
        care_kind="03",
        cards=(a_card(valid_from="2026-11-03"),),
        discharged_at=at("2026-11-04 08:00"),
    )
    prices = ours(listed(insured=900_000, fee=950_000), price_day=PriceDay.ADMITTED)

    before, since = collect(stay, prices).priced.lines

    assert (before.hospital_amount, since.hospital_amount, since.fund) == (950_000, 900_000, 720_000)


@pytest.mark.parametrize(
    ("changes", "hospital", "fund"),
    [
        ({"payer_class": PayerClass.FEE}, 950_000, 0),
        ({"payer_class": PayerClass.FEE, "hospital_price": Decimal(2_000_000)}, 950_000, 0),
        ({"payer_class": PayerClass.CONTRACT}, 950_000, 0),
        ({"payer_class": PayerClass.ON_DEMAND}, 2_000_000, 720_000),
        ({"payer_class": PayerClass.FREE}, 0, 0),
        ({"paying_source": "2"}, 950_000, 0),
    ],
    ids=["fee", "fee, other price submitted", "contract", "on demand", "free", "other source"],
)
def test_price_follows_who_pays_the_line(changes: dict[str, object], hospital: int, fund: int) -> None:
    prices = listed(insured=900_000, fee=950_000, on_demand=2_000_000)

    [line] = collect(a_visit(an_item(code="T1", **changes)), ours(prices)).priced.lines

    assert (line.hospital_amount, line.fund) == (hospital, fund)


def test_line_on_demand_without_such_a_price_is_refused_by_name() -> None:
    with pytest.raises(PriceNotInForce, match="no price in force for T1"):
        collect(a_visit(an_item(code="T1", payer_class=PayerClass.ON_DEMAND)), ours(listed(insured=900_000)))


def test_free_line_needs_no_price() -> None:
    assert collect(a_visit(an_item(code="T1", payer_class=PayerClass.FREE)), ours()).priced.hospital_amount == 0


def test_day_of_order_or_of_admission_picks_the_list() -> None:
    visit = a_visit(an_item(code="T1", ordered_at=at("2026-11-03 08:00")), discharged_at=at("2026-11-04 08:00"))
    on_third = {"day": date(2026, 11, 3)}

    assert collect(visit, ours(listed(insured=1), **on_third)).priced.hospital_amount == 1
    with pytest.raises(PriceNotInForce, match="2026-11-02"):
        collect(visit, ours(listed(insured=1), price_day=PriceDay.ADMITTED, **on_third))


def test_what_the_hospitals_system_computed_is_collected() -> None:
    """Theirs: 250 000 instead of 200 000 of co-payment. Listed are the two amounts that differ, each with ours."""
    item = an_item(code="T1", stated=stated(0, 250_000, 750_000, hospital_amount=1_000_000))

    found = collect(a_visit(item), his(listed(insured=1_000_000)))

    [line] = found.priced.lines
    assert (line.copay, line.fund, found.priced.shares.patient) == (250_000, 750_000, 250_000)
    assert [(reason.rule, reason.variant) for reason in line.reasons] == [("B-053", "by_his")]
    assert differences(found) == [("T_BNCCT", "250000.00", "200000.00"), ("T_BHTT", "750000.00", "800000.00")]
    assert "B-010" in found.differences[0].rules, "the level of the card decides the co-payment"


@pytest.mark.parametrize("changes", [{}, {"category_code": "1.99"}], ids=["we price it too", "we refuse it"])
def test_private_insurer_answers_for_what_is_collected(changes: dict[str, object]) -> None:
    """Rule B-090. Theirs: 50 000 of co-payment, ours 200 000; the insurer pays 80 % of what is collected."""
    item = an_item(code="T1", stated=stated(0, 50_000, 950_000))
    insurance = PrivateInsurance(covers=frozenset(CoveredPart), coinsurance=Decimal(80))

    found = collect(a_visit(item, private_insurance=insurance, **changes), his(listed(insured=1_000_000)))

    assert (found.priced.private_insurer, found.priced.patient_after_private) == (40_000, 10_000)


def test_rounding_is_explained_of_what_is_collected() -> None:
    whole = an_item(code="T1", quantity=Decimal("0.7777775"), stated=stated(0, 155_556, 622_222))
    half = an_item(code="T1", stated=stated("0.5", 200_000, "799999.5"))

    of_whole, of_half = (collect(a_visit(item), his()).priced.reasons for item in (whole, half))

    assert "B-080" not in {reason.rule for reason in of_whole}
    assert [reason.operands for reason in of_half if reason.rule == "B-080"] == [
        {"exact": "200000.50", "rounded": "200001"}
    ]


def test_price_of_the_list_that_differs_is_listed_and_the_submitted_one_taken() -> None:
    found = collect(a_visit(an_item(code="T1")), his(listed(insured=900_000)))

    assert found.priced.shares.patient == 200_000
    assert differences(found) == [
        ("DON_GIA_BV", "1000000", "900000"),
        ("DON_GIA_BH", "1000000", "900000"),
        ("THANH_TIEN_BV", "1000000.00", "900000.00"),
        ("THANH_TIEN_BH", "1000000.00", "900000.00"),
        ("T_BNCCT", "200000.00", "180000.00"),
        ("T_BHTT", "800000.00", "720000.00"),
    ]
    assert found.differences[0].rules == ("B-053",)


def test_service_without_a_price_in_force_is_taken_as_submitted_and_listed() -> None:
    found = collect(a_visit(an_item(code="T1")), his())

    assert found.priced.shares.patient == 200_000
    assert differences(found) == [("DON_GIA_BV", "1000000", "None")]


def test_whole_dong_that_were_rounded_are_no_difference() -> None:
    """777,777.50 đ: ours are 155,555.50 and 622,222; theirs are whole and sum to half a đồng more."""
    visit = a_visit(an_item(code="T1", quantity=Decimal("0.7777775"), stated=stated(0, 155_556, 622_222)))

    assert differences(collect(visit, his(listed(insured=1_000_000)))) == []


def test_parts_that_do_not_make_the_stated_whole_are_collected_and_listed() -> None:
    item = an_item(code="T1", stated=stated(0, 200_000, 790_000, hospital_amount=1_000_000))

    found = collect(a_visit(item), his(listed(insured=1_000_000)))

    assert found.priced.hospital_amount == 990_000
    assert ("THANH_TIEN_BV", "990000.00", "1000000.00") in differences(found)


@pytest.mark.parametrize(
    "amounts",
    [stated(0, 250_000, None), stated(-1, 250_001, 750_000), stated(0, 250_000, 750_000, level=400)],
    ids=["not all parts", "negative", "level"],
)
def test_line_that_does_not_state_who_pays_what_is_priced_by_our_rules(amounts: StatedAmounts) -> None:
    found = collect(a_visit(an_item(code="T1", stated=amounts)), his(listed(insured=1_000_000)))

    assert found.priced.shares.patient == 200_000


def test_fact_that_is_unknown_stops_no_desk_where_their_system_priced_every_line() -> None:
    """Before 2025 the former tier decides an out-of-route visit; it is not supplied, so there is nothing to compare."""
    out_of_route = {
        "category_code": "3.1",
        "admitted_at": at("2024-11-02 08:00"),
        "discharged_at": at("2024-11-02 16:00"),
    }
    item = an_item(code="T1", stated=stated(0, 250_000, 750_000))

    found = collect(a_visit(item, **out_of_route), his(listed(insured=1_000_000)))

    assert found.computed is None
    assert found.priced.shares.patient == 250_000
    assert [(field, mine) for field, _, mine in differences(found)] == [
        ("DON_GIA_BV", "None"),  # no list was in force then
        ("T_BNTT", "None"),
        ("T_BNCCT", "None"),
        ("T_BHTT", "None"),
    ]
    with pytest.raises(RuleNotSupported):
        collect(a_visit(an_item(code="T1"), **out_of_route), his())

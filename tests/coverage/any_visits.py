"""Any visit a facility could submit, and any combination of policy options: for the properties of a price."""

from dataclasses import fields, is_dataclass, replace
from datetime import timedelta
from decimal import Decimal

from hypothesis import strategies as st

from billing.core.clock import business_date
from billing.coverage.domain.policy import (
    CardChoice,
    CareSide,
    CopayCrossing,
    DayOfStay,
    HospitalAmountMode,
    OtherFundsMode,
    OutOfRouteExemption,
    SupplyPackageCap,
)
from billing.visits.domain.copay_history import CopayHistory, CopayPaid
from billing.visits.domain.private_insurance import CoveredPart, PrivateInsurance
from billing.visits.domain.visit import (
    OUT_OF_ROUTE_TIERS,
    CeilingKind,
    OtherFunds,
    PayerClass,
    Scope,
    Table,
    is_supply_line,
)
from tests.coverage.builders import a_card, a_visit, an_item, at, priced

quantities = st.decimals(0, 1000, places=3)
prices = st.decimals(0, 50_000_000, places=3)
dong = st.integers(0, 50_000_000).map(Decimal)
ratios = st.sampled_from([Decimal(ratio) for ratio in (0, 10, 30, 33, 50, 80, 100)])
shares = st.decimals(0, 1, places=3)
groups = st.sampled_from(["TE1", "HN2", "HT3", "CN3", "DN4", "LH4", "QN5"])
timestamps = st.integers(0, 60 * 24 * 60).map(lambda minutes: timedelta(minutes=minutes))
routes = st.sampled_from(
    [
        *((code, kind) for code in ("1.1", "1.2", "1.3", "2", "9", "10", "3.1") for kind in ("01", "03", "04")),
        *((code, "01") for code in ("1.12", "1.13", "1.14", "1.18")),
    ]
)
admissions = st.sampled_from(["2020-11-01", "2024-06-20", "2025-12-01", "2026-05-20", "2026-06-20", "2026-11-02"])
policies = st.fixed_dictionaries(
    {
        "base_salary_day": st.sampled_from(DayOfStay),
        "route_day": st.sampled_from(DayOfStay),
        "day_care_side": st.sampled_from(CareSide),
        "card_choice": st.sampled_from(CardChoice),
        "out_of_route_small_visit_at_full_rate": st.booleans(),
        "digit_1_ignores_ratios": st.booleans(),
        "digit_5_ignores_ratios": st.booleans(),
        "hospital_amount_mode": st.sampled_from(HospitalAmountMode),
        "other_funds_mode": st.sampled_from(OtherFundsMode),
        "supply_package_cap": st.sampled_from(SupplyPackageCap),
        "package_limit_exempt_digits": st.sampled_from(["", "1", "15"]),
        "copay_crossing": st.sampled_from(CopayCrossing),
        "out_of_route_exemption": st.sampled_from(OutOfRouteExemption),
    }
)


@st.composite
def items(draw, number, admitted_at):
    table = draw(st.sampled_from(list(Table)))
    hospital_price = draw(prices)
    is_drug = table is Table.DRUGS
    kind = draw(st.sampled_from(CeilingKind))
    group = draw(st.sampled_from([1, 4, 8, 10, 13, 15]))
    ordered = draw(st.none() | timestamps)
    return an_item(
        number,
        table=table,
        group=group,
        is_supply=is_supply_line(table, group=group, supply_code=""),
        scope=draw(st.sampled_from(list(Scope))),
        quantity=Decimal(draw(st.integers(0, 4))) if kind is CeilingKind.STENT else draw(quantities),
        hospital_price=hospital_price,
        insurance_price=hospital_price if is_drug else draw(prices),
        service_ratio=Decimal(100) if is_drug else draw(ratios),
        payment_ratio=draw(ratios),
        ceiling=None if is_drug else draw(st.none() | st.decimals("0.001", 50_000_000, places=3)),
        ceiling_kind=kind,
        package="" if is_drug else draw(st.sampled_from(["", "", "G1", "G2"])),
        is_war_wound=draw(st.booleans()),
        paying_source=draw(st.sampled_from("1112")),
        payer_class=draw(st.sampled_from([PayerClass.INSURANCE] * 4 + list(PayerClass))),
        is_copay_replaced=draw(st.sampled_from([False, False, True])),
        ordered_at=None if ordered is None else admitted_at + ordered,
    )


@st.composite
def cards(draw, admitted_at):
    """Up to three cards, each of a group of its own, that begin before or inside the stay and may end in it."""
    day = business_date(admitted_at)
    chosen = []
    for group in draw(st.lists(groups, max_size=3, unique=True)):
        first = day + timedelta(days=draw(st.integers(-300, 20)))
        length = draw(st.integers(0, 600))
        chosen.append(a_card(group, valid_from=str(first), valid_to=str(first + timedelta(days=length))))
    return tuple(chosen)


@st.composite
def histories(draw, admitted_at):
    if draw(st.booleans()):
        return None
    day = business_date(admitted_at)
    paid = tuple(
        CopayPaid(day - timedelta(days=draw(st.integers(-40, 300))), draw(st.decimals(0, 9_000_000, places=2)))
        for _ in range(draw(st.integers(0, 3)))
    )
    five_years_on = draw(st.none() | st.integers(-30, 900).map(lambda days: day - timedelta(days=days)))
    return CopayHistory(five_years_on=five_years_on, paid=paid)


@st.composite
def visits_and_policies(draw):
    admitted_at = at(f"{draw(admissions)} 08:00")
    policy = draw(policies)
    chosen = [draw(items(number, admitted_at)) for number in range(1, draw(st.integers(1, 6)) + 1)]
    is_old = admitted_at.year < 2025
    code, kind = ("3", draw(st.sampled_from(["01", "03"]))) if is_old else draw(routes)
    private = PrivateInsurance(
        covers=frozenset(draw(st.lists(st.sampled_from(CoveredPart)))),
        deductible=draw(dong),
        coinsurance=draw(st.sampled_from([Decimal(0), Decimal("33.3"), Decimal(100)])),
        limit=draw(st.none() | dong),
    )
    visit = a_visit(
        *chosen,
        cards=draw(cards(admitted_at)),
        category_code=code,
        care_kind=kind,
        out_of_route_tier=draw(st.sampled_from(OUT_OF_ROUTE_TIERS)) if is_old else None,
        admitted_at=admitted_at,
        discharged_at=draw(st.none() | st.just(admitted_at + timedelta(days=61))),
        exempt_from=draw(st.none() | timestamps.map(lambda after: admitted_at + after)),
        copay_history=draw(histories(admitted_at)),
        private_insurance=draw(st.none() | st.just(private)),
    )
    return _with_other_funds(visit, policy, [draw(shares) for _ in chosen]), policy


def _with_other_funds(visit, policy, parts):
    """Other funds may give at most what an item costs, so the cost is priced first."""
    lines = priced(visit, **policy).lines
    given = [
        replace(line.item, other_funds=OtherFunds(remaining=(line.hospital_amount * part).quantize(Decimal("0.01"))))
        for line, part in zip(lines, parts, strict=True)
    ]
    return replace(visit, items=tuple(given))


def values_in(value):
    """Every value in a result, down to its leaves."""
    yield value
    if is_dataclass(value):
        for field in fields(value):
            yield from values_in(getattr(value, field.name))
    elif isinstance(value, dict):
        for key, element in value.items():
            yield from values_in(key)
            yield from values_in(element)
    elif isinstance(value, (tuple, list, frozenset)):
        for element in value:
            yield from values_in(element)

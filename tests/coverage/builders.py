"""A visit to start from: one card of digit 4, right line, one laboratory test of 1,000,000 đ on 2026-11-02."""

from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal

from billing.core.clock import VIETNAM
from billing.coverage.domain.parameters import load_parameters
from billing.coverage.domain.policy import Policy
from billing.coverage.domain.price import price
from billing.coverage.domain.price_result import PricedVisit
from billing.visits.domain.card import Card
from billing.visits.domain.visit import ChargeItem, OtherFunds, Scope, Table, Visit


def a_card(group: str = "DN4", *, valid_from: str = "2018-01-01", valid_to: str | None = "2027-12-31") -> Card:
    end = None if valid_to is None else date.fromisoformat(valid_to)
    return Card(f"{group}791234567890", date.fromisoformat(valid_from), end)


def at(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=VIETNAM)


def an_item(number: int = 1, **changes: object) -> ChargeItem:
    item = ChargeItem(
        table=Table.SERVICES,
        number=number,
        name="Xét nghiệm",
        group=1,
        scope=Scope.INSURED,
        quantity=Decimal(1),
        hospital_price=Decimal(1_000_000),
        insurance_price=Decimal(1_000_000),
    )
    return replace(item, **{name: value if name == "group" else _exact(value) for name, value in changes.items()})


def a_drug(number: int = 1, *, price: int | Decimal = 1_000_000, **changes: object) -> ChargeItem:
    return an_item(number, table=Table.DRUGS, group=4, hospital_price=price, insurance_price=price, **changes)


def given(amount: str) -> OtherFunds:
    return OtherFunds(domestic=Decimal(amount))


def a_visit(*items: ChargeItem, **changes: object) -> Visit:
    visit = Visit(
        ma_lk="LK1",
        facility_code="01001",
        care_kind="01",
        category_code="1.1",
        admitted_at=at("2026-11-02 08:00"),
        discharged_at=at("2026-11-02 16:00"),
        cards=(a_card(),),
        items=items or (an_item(),),
    )
    return replace(visit, **changes)


def priced(visit: Visit, **policy: object) -> PricedVisit:
    return price(visit, parameters=load_parameters(), policy=replace(Policy(), **policy))


def rules_of(visit: PricedVisit) -> set[tuple[str, str]]:
    reasons = [*visit.reasons, *(reason for line in visit.lines for reason in line.reasons)]
    return {(reason.rule, reason.variant) for reason in reasons}


def _exact(value: object) -> object:
    return Decimal(value) if type(value) is int else value

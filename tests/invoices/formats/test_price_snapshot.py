"""The snapshot of an invoice is read back to the same visit and policy options, in every format ever written."""

import json
from dataclasses import fields, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest

from billing.core.errors import InvalidValue
from billing.core.money import Dong, Shares
from billing.coverage.domain.parameters import load_parameters
from billing.coverage.domain.policy import Policy
from billing.coverage.domain.price import price
from billing.coverage.domain.pricing_authority import AS_SUBMITTED
from billing.coverage.formats.visit_input import read_visit
from billing.invoices.formats.price_snapshot import SnapshotUnreadable, policy_version, read_snapshot, write_snapshot
from tests.builders import visit_document

SNAPSHOTS = Path(__file__).parents[2] / "cases" / "snapshots"


def other_readings(policy: Policy) -> Policy:
    """Every policy option set to another choice than its present choice."""
    return replace(policy, **{field.name: another(getattr(policy, field.name)) for field in fields(Policy)})


def another(value: Any) -> Any:
    match value:
        case StrEnum():
            return next(choice for choice in type(value) if choice != value)
        case bool():
            return not value
        case tuple():
            return (*value, value[0])
        case str():
            return f"{value};0" if value else "1"
        case _:
            return value - 1


def test_visit_and_every_policy_option_come_back() -> None:
    visit = read_visit({key: value for key, value in visit_document().items() if key != "patient"})
    policy = other_readings(Policy())

    again = read_snapshot(write_snapshot(visit, policy, AS_SUBMITTED))

    assert again.policy == policy
    assert all(getattr(policy, field.name) != getattr(Policy(), field.name) for field in fields(Policy))
    assert again.visit.items == visit.items
    assert again.visit.cards[0].code == "DN4790000000000"


def test_snapshot_of_format_1_prices_as_it_did_then() -> None:
    frozen = read_snapshot((SNAPSHOTS / "format-1.json").read_text(encoding="utf-8"))

    priced = price(frozen.visit, parameters=load_parameters(), policy=frozen.policy)

    assert priced.shares == Shares(patient=Dong(186_616), other=Dong(0), insurer=Dong(3_545_697))


def test_policy_option_added_since_has_the_default_that_held_before() -> None:
    document = json.loads(write_snapshot(read_visit(visit_document()), other_readings(Policy()), AS_SUBMITTED))
    del document["policy"]["base_salary_day"]

    assert read_snapshot(json.dumps(document)).policy.base_salary_day is Policy().base_salary_day


@pytest.mark.parametrize(
    "damage",
    [
        {"format": 99},
        {"format": True},
        {"format": "1"},
        {"format": None},
        {"more": 1},
        {"policy": {"reading_of_tomorrow": "yes"}},
        {"policy": {"base_salary_day": "tomorrow"}},
        {"policy": {"digit_1_ignores_ratios": "1"}},
        {"policy": []},
        {"visit": None},
        {"visit": {}},
    ],
)
def test_text_that_is_not_understood_is_refused_and_never_guessed(damage: dict[str, object]) -> None:
    document = json.loads(write_snapshot(read_visit(visit_document()), Policy(), AS_SUBMITTED))

    with pytest.raises(InvalidValue):
        read_snapshot(json.dumps(document | damage))


@pytest.mark.parametrize("text", ["", "{", "[]", "1", '"visit"'])
def test_text_that_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(SnapshotUnreadable):
        read_snapshot(text)


def test_same_readings_have_the_same_name_and_others_another() -> None:
    assert policy_version(Policy()) == policy_version(replace(Policy()))
    assert policy_version(Policy()) != policy_version(other_readings(Policy()))

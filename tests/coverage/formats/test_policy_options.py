"""Policy options as texts: every option is read back, and a text that is not understood is rejected."""

from dataclasses import fields, replace
from decimal import Decimal
from typing import Any

import pytest

from billing.core.errors import InvalidValue
from billing.coverage.domain.explain import all_rules
from billing.coverage.domain.policy import CopayCrossing, Policy
from billing.coverage.domain.policy_options import all_policy_options
from billing.coverage.formats.policy_json import (
    UnknownPolicyOption,
    _read_value,
    read_policy_options,
    write_policy_options,
)


def test_what_is_not_named_keeps_its_default() -> None:
    policy = replace(Policy(), copay_crossing=CopayCrossing.CAP)

    assert read_policy_options({"copay_crossing": "cap"}) == read_policy_options(write_policy_options(policy)) == policy
    assert read_policy_options({}) == Policy()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("copay_crossing", "half"),
        ("copay_crossing", None),
        ("reading_of_tomorrow", "1"),
        ("digit_1_ignores_ratios", "true"),
        ("unstated_route_percent", "101"),
        ("unstated_route_percent", "-1"),
        ("unstated_route_percent", "NaN"),
        ("unstated_route_percent", "Infinity"),
        ("package_limit_exempt_digits", "6"),
        ("package_limit_exempt_digits", "11"),
        ("stent_ceiling_percents", ""),
        ("stent_ceiling_percents", "100;"),
        ("stent_ceiling_percents", "100;1e1"),
        ("stent_ceiling_percents", "100;101"),
        ("stent_ceiling_percents", ";".join(["1"] * 21)),
    ],
)
def test_policy_option_that_cannot_be_is_refused_by_its_name(name: str, value: object) -> None:
    with pytest.raises(InvalidValue) as refusal:
        read_policy_options({name: value})

    assert refusal.value.field == name


def test_every_policy_option_is_described_with_its_rule_choices_and_question() -> None:
    described = all_policy_options()

    assert list(described) == [field.name for field in fields(Policy)]
    for name, reading in described.items():
        assert reading.rule in all_rules(), name
        assert all((*reading.title.values(), *reading.question.values())), name
        assert bool(reading.choices) != (reading.form is not None), name
        kind = type(getattr(Policy(), name))
        values = [str(each) for each in kind] if hasattr(kind, "__members__") else ["True", "False"]
        assert not reading.choices or list(reading.choices) == values, name
        for value in reading.choices:
            assert write_policy_options(read_policy_options({name: value}))[name] == value


@pytest.mark.parametrize(
    ("kind", "text", "reading"),
    [
        (Decimal, "47.5", Decimal("47.5")),
        (int, "3", 3),
        (str, "", ""),
        (tuple[Decimal, ...], "100 50", (Decimal(100), Decimal(50))),
        (tuple[Decimal, ...], "", ()),
    ],
)
def test_policy_option_of_any_kind_comes_back_from_its_text(kind: Any, text: str, reading: object) -> None:
    assert _read_value("a_reading", kind, text) == reading


@pytest.mark.parametrize(("kind", "text"), [(Decimal, "much"), (int, "1.5"), (tuple[Decimal, ...], "1,2")])
def test_policy_option_that_is_none_of_its_kind_is_refused(kind: Any, text: Any) -> None:
    with pytest.raises(UnknownPolicyOption):
        _read_value("a_reading", kind, text)

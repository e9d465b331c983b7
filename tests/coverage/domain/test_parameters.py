from datetime import date
from importlib import resources
from itertools import pairwise

import pytest

from billing.core.errors import InvalidValue
from billing.coverage.domain.parameters import load_parameters, read_parameters

TEXT = resources.files("billing.coverage.domain").joinpath("parameters.toml").read_text("utf-8")


@pytest.mark.parametrize(
    ("day", "amount"),
    [
        (date(2018, 7, 1), 1_390_000),
        (date(2019, 7, 1), 1_490_000),
        (date(2023, 6, 30), 1_490_000),
        (date(2023, 7, 1), 1_800_000),
        (date(2024, 7, 1), 2_340_000),
        (date(2026, 6, 30), 2_340_000),
        (date(2026, 7, 1), 2_530_000),
        (date(2030, 1, 1), 2_530_000),
    ],
)
def test_base_salary_holds_from_its_day_until_the_next(day, amount):
    assert load_parameters().base_salary_on(day).amount == amount


def test_every_base_salary_states_its_source_and_status():
    for salary in load_parameters().base_salaries:
        assert salary.source.startswith("Nghị định")
        assert salary.status in {"verified", "partly", "unverified"}


def test_routes_of_one_code_never_overlap():
    for routes in load_parameters().routes.values():
        for earlier, later in pairwise(routes):
            assert earlier.until is not None
            assert earlier.until < later.since


def test_binary_float_is_refused():
    with pytest.raises(InvalidValue, match="quotes"):
        read_parameters(TEXT.replace('small_visit_percent = "15"', "small_visit_percent = 15.0"))


@pytest.mark.parametrize(
    "text", ["", "[limits", TEXT.replace('amount = "1390000"', ""), TEXT.replace("2018-07-01", "2027-07-01")]
)
def test_incomplete_or_disordered_parameters_are_refused(text):
    with pytest.raises(InvalidValue):
        read_parameters(text)

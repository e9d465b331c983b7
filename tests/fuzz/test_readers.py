"""A short fuzz of every reader of foreign bytes, the same cases each time. The long one: `make fuzz`."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.fuzz import case, run_case
from tests.fuzz.seeds import HURTFUL
from tests.fuzz.targets import TARGETS

CASES = {
    "claim-file": 400,
    "case-file": 400,
    "citizen-card": 2000,
    "insurance-card": 2000,
    "statement": 400,
    "statement-workbook": 100,
    "settlement": 1000,
    "bank-file": 500,
}
SEED = 1


@pytest.mark.parametrize("name", TARGETS)
def test_almost_valid_input_gives_a_value_or_a_named_error(name: str) -> None:
    for number in range(CASES[name]):
        run_case(name, SEED, number)


@pytest.mark.parametrize("name", TARGETS)
def test_input_that_hurts_readers_gives_a_value_or_a_named_error(name: str) -> None:
    for content in (*HURTFUL, *(content * 2000 for content in HURTFUL), *TARGETS[name].seeds):
        TARGETS[name].check(content)


@given(content=st.binary(max_size=500))
@settings(max_examples=100, deadline=None)
def test_any_bytes_give_a_value_or_a_named_error(content: bytes) -> None:
    for target in TARGETS.values():
        target.check(content)


def test_case_is_found_again_by_its_number() -> None:
    assert case("claim-file", SEED, 7) == case("claim-file", SEED, 7) != case("claim-file", SEED, 8)

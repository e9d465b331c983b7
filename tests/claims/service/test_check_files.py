"""Files checked without a database: worked cases meet the line rules, and any bytes give an answer."""

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.claims.domain.claim import FileCheck
from billing.claims.formats.claim_json import check_json, compare_json
from billing.claims.service.check_files import check_file, claim_context_of, compare_file
from billing.coverage.domain.explain import Language
from billing.coverage.domain.parameters import load_parameters
from billing.coverage.domain.policy import Policy
from billing.visits.formats.visit_facts_json import SuppliedFacts
from tests.visits.formats.xml130.claim_files import file_of_tables

CASES = Path(__file__).parents[2] / "cases" / "bhyt"
SUPPLIED = SuppliedFacts()
CLAIM_CONTEXT = claim_context_of(
    supplied=SUPPLIED, parameters=load_parameters(), policy=Policy(), today=date(2026, 11, 10)
)


def _check(content: bytes) -> FileCheck:
    return check_file(content, file="a", supplied=SUPPLIED, claim_context=CLAIM_CONTEXT)


@pytest.mark.parametrize("case", ["bhyt-038", "bhyt-042", "bhyt-044"])
def test_worked_case_of_a_line_rule_meets_it(case: str) -> None:
    (checked,) = _check((CASES / f"{case}.json").read_bytes()).checks

    assert not [one for one in checked.findings if one.reason.rule.startswith("B-06")]


def test_case_with_fewer_bed_days_than_its_stay_is_only_doubted() -> None:
    # BHYT-046 shows one day in three departments; its stay from 2 to 4 November counts two days.
    (checked,) = _check((CASES / "bhyt-046.json").read_bytes()).checks

    found = [(one.severity, one.finding.found) for one in checked.findings if one.reason.rule.startswith("B-06")]
    assert found == [("warning", "1")]


@settings(max_examples=60, deadline=None)
@given(st.one_of(st.binary(max_size=200), st.integers(0, 2_000).map(lambda cut: file_of_tables()[:-cut])))
def test_any_bytes_give_an_answer_that_can_be_written(content: bytes) -> None:
    checked = _check(content)
    compared = compare_file(content, file="a", supplied=SUPPLIED, claim_context=CLAIM_CONTEXT)

    assert checked.checks or checked.findings
    assert check_json(checked, Language.ENGLISH)
    assert compare_json(compared, Language.VIETNAMESE)

"""The worked claim files: which visits are read, which findings appear, and what the files state of themselves."""

import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from billing.visits.formats.xml130 import ClaimFile, read_claim_file

CASES = Path(__file__).parents[3] / "cases" / "xml130"
NAMES = sorted(path.stem for path in CASES.glob("*.json"))


def read_case(name: str) -> tuple[Mapping[str, Any], ClaimFile]:
    case = json.loads((CASES / f"{name}.json").read_text(encoding="utf-8"))
    return case, read_claim_file((CASES / f"{name}.xml").read_bytes(), file=f"{name}.xml")


@pytest.mark.parametrize("name", NAMES)
def test_worked_case_reads_the_expected_visits(name: str) -> None:
    case, claim = read_case(name)

    assert [read.visit.ma_lk for read in claim.visits] == case["ma_lk"]


@pytest.mark.parametrize("name", NAMES)
def test_worked_case_gives_the_expected_finding_and_no_other(name: str) -> None:
    case, claim = read_case(name)

    codes = {finding.code.value for finding in claim.findings}

    assert codes == (set() if case["expect"] == "ok" else {case["expect"]})
    refuses = case["outcome"] in {"refused", "partly"}
    assert any(finding.refuses for finding in claim.findings) == refuses


@pytest.mark.parametrize("name", NAMES)
def test_worked_case_states_the_expected_amounts(name: str) -> None:
    case, claim = read_case(name)

    for read, expected in zip(claim.visits, case["expected"]["visits"], strict=True):
        for item, line in zip(read.visit.items, expected["lines"], strict=True):
            stated = item.stated
            assert stated is not None
            assert item.number == line["STT"]
            assert stated.hospital_amount == Decimal(line["THANH_TIEN_BV"])
            assert stated.insured_amount == Decimal(line["THANH_TIEN_BH"])
            assert stated.level == Decimal(line["MUC_HUONG"])
            assert stated.other_funds == Decimal(line["T_NGUONKHAC"])
            assert stated.self_pay == Decimal(line["T_BNTT"])
            assert stated.copay == Decimal(line["T_BNCCT"])
            assert stated.fund == Decimal(line["T_BHTT"])


def test_damaged_base64_names_the_refused_visit_and_its_table() -> None:
    _, claim = read_case("several-hoso-one-base64-damaged")

    (finding,) = claim.findings

    assert (finding.hoso, finding.ma_lk, finding.table) == (2, "LK20261102-B", "XML3")
    assert [read.hoso for read in claim.visits] == [1, 3]


def test_totals_that_differ_are_listed_with_both_values() -> None:
    _, claim = read_case("xml1-totals-differ")

    assert {(finding.field, finding.found, finding.expected) for finding in claim.findings} == {
        ("T_TONGCHI_BH", "50600", "379501.00"),
        ("T_BNCCT", "10120", "75900.20"),
        ("T_BHTT", "40480", "303600.80"),
        ("T_BHTT_GDV", "40480", "303600.80"),
    }
    stated = claim.visits[0].visit.stated
    assert stated is not None
    assert stated.insured_amount == Decimal(50600)

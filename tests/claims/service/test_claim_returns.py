"""Visits of one person on one day in one file: which of them is the return (D-010)."""

import json
from datetime import date

import pytest

from billing.claims.service.check_files import check_file, claim_context_of
from billing.coverage.domain.parameters import load_parameters
from billing.coverage.domain.policy import Policy
from billing.visits.formats.visit_facts_json import SuppliedFacts, read_supplied_facts
from tests.visits.formats.xml130.claim_files import block, claim_file, hoso, service, without_totals, xml1, xml3


def a_hoso(ma_lk: str, hour: str, *, group: str = "13", day: str = "20261102", **summary: str) -> str:
    timestamp = f"{day}{hour}00"
    fields = without_totals(MA_LK=ma_lk, NGAY_VAO=timestamp, NGAY_RA=f"{day}2300", **summary)
    timestamps = {"NGAY_YL": timestamp, "NGAY_TH_YL": timestamp, "NGAY_KQ": timestamp}
    line = service(MA_LK=ma_lk, MA_NHOM=group, **timestamps)
    return hoso(block("XML1", xml1(fields)), block("XML3", xml3(line)))


def returns(content: bytes, supplied: SuppliedFacts | None = None) -> list[tuple[str, str]]:
    """MA_LK of each return with that of the visit before it."""
    supplied = supplied or SuppliedFacts()
    claim_context = claim_context_of(
        supplied=supplied, parameters=load_parameters(), policy=Policy(), today=date(2026, 11, 3)
    )
    checked = check_file(content, file="claim.xml", supplied=supplied, claim_context=claim_context)
    assert checked.checks
    return [
        (check.ma_lk, one.reason.operands["earlier"])
        for check in checked.checks
        for one in check.findings
        if one.reason.rule == "D-010"
    ]


@pytest.mark.parametrize("is_reversed", [False, True])
def test_later_visit_of_the_day_is_the_return_whatever_the_order_in_the_file(is_reversed: bool) -> None:
    visits = [a_hoso("LK-A", "08"), a_hoso("LK-B", "14")]

    assert returns(claim_file(*(visits[::-1] if is_reversed else visits))) == [("LK-B", "LK-A")]


@pytest.mark.parametrize(
    "second",
    [
        a_hoso("LK-B", "14", day="20261103"),
        a_hoso("LK-B", "14", group="1"),
        a_hoso("LK-B", "14", MA_DOITUONG_KCB="2"),
        a_hoso("LK-B", "14", MA_CSKCB="01002"),
        a_hoso("LK-B", "14", MA_THE_BHYT="HT3791234567891", MA_BN="BN-2"),
    ],
    ids=["another day", "no consultation", "emergency", "another facility", "another person"],
)
def test_other_visit_is_no_return(second: str) -> None:
    assert returns(claim_file(a_hoso("LK-A", "08"), second)) == []


def test_numbers_of_zeros_name_nobody() -> None:
    nobody = {"SO_CCCD": "000000000000", "MA_BN": "0"}
    visits = a_hoso("LK-A", "08", **nobody), a_hoso("LK-B", "14", MA_THE_BHYT="HT3791234567891", **nobody)

    assert returns(claim_file(*visits)) == []


def test_return_is_reported_with_the_file_where_the_first_visit_is_not_in_it() -> None:
    supplied = read_supplied_facts(json.dumps({"visits": {"LK-B": {"same_day_return_of": "LK-0"}}}).encode())

    assert returns(claim_file(a_hoso("LK-B", "14")), supplied) == [("LK-B", "LK-0")]


def test_visits_of_a_case_file_are_of_one_person() -> None:
    line = {"table": "XML3", "stt": 1, "name": "s", "MA_NHOM": 13, "PHAM_VI": 1, "SO_LUONG": "1", "TYLE_TT_BH": 100}
    line |= {"DON_GIA_BV": "50600", "DON_GIA_BH": "50600", "TYLE_TT_DV": 100}
    visits = [
        {"MA_LK": f"LK{hour}", "MA_LOAI_KCB": "01", "MA_DOITUONG_KCB": "1.1", "NGAY_VAO": f"20261102{hour}00"}
        | {"NGAY_RA": "202611022300", "lines": [line]}
        for hour in ("14", "08")
    ]
    cards = [{"code": "DN4791234567890", "valid_from": "2026-01-01"}]
    case = {"schema": "bhyt-case/1", "input": {"cards": cards, "visits": visits}}

    assert returns(json.dumps(case).encode()) == [("LK14", "LK08")]

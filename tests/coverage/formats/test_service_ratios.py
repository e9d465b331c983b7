"""A service submitted without TYLE_TT_DV gets the ratio of the rules; a submitted TYLE_TT_DV is retained."""

from itertools import permutations
from typing import Any

import pytest

from billing.claims.formats.reader import read_claim_document
from billing.core.errors import InvalidValue
from billing.coverage.domain.parameters import load_parameters
from billing.coverage.domain.policy import Policy
from billing.coverage.domain.price import price
from billing.coverage.formats.visit_input import read_visit
from billing.visits.formats.visit_document import write_snapshot_visit, write_visit
from billing.visits.formats.visit_facts_json import SuppliedFacts
from tests.builders import service_line, visit_document

CONSULTATION, SURGERY, PROCEDURE, BED = 13, 8, 18, 15
NINE, TEN = "202611020900", "202611021000"


def line(stt: int, group: int, price: str = "100000", **supplied: object) -> dict[str, Any]:
    line_with_ratio = service_line(stt, name=f"Dịch vụ {stt}", group=group, price=price)
    del line_with_ratio["TYLE_TT_DV"]
    return line_with_ratio | supplied


def ratios(*lines: dict[str, Any]) -> list[int]:
    visit = read_visit(_document(*lines))
    return [int(item.service_ratio) for item in sorted(visit.items, key=lambda item: item.number)]


def _document(*lines: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in visit_document(lines=list(lines)).items() if key != "patient"}


def test_consultations_count_by_the_time_of_their_order() -> None:
    six = [line(stt, CONSULTATION, NGAY_YL=f"20261102{8 + stt:02}00") for stt in range(1, 7)]

    assert ratios(*six) == [100, 30, 30, 30, 10, 0]
    assert all(ratios(*order) == [100, 30, 30] for order in permutations(six[:3]))
    assert ratios(six[0] | {"NGAY_YL": "202611022300"}, six[1]) == [30, 100]


def test_supplied_ratio_is_kept_and_counted_with_the_others() -> None:
    first = line(1, CONSULTATION, NGAY_YL=NINE, TYLE_TT_DV="50")

    assert ratios(first, line(2, CONSULTATION, NGAY_YL=TEN)) == [50, 30]
    assert ratios(line(1, CONSULTATION, PHAM_VI="2"), line(2, CONSULTATION)) == [100, 100], "that of the patient's own"


def test_consultation_above_the_limit_of_its_desk_counts_half() -> None:
    assert ratios(line(1, CONSULTATION, number_at_desk=65), line(2, CONSULTATION, number_at_desk=66)) == [100, 15]


@pytest.mark.parametrize(("team", "ratio"), [("A;B", 50), ("C", 80), ("B;C", 50), (None, 50)])
def test_further_intervention_of_one_timestamp_counts_by_its_team(team: str | None, ratio: int) -> None:
    dear = line(1, SURGERY, "3000000", NGAY_TH_YL=NINE, NGUOI_THUC_HIEN="A;B")
    other = line(2, SURGERY, "2000000", NGAY_TH_YL=NINE, NGUOI_THUC_HIEN=team)
    procedure = line(3, PROCEDURE, "500000", NGAY_TH_YL=NINE)
    later = line(4, SURGERY, "900000", NGAY_TH_YL=TEN)

    assert ratios(dear, other, procedure, later) == [100, ratio, 80, 100]


def test_shared_bed_counts_by_the_patients_in_it() -> None:
    beds = [line(stt, BED, patients_in_bed=count) for stt, count in ((1, 1), (2, 2), (3, 3), (4, 4))]

    assert ratios(*beds, line(5, BED)) == [100, 50, 33, 33, 100]


def test_service_of_another_kind_counts_whole() -> None:
    assert ratios(line(1, 1), line(2, 1)) == [100, 100]


def test_default_ratio_is_priced_kept_and_claimed() -> None:
    """100 000 and 30 000 in scope, 1.3 million with the laboratory: 80 % of them."""
    document = _document(line(1, CONSULTATION), line(2, CONSULTATION), line(3, 1, "1000000"))

    visit = read_visit(document)
    priced = price(visit, parameters=load_parameters(), policy=Policy())
    checked = read_claim_document(document, supplied=SuppliedFacts())

    assert [int(one.insured_amount) for one in priced.lines] == [100_000, 30_000, 1_000_000]
    assert [reason.rule for reason in priced.lines[1].reasons] == ["B-061", "B-010"]
    assert read_visit(write_visit(visit)) == visit
    assert read_visit(write_snapshot_visit(visit)).items == visit.items
    assert checked.claim.visit.items == visit.items


def test_facts_of_a_line_count_in_its_check() -> None:
    document = _document(line(1, BED, patients_in_bed=2, TYLE_TT_DV="100"))

    claim = read_claim_document(document, supplied=SuppliedFacts()).claim

    assert claim.facts.line(claim.visit.items[0].key).patients_in_bed == 2


@pytest.mark.parametrize(
    "supplied",
    [{"patients_in_bed": "many"}, {"number_at_desk": -1}, {"NGAY_TH_YL": "yesterday"}, {"NGUOI_THUC_HIEN": []}],
)
def test_fact_that_cannot_be_is_refused_by_name(supplied: dict[str, object]) -> None:
    with pytest.raises(InvalidValue) as refusal:
        read_visit(_document(line(1, BED, **supplied)))

    assert refusal.value.field == f"lines[0].{next(iter(supplied))}"

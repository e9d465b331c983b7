"""The example claim files: read without a finding, priced as they state, and written again byte for byte."""

import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from billing.coverage.domain.compare_stated import compare_with_stated
from billing.coverage.domain.parameters import load_parameters
from billing.coverage.domain.policy import Policy
from billing.coverage.domain.price import price
from billing.visits.domain.visit import Scope, Visit
from tests.visits.formats.xml130.parsing import only_visit

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = ("kham-ngoai-tru.xml", "ngoai-tru-dong-chi-tra.xml", "noi-tru.xml")


def example(name: str) -> Visit:
    return only_visit((EXAMPLES / name).read_bytes())


def test_examples_are_written_byte_for_byte_as_they_stand(tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(EXAMPLES / "make_examples.py"), str(tmp_path)], check=True, timeout=60)

    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(NAMES)
    for name in NAMES:
        assert (tmp_path / name).read_bytes() == (EXAMPLES / name).read_bytes()


@pytest.mark.parametrize(
    ("name", "patient", "total"),
    [
        ("kham-ngoai-tru.xml", 0, 213_888),  # 213,887.50, all of it the fund's
        ("ngoai-tru-dong-chi-tra.xml", 561_619, 1_279_363),  # 382,182.90 self-pay + 179,435.98 co-pay
        ("noi-tru.xml", 186_616, 3_732_313),  # 5 % of 3,732,313.42 line by line: 186,615.65
    ],
)
def test_examples_are_priced_as_they_state(name: str, patient: int, total: int) -> None:
    visit = example(name)

    priced = price(visit, parameters=load_parameters(), policy=Policy())

    assert (priced.shares.patient, priced.shares.total) == (patient, total)
    assert compare_with_stated(priced, file=name, hoso=1, ma_lk=visit.ma_lk) == ()


def test_first_example_stays_under_the_15_percent_line() -> None:
    visit = example("kham-ngoai-tru.xml")

    assert visit.stated is not None
    assert visit.stated.insured_amount is not None
    assert visit.stated.insured_amount < Decimal(379_500)
    assert {item.stated.level for item in visit.items if item.stated} == {Decimal(100)}


def test_second_example_has_a_ratio_drug_a_service_on_demand_and_a_drug_outside_the_lists() -> None:
    visit = example("ngoai-tru-dong-chi-tra.xml")

    assert [item.name for item in visit.items if item.payment_ratio == 50] == ["Citicolin"]
    assert [item.name for item in visit.items if item.hospital_price > item.insurance_price] == [
        "Khám Nội (theo yêu cầu)"
    ]
    assert [item.name for item in visit.items if item.scope is Scope.PATIENT] == ["Dầu cá (ngoài danh mục)"]


def test_third_example_is_a_stay_of_several_days_with_forty_lines_and_more() -> None:
    visit = example("noi-tru.xml")

    assert visit.care_kind == "03"
    assert visit.discharged_at is not None
    assert (visit.discharged_at.date() - visit.admitted_at.date()).days == 6
    assert len(visit.items) == 47
    assert {item.table.value for item in visit.items} == {"XML2", "XML3"}

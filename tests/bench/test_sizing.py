"""The sizing multiplies what was measured with what is assumed; results by hand, and a small real run."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.bench.sizing import Assumptions, _assumptions, report, size
from tests.bench.sizing_measure import Cost, Measured

ACTS = ("visit", "line", "payment", "statement_line", "pay_page", "desk_page")
MEASURED = Measured(
    costs={act: Cost(service_ms=10.0, postgres_ms=5.0) for act in ACTS},
    table_bytes={"visit": {"visit": 1024.0}, "payment": {"payment": 2048.0, "delivery_body": 4096.0}},
    rows={},
    wal_bytes={"visit": 1024.0, "payment": 1024.0},
    bytes_per_row={"visit": 500.0},
    service_mib=100.0,
)
# 100 visits of 10 lines and one payment each, all by transfer: 100 + 1,000 + 100 + 100 + 100 + 100 acts a day.
ASSUMED = Assumptions(
    outpatients_a_day=100, admissions_a_day=0, outpatient_lines=10, outpatient_payments=1, transfer_share=1,
    days_a_year=365, desk_pages_a_visit=1, pay_pages_a_payment=1, peak_share=0.36, load_max=0.5, years=10,
)  # fmt: skip


def test_cores_are_those_of_the_busiest_hour() -> None:
    needs = size(ASSUMED, MEASURED, hospitals=1)

    # 1,500 acts of 10 ms are 15 s, 36 % of them in 3,600 s: 0.0015 of a core, which may be half busy.
    assert needs.service_cores == pytest.approx(0.003)
    assert needs.postgres_cores == pytest.approx(0.0015)


def test_growth_ends_where_rows_are_erased() -> None:
    needs = size(ASSUMED, MEASURED, hospitals=2)

    assert needs.bytes_a_year == pytest.approx(
        {"visit": 200 * 365 * 1024, "payment": 200 * 365 * 2048, "delivery_body": 200 * 365 * 4096}
    )
    assert needs.bytes_kept["visit"] == pytest.approx(10 * needs.bytes_a_year["visit"])
    assert needs.bytes_kept["delivery_body"] == pytest.approx(needs.bytes_a_year["delivery_body"] * 400 / 365)
    assert needs.wal_mib_a_day == pytest.approx(400 * 1024 / (1 << 20))


def test_assumptions_are_parameters_and_an_unknown_one_is_refused() -> None:
    assert _assumptions(["years=3", "load_max=0.7"]) == replace(Assumptions(), years=3, load_max=0.7)
    with pytest.raises(SystemExit, match="beds is no assumption"):
        _assumptions(["beds=500"])
    with pytest.raises(SystemExit, match="years: 'ten' is no number"):
        _assumptions(["years=ten"])


def test_report_states_every_assumption() -> None:
    written = "\n".join(report(ASSUMED, MEASURED, 20))

    assert "| `outpatients_a_day` | 100 |" in written
    assert "| one hospital | 20 hospitals |" in written


@pytest.mark.slow
@pytest.mark.own_server
def test_a_small_run_measures_every_act(tmp_path: Path) -> None:
    costs = tmp_path / "costs.json"

    ran = subprocess.run(
        [sys.executable, "-m", "tests.bench.sizing", "--visits", "12", "--json", str(costs)],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip

    assert ran.returncode == 0, ran.stderr
    content = json.loads(costs.read_text("utf-8"))
    assert set(content["costs"]) == set(ACTS)
    assert content["rows"]["payment"]["payment"] == content["rows"]["statement_line"]["statement_line"] == 1
    assert content["rows"]["statement_line"]["match"] == 1
    assert content["rows"]["line"]["invoice_line"] == pytest.approx(1)
    assert content["rows"]["visit"]["invoice"] == 1
    assert content["service_mib"] > 10
    assert "| database after 10 years with retention, GiB |" in ran.stdout

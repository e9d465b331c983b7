"""The longer measurements work on small sizes: they end, report their results, and lose nothing."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.own_server, pytest.mark.slow]


def run(module: str, *arguments: str) -> dict[str, Any]:
    """The last line of a measurement."""
    ran = subprocess.run(
        [sys.executable, "-m", f"tests.bench.{module}", *arguments],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    result: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return result


def test_overload_is_answered_with_accepted_or_try_later_alone() -> None:
    result = run("overload", "--duration", "1.5", "--closed", "0.5", "--connections", "200")

    assert result["accepted"] > 0
    assert (result["unexpected"], result["lost"], result["doubled"], result["mismatches"]) == (0, 0, 0, 0)


def test_callbacks_are_acknowledged_while_anonymous_clients_flood() -> None:
    result = run("flood", "--rounds", "1", "--callbacks", "40", "--connections", "20", "--floods", "page,signature")

    assert all(result[kind]["accepted"] > 0 for kind in ("alone", "page", "signature"))
    assert all(result[kind]["other"] == 0 for kind in ("alone", "page", "signature"))
    assert result["page"]["flood"].keys() <= {"404", "429"}
    assert (result["lost"], result["doubled"], result["mismatches"]) == (0, 0, 0)


def test_callbacks_are_posted_on_top_of_a_history() -> None:
    result = run("flat", "--postings", "20000", "--rounds", "1", "--duration", "0.5")

    assert result["postings_long"] == 20_000
    assert result["short_per_s"] > 0
    assert result["long_per_s"] > 0


def test_price_is_compared_with_its_formulae_and_a_reprice_with_one_process() -> None:
    result = run("coverage", "--visits", "800", "--rounds", "1")

    assert set(result) >= {"ratio_to_straight_line", "replay_speedup", "replay_rss_mb"}
    assert all(value > 0 for value in result.values()), result
    assert result["replay_rss_mb"] < 300


def test_clearance_is_read_among_open_orders() -> None:
    result = run("clearance", "--orders", "3000", "--rounds", "1", "--duration", "1", "--rate", "50")

    assert result["open_orders"] == 3_000
    assert result["unexpected"] == 0
    assert min(result["p95_ms"], result["discharge_p95_ms"], result["per_s"], result["processor_ms_per_request"]) > 0


def test_processor_time_of_a_clearance_is_counted() -> None:
    result = run("clearance_cost", "--visits", "50", "--rounds", "1", "--requests", "100")

    assert result["unexpected"] == 0
    assert result["order_total_ms"] > 0
    assert result["discharge_total_ms"] > 0


def test_generated_month_is_imported_and_matched() -> None:
    result = run("reconcile", "--lines", "2000")

    assert (result["precision"], result["residual"]) == (1.0, 0)
    assert result["recall"] >= 0.995
    assert result["late_lines_matched"] == result["late_lines"] > 0
    assert min(result["import_s"], result["match_s"], result["ratio_import_to_copy"], result["ratio_match_to_join"]) > 0
    assert result["peak_rss_mb"] < 300


def test_pages_are_measured_and_the_payment_page_is_light() -> None:
    result = run("pages", "--invoices", "2000", "--visits", "200", "--requests", "2", "--scans", "2")

    assert result["unexpected"] == 0
    assert 0 < result["pay_page_kb"] <= 30
    assert min(result["p95_ms"], result["scan_to_qr_ms"], result["callback_to_page_ms"]) > 0


def test_open_pages_are_updated_and_connections_leave_no_memory_behind() -> None:
    result = run("live_pages", "--cashiers", "3", "--phones", "10", "--connections", "400")

    assert result["unexpected"] == {}
    assert min(result["one_to_page_ms"], result["one_to_desk_ms"], result["all_to_page_ms"]) > 0
    assert result["memory_ratio"] <= 1.1

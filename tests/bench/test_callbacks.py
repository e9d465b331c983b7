"""The measurement itself works: real processes, real signatures, nothing lost, and a last line a machine can read."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.own_server

_KEYS = {
    "callbacks_per_s",
    "p50_ms",
    "p99_ms",
    "ratio_to_baseline",
    "ratio_to_null_handler",
    "ratio_to_pgbench",
    "p99_ratio",
    "service_ms",
    "postgres_ms",
    "lost",
    "doubled",
}


def measure(*arguments: str) -> dict[str, Any]:
    """The last line of a short measurement of callbacks."""
    ran = subprocess.run(
        [sys.executable, "-m", "tests.bench.callbacks", "--quick", *arguments],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    result: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return result


@pytest.mark.short
def test_bench_of_our_service_alone_loses_and_doubles_nothing() -> None:
    result = measure("--only", "ours", "--closed", "0.3", "--open", "0.3")

    assert result["callbacks_per_s"] > 0
    assert (result["lost"], result["doubled"]) == (0, 0)


@pytest.mark.slow
def test_bench_of_callbacks_loses_and_doubles_nothing_and_tells_every_figure() -> None:
    result = measure("--closed", "0.4", "--open", "0.4")

    many, lone = result.pop("org100"), result.pop("lone")
    assert set(lone) == {"p50_ms", "service_ms", "postgres_ms", "round_trips", "ratio_to_pgbench"}
    assert lone["round_trips"] >= 2
    assert set(result) == set(many) == _KEYS
    values = {name: value for name, value in result.items() if name not in {"lost", "doubled"}}
    assert {name: value for name, value in values.items() if value is None or value <= 0} == {}
    assert (result["lost"], result["doubled"], many["lost"], many["doubled"]) == (0, 0, 0, 0)

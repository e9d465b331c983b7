"""The measurement itself works: real processes, real signatures, nothing lost, and a last line a machine can read."""

import json
import subprocess
import sys
from pathlib import Path

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
    "lost",
    "doubled",
}


def test_bench_of_callbacks_loses_and_doubles_nothing_and_tells_every_figure() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "tests.bench.callbacks", "--quick"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )

    assert ran.returncode == 0, ran.stderr
    result = json.loads(ran.stdout.splitlines()[-1])
    many = result.pop("org100")
    assert set(result) == set(many) == _KEYS
    assert all(value is not None and value > 0 for name, value in result.items() if name not in {"lost", "doubled"}), (
        result
    )
    assert (result["lost"], result["doubled"], many["lost"], many["doubled"]) == (0, 0, 0, 0)

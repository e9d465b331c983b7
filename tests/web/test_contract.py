"""The running service against its own document: schemathesis makes requests and checks every answer.

Bounded: few examples an operation. Whether every request of the right shape is accepted is not tested: ids that name
nothing and visits that cannot be priced have the right shape too. Callbacks are the providers' and are left out.
"""

import asyncio
import re
import sys
from pathlib import Path

import pytest

from tests.web.site import Site

EXAMPLES = 3
TIME_LIMIT_S = 120


@pytest.mark.slow  # test_openapi_examples.py compares each operation with the document in every run
async def test_schemathesis_finds_nothing(site: Site, tmp_path: Path) -> None:
    await site.open_intent()
    command = [
        sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()",
        "run", f"{site.address}/openapi.json",
        "--header", f"Authorization: {site.hospital.authorization['Authorization']}",
        "--phases", "examples,coverage,fuzzing", "--max-examples", str(EXAMPLES), "--seed", "1",
        "--exclude-checks", "positive_data_acceptance", "--exclude-path-regex", "^/callbacks/",
        "--generation-database", "none", "--no-color", "--max-time", "40",
    ]  # fmt: skip

    process = await asyncio.create_subprocess_exec(
        *command, cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), TIME_LIMIT_S)
    finally:
        if process.returncode is None:
            process.kill()

    report = output.decode()
    assert process.returncode == 0, report[-8000:]
    counted = re.search(r"(\d+) generated, (\d+) passed", report)
    assert counted is not None, report[-2000:]
    assert int(counted[2]) > 500

"""The running service against its own document: schemathesis makes requests and checks every answer.

Bounded: few examples an operation. Whether every request of the right shape is accepted is not tested: ids that name
nothing and visits that cannot be priced have the right shape too. Callbacks are the providers' and are left out,
and so is the path `assign`, which is also an `{id}`: OPTIONS advertises the methods of both.
"""

import asyncio
import re
import sys
from pathlib import Path

import pytest

from tests.web.site import Site

EXAMPLES = 3
TIME_LIMIT_S = 120

_CONFIGURATION = """
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 406, 409, 413, 415, 422, 428, 429, "5xx"]

[[operations]]
include-path-regex = "^/v1/(visits|quotes|claim|what)"
[operations.checks.negative_data_rejection]
enabled = false
"""
"""A list with more items than allowed is often too large a body as well (413). In a visit an empty text is a field that
is not stated."""


@pytest.mark.slow  # test_openapi_examples.py compares each operation with the document in every run
async def test_schemathesis_finds_nothing(site: Site, tmp_path: Path) -> None:
    await site.open_intent()
    (tmp_path / "schemathesis.toml").write_text(_CONFIGURATION)
    command = [
        sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()",
        "run", f"{site.address}/openapi.json",
        "--header", f"Authorization: {site.hospital.authorization['Authorization']}",
        "--phases", "examples,coverage,fuzzing", "--max-examples", str(EXAMPLES), "--seed", "1",
        "--exclude-checks", "positive_data_acceptance", "--exclude-path-regex", "^/callbacks/|^/v1/exceptions/assign$",
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

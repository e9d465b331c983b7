"""The reader of dropped files, killed by SIGKILL at random points of its run: every row once, no file left behind."""

import asyncio
import signal
import sys
from pathlib import Path
from random import Random

import pytest

from billing.core.actor import Actor
from billing.core.ids import OrganizationId
from billing.db.database import Database
from billing.payments.service.context import PaymentContext
from billing.visit_accounts.domain.message import Channel, Message, MessageKind
from billing.visit_accounts.service.visit_messages import put_visit
from tests.builders import FACILITY_CODE, DemoHospital, build_context
from tests.conftest import DatabaseAddress
from tests.ops.test_integration_folder import HEADER, json_of, names, row
from tests.rounds import long_rounds
from tests.web.live_visit import header

_ROOT = Path(__file__).parents[2]

READER = """
import asyncio, os, signal, sys
from pathlib import Path
from billing.db.database import Database
from billing.ops.integration_folder import FolderReader, IntegrationFolder
from tests.builders import FACILITY_CODE, build_context

calls = 0

def count(frame, event, argument):
    global calls
    if event in ("call", "return") and f"{os.sep}billing{os.sep}" in frame.f_code.co_filename:
        calls += 1
        if calls == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

async def main(url, path):
    database = await Database.open(url)
    folder = IntegrationFolder(organization_id=1, facility_code=FACILITY_CODE, path=Path(path))
    reader = FolderReader(build_context(database), [folder], quiet_s=0.0)
    sys.setprofile(count)
    await reader.run_once()
    await reader.run_once()
    sys.setprofile(None)
    print(calls)
    await database.close()

kill_at = int(sys.argv[3])
asyncio.run(main(sys.argv[1], sys.argv[2]))
"""
"""One run of the reader. It kills itself at the call or return number `kill_at` in our code; 0: never."""


async def _run(database: DatabaseAddress, path: Path, *, kill_at: int) -> int | None:
    """The calls and returns of a run that ended; None for a killed one."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", READER, database.app_url, str(path), str(kill_at)),
        cwd=_ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    if process.returncode == -signal.SIGKILL:
        return None
    assert process.returncode == 0, errors.decode()
    return int(output.split()[-1])


async def _drop(context: PaymentContext, hospital: DemoHospital, path: Path, ma_lk: str, *, is_wrong: bool) -> None:
    """Open a visit and drop a file of four rows about it: two lines, one of them twice, and one wrong or right line."""
    message = Message(
        channel=Channel.HTTP,
        kind=MessageKind.VISIT,
        facility_code=FACILITY_CODE,
        ma_lk=ma_lk,
        document=json_of(header()),
        received_at=context.clock(),
    )
    await put_visit(context, hospital.organization_id, message, actor=Actor.system())
    rows = [
        row("L1", ma_lk=ma_lk),
        row("L2", ma_lk=ma_lk, quantity="x" if is_wrong else "2"),
        row("L3", ma_lk=ma_lk, state="performed"),
        row("L1", ma_lk=ma_lk, version="2", state="started"),
    ]
    (path / f"{ma_lk}.csv").write_text(HEADER + "".join(rows), "utf-8")


@pytest.mark.parametrize(
    "rounds", [pytest.param(2, marks=pytest.mark.short), pytest.param(long_rounds(5), marks=pytest.mark.slow)]
)
async def test_kills_at_random_points_leave_every_row_once_and_every_file_done_or_failed(
    database: DatabaseAddress, app_database: Database, hospital: DemoHospital, tmp_path: Path, rounds: int
) -> None:
    context, random = build_context(app_database), Random(20261129)
    await _drop(context, hospital, tmp_path, "LK-0", is_wrong=False)
    calls = await _run(database, tmp_path, kill_at=0)
    assert calls is not None
    kills = 0

    for number in range(1, rounds + 1):
        is_wrong = number % 2 == 0
        await _drop(context, hospital, tmp_path, f"LK-{number}", is_wrong=is_wrong)
        points = [random.randint(1, calls), random.randint(1, calls)]
        for point in points:
            kills += await _run(database, tmp_path, kill_at=point) is None
        await _run(database, tmp_path, kill_at=0)

        assert await _charges(context, f"LK-{number}") == [
            ("L1", 2, "started"),
            *([] if is_wrong else [("L2", 1, "ordered")]),
            ("L3", 1, "performed"),
        ], points
        assert await _inbox(context, f"LK-{number}") == [
            ("L1", "accepted", ""),
            ("L1", "accepted", ""),
            ("L2", *(("rejected", "invalid_value") if is_wrong else ("accepted", ""))),
            ("L3", "accepted", ""),
        ], points

    assert kills >= rounds // 2, "most kills find work to do"
    async with context.database.transaction(hospital.organization_id) as tx:
        files = await tx.fetchval("SELECT count(*) FROM integration_message WHERE kind = 'file'")
    assert files == rounds + 1
    assert names(tmp_path / "done") == sorted(f"LK-{n}.csv" for n in range(rounds + 1) if n == 0 or n % 2)
    failed = [name for n in range(2, rounds + 1, 2) for name in (f"LK-{n}.csv", f"LK-{n}.errors.csv")]
    assert names(tmp_path / "failed") == sorted(failed)
    assert names(tmp_path / "working") == []
    left = sorted(each.name for each in tmp_path.iterdir())  # noqa: ASYNC240 - nothing else runs in this loop
    assert left == ["done", "failed", "working"]


async def _charges(context: PaymentContext, ma_lk: str) -> list[tuple[object, ...]]:
    async with context.database.transaction(OrganizationId(1)) as tx:
        rows = await tx.fetch(
            "SELECT line, charge_item.version, charge_item.state FROM charge_item"
            " JOIN visit_account USING (organization_id, visit_id) WHERE ma_lk = $1 ORDER BY line",
            ma_lk,
        )
    return [tuple(each) for each in rows]


async def _inbox(context: PaymentContext, ma_lk: str) -> list[tuple[object, ...]]:
    async with context.database.transaction(OrganizationId(1)) as tx:
        rows = await tx.fetch(
            "SELECT line, outcome, error_code FROM integration_message"
            " WHERE kind = 'charge' AND ma_lk = $1 ORDER BY line, sender_version",
            ma_lk,
        )
    return [tuple(each) for each in rows]

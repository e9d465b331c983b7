"""The primary's disk is lost: the backup is restored to a point in time, and what providers know is booked again."""

import asyncio
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

import httpx
import pytest
from aiohttp import web

from billing.core.actor import Actor
from billing.core.clock import VIETNAM, business_date
from billing.db.database import Database
from billing.db.migrator import migrate
from billing.devserver.embedded import APP_ROLE, SUPERUSER, EmbeddedPostgres
from billing.ledger.service.seal_rows import find_head_of_day, seal_once
from billing.ops.recovery import describe_steps, recover
from billing.payments.service.intake import Intake
from providers.sandbox.bank_simulator import BankSimulator, Behaviour
from tests.builders import ACCOUNT_NAME, DemoHospital, add_demo_hospital, build_context
from tests.cli.commands import call
from tests.closing import close_books
from tests.conftest import skip_by_name
from tests.database_server import _CLOCK_AHEAD
from tests.flow import OWED, PaymentFlow, assert_books_are_right
from tests.ops.backup_host import BackupHost, answers, execute, page_commands
from tests.worker.polling_flow import PollingFlow, bank_of, sandbox_with_queries, serve_queries
from tests.worker.webhook_env import ManualClock

pytestmark = pytest.mark.slow


@pytest.fixture
def host() -> Iterator[BackupHost]:
    """A primary and its backup host."""
    program = os.environ.get("BARMAN", shutil.which("barman"))
    if program is None or shutil.which("rsync") is None:
        skip_by_name("barman", "barman or rsync is not installed")
    with EmbeddedPostgres() as primary, tempfile.TemporaryDirectory(prefix="vienphi-barman-") as home:
        found = BackupHost(primary, Path(home), program)
        found.set_up()
        yield found
        found.stop_stream()


@pytest.fixture
def restored_folder() -> Iterator[Path]:
    """An empty folder that the server's user may enter, at a path short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="vienphi-new-") as folder:
        yield Path(folder)


@asynccontextmanager
async def opened(
    url: str, hospital: DemoHospital, bank: BankSimulator, clock: ManualClock
) -> AsyncIterator[PollingFlow]:
    """The hospital on a database, and the bank that answers queries about its own list of transfers."""
    made: list[PollingFlow] = []

    async def answer(request: web.Request) -> web.Response:
        return await made[0].answer(request)

    database = await Database.open(url)
    async with (
        serve_queries(answer) as query_url,
        httpx.AsyncClient(timeout=5.0, trust_env=False) as client,
    ):
        context = build_context(database, clock=clock, build_provider=sandbox_with_queries(client, query_url))
        account = await context.accounts.find(hospital.organization_id, ACCOUNT_NAME)
        assert account is not None
        async with Intake(context) as intake:
            flow = PaymentFlow(context, hospital, account)
            made.append(PollingFlow(flow=flow, bank=bank, clock=clock, intake=intake))
            yield made[0]
    await database.close()


async def pay(flow: PollingFlow, ma_lk: str) -> object:
    """A visit whose bill is paid by transfer; the callback is acknowledged. Returns the bank's message."""
    started = await flow.flow.start_intent(ma_lk)
    message = flow.bank.transfer(await flow.qr_of(started.intent_id), Behaviour.EXACT)
    assert await flow.call_back(message) == "accepted"
    return message


def test_lost_disk_is_restored_and_every_callback_that_the_provider_knows_is_booked_once(
    host: BackupHost, restored_folder: Path
) -> None:
    primary, clock = host.primary, ManualClock()
    asyncio.run(migrate(primary.owner_url))
    execute(primary.owner_url, _CLOCK_AHEAD, "SELECT 1")
    hospital = asyncio.run(add_demo_hospital(primary.owner_url, clock=clock))
    bank = bank_of(hospital, clock)
    url = {"VIENPHI_DATABASE_URL": primary.app_url}
    data = restored_folder / "data"

    async def before_backup() -> str:
        async with opened(primary.app_url, hospital, bank, clock) as flow:
            await pay(flow, "LK1")
            day = business_date(clock())
            clock.turn(days=1)
            await close_books(flow.context, hospital.organization_id, day, actor=Actor.system())
            await seal_once(flow.context, hospital.organization_id)
            head = await find_head_of_day(flow.context, hospital.organization_id, day)
            assert head is not None
            return f"{day}:{head.hash.hex()}"

    async def until_the_target() -> None:
        async with opened(primary.app_url, hospital, bank, clock) as flow:
            await pay(flow, "LK2")
            for name in ("LK3", "LK4"):  # their codes are shown; they are paid after the target
                codes.append(await flow.flow.start_intent(name))

    async def after_the_target() -> list[object]:
        async with opened(primary.app_url, hospital, bank, clock) as flow:
            messages = []
            for code in codes:
                message = bank.transfer(await flow.qr_of(code.intent_id), Behaviour.EXACT)
                assert await flow.call_back(message) == "accepted"
                messages.append(message)
            return [*messages, await pay(flow, "LK5")]

    async def recovered(restored_url: str, since: datetime) -> tuple[list[str], list[str], dict[str, int]]:
        async with opened(restored_url, hospital, bank, clock) as flow:
            before = len(await flow.rows("SELECT id FROM payment"))
            found = await recover(flow.context, hospital.organization_id, since=since)
            polled = len(await flow.rows("SELECT id FROM payment"))
            again = await recover(flow.context, hospital.organization_id, since=since)
            verdicts = [await flow.call_back(message) for message in messages]
            await assert_books_are_right(flow.context.database)
            rows = await flow.rows(
                "SELECT (SELECT count(*) FROM payment)::int AS payments,"
                " (SELECT sum(amount) FROM payment)::bigint AS amount,"
                " (SELECT count(*) FROM exception_case WHERE state = 'open')::int AS exceptions,"
                " (SELECT count(*) FROM intent WHERE state = 'succeeded')::int AS succeeded"
            )
            assert (before, polled, again.scheduled) == (2, 4, 0)
            return describe_steps(found, since), verdicts, rows[0]

    codes: list[object] = []
    anchor = asyncio.run(before_backup())
    host.back_up()
    asyncio.run(until_the_target())
    target = str(execute(primary.url(SUPERUSER), "SELECT clock_timestamp()"))
    since = clock().astimezone(VIETNAM)
    clock.turn(minutes=5)
    messages = asyncio.run(after_the_target())

    kill_a_drill(host, **url)
    checked = call("backup", "check", "--drill", "--anchor", anchor, **url, **host.settings)
    host.lose_disk()
    lost = call("backup", "check", "--drill", "--anchor", anchor, **url, **host.settings)
    restored = host.shell(page_commands("Restore to a point in time"), TARGET=target, DATA=str(data))
    assert restored.returncode == 0, restored.stdout + restored.stderr
    with host.restored(data) as address:
        host.wait("the restored server answers", lambda: answers(address(APP_ROLE)))
        steps, verdicts, books = asyncio.run(recovered(address(APP_ROLE), since))
        verified = call("ledger", "verify", "--anchor", anchor, VIENPHI_DATABASE_URL=address(APP_ROLE))

    # The check before: usable, and the drill restored everything up to the last callback.
    assert checked.exit_code == 0, checked.output
    assert "anchors compared: 1" in checked.output
    assert "the books hold" in checked.output
    assert checked.output.splitlines()[-1] == "the backup is usable"
    # The check after the loss still drills, and states that the primary is gone.
    assert lost.exit_code == 1
    assert "PROBLEM the primary does not answer" in lost.output
    assert re.search(r"drill: verified in .*: the books hold", lost.output), lost.output
    # LK3 and LK4 were booked by polls, LK5 was lost with its visit: its money waits for a person.
    assert verdicts == ["duplicate", "duplicate", "unknown_reference"]
    assert books == {"payments": 5, "amount": 5 * OWED, "exceptions": 1, "succeeded": 4}
    assert steps[0] == "polled providers about 2 of 2 intents"
    day = business_date(since).isoformat()
    assert f"import again: statements of bank account {hospital.settings.account_number} from {day}" in steps
    assert any(step.startswith(f"request redelivery: callbacks of {ACCOUNT_NAME} since {day}") for step in steps)
    assert verified.exit_code == 0, verified.output


def kill_a_drill(host: BackupHost, **environment: str) -> None:
    """Kill `vienphi backup check --drill` with -9 while its server runs: the server stops and its folder goes."""
    scratch = Path(host.settings["VIENPHI_BACKUP__SCRATCH"])
    before = set(scratch.glob("vienphi-drill-*"))
    drill = subprocess.Popen(
        [sys.executable, "-m", "billing", "backup", "check", "--drill"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={"PATH": os.environ["PATH"], **host.settings, **environment},
    )

    def running() -> set[Path]:
        return {
            each for each in set(scratch.glob("vienphi-drill-*")) - before if (each / "data/postmaster.pid").exists()
        }

    try:
        host.wait("the server of the drill runs", lambda: bool(running()))
    finally:
        drill.kill()
        drill.wait()
    host.wait("the folder of the drill is gone", lambda: set(scratch.glob("vienphi-drill-*")) <= before)

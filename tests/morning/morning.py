"""`make morning PATIENTS=500`: a simulated morning at the real pages, with its faults; then everything is compared.

Patients arrive at random over three hours, compressed; 70 % pay by QR, 20 % in cash, 10 % by card. Some pay short,
over, twice, late or with a mangled text; cashiers scan twice or open the wrong patient; paid lines are cancelled. They
work through the pages, as the browser would request them; visits come by the HIS's API, money by the bank simulator.
The last line is one JSON object; the exit status is 1 where a promise does not hold.
"""

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Any

import aiohttp
import httpx
from playwright.async_api import Browser as Chromium
from playwright.async_api import async_playwright

from billing.core.actor import Role
from billing.db.context import Ids, utc_now
from billing.db.database import Database
from billing.db.migrator import migrate
from billing.devserver.embedded import EmbeddedPostgres
from billing.notifications.service.webhooks import open_endpoint
from billing.organizations.service.passwords import Passwords
from billing.organizations.service.sign_in_accounts import NewAccount, SignInSetup
from providers.sandbox.bank_simulator import BankSimulator
from tests.browser.conftest import ARGUMENTS
from tests.builders import SANDBOX_SECRET, add_demo_hospital
from tests.conftest import CHROMIUM
from tests.morning.browser import Browser, Refused
from tests.morning.cashier import PIN, Cashier
from tests.morning.checks import find_wrongs, summarize, too_late
from tests.morning.chromium_desk import ChromiumDesk
from tests.morning.desk import Desk
from tests.morning.desk_shift import close_shift, open_shift
from tests.morning.hospital import Hospital, Place, listening_rooms
from tests.morning.office import Clerk, approve_refund, transfer_back
from tests.morning.payers import Payers
from tests.morning.plan import MORNING_S, Fault, Means, make_patients
from tests.morning.record import Record, Visited

_ROOT = Path(__file__).parents[2]
_PASSWORD = "mot-buoi-sang-2026"
_HOOK_SECRET = "whsec_YmkgbWF0IGN1YSBwaG9uZyBjaHVjIG5hbmc="
_START_TIMEOUT_S = 60.0
_QUIET_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How many patients come to how many desks, within how many seconds; `seed` decides everything that is random."""

    patients: int
    desks: int
    seconds: float
    seed: int

    @property
    def pace(self) -> float:
        """How many seconds of the morning pass in one second."""
        return MORNING_S / self.seconds


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it: the result, what does not hold, and whether the release took too long."""

    result: dict[str, Any]
    wrongs: Sequence[str]
    late: Sequence[str]


async def live_through(place: Place, record: Record, size: Size, chromium: Chromium | None = None) -> Outcome:
    """A morning at a running service whose hospital is set up; returns what came of it.

    With `chromium` the pages of the first desk are open in that browser.
    """
    async with AsyncExitStack() as stack:
        hospital = await stack.enter_async_context(Hospital(place))
        await _furnish(place, hospital, size.desks)
        line = await stack.enter_async_context(httpx.AsyncClient(timeout=60))
        callbacks = place.address + place.hospital.callback_path
        bank = BankSimulator(line, callbacks, place.hospital.settings, clock=utc_now, random=Random(size.seed))
        payers = Payers(bank, hospital, record, Random(size.seed + 1), size.pace)
        desks = [
            await stack.enter_async_context(
                (Desk if chromium is None or number > 1 else ChromiumDesk)(place.address, record, f"Quầy {number}")
            )
            for number in range(1, size.desks + 1)
        ]
        clerk = await stack.enter_async_context(Clerk(place.address, record))
        others = [await stack.enter_async_context(Browser(place.address, record)) for _ in range(2)]
        await _sign_in(desks, clerk, others, chromium)
        cashiers = [Cashier(desk, hospital, payers, bank, record) for desk in desks]
        began = perf_counter()
        await _serve(size, hospital, cashiers, payers, clerk, record)
        await _return_transfers(cashiers, others[0], (clerk, others[1]), record)
        for desk in desks:
            await desk.stop_listening()
            await close_shift(desk, PIN, record)
        elapsed = perf_counter() - began
        wrongs = [*record.wrongs, *await find_wrongs(place, hospital, bank, record)]
    return Outcome(summarize(record, size.patients, size.desks, elapsed), wrongs, too_late(record))


async def _furnish(place: Place, hospital: Hospital, desks: int) -> None:
    """Desks, a card terminal, cash rounded to what notes can pay, and a person with an account for each role."""
    code = place.hospital.facility_code
    for number in range(1, desks + 1):
        await hospital.send("POST", "/v1/desks", {"facility_code": code, "name": f"Quầy {number}"})
    cash = {"rounding_step": 1000, "hides_expected_cash": True}
    await hospital.send("PUT", f"/v1/facilities/{code}/cash-settings", cash)
    owner = await Database.open(place.owner_url)
    try:
        async with owner.transaction(place.hospital.organization_id) as tx:
            bank_account = await tx.fetchval("SELECT id FROM bank_account LIMIT 1")
        setup = SignInSetup(owner, utc_now, Ids(utc_now), Passwords(time_cost=1, memory_kib=64))
        people = [(f"thungan{number}", f"Thu ngân {number}", Role.CASHIER) for number in range(1, desks + 1)]
        people += [("truongca", "Nguyễn Thị Tâm", Role.HEAD_CASHIER)]
        people += [("taichinh", "Phạm Minh Đức", Role.FINANCE), ("taichinh2", "Bùi Thu Hà", Role.FINANCE)]
        for login_name, name, role in people:
            new = NewAccount(person_name=name, roles=[role], login_name=login_name, password=_PASSWORD, pin=PIN)
            await setup.add(place.hospital.organization_id, new)
    finally:
        await owner.close()
    terminal = {"facility_code": code, "name": "POS 1", "terminal_number": "T1", "bank_account_id": str(bank_account)}
    await hospital.send("POST", "/v1/card-terminals", terminal)


async def _sign_in(desks: Sequence[Desk], clerk: Clerk, others: Sequence[Browser], chromium: Chromium | None) -> None:
    for number, desk in enumerate(desks, 1):
        await desk.sign_in(f"thungan{number}", _PASSWORD, desk.name)
        await open_shift(desk)
        if chromium is not None and isinstance(desk, ChromiumDesk):
            await desk.show_in(chromium)
        await desk.open_desk()
        desk.listen()
    await clerk.sign_in("taichinh", _PASSWORD, "")
    await others[0].sign_in("truongca", _PASSWORD, "")
    await others[1].sign_in("taichinh2", _PASSWORD, "")


async def _serve(
    size: Size, hospital: Hospital, cashiers: Sequence[Cashier], payers: Payers, clerk: Clerk, record: Record
) -> None:
    """The patients arrive and are served; ends when every payer is done and no code waits at a desk."""
    queue: asyncio.Queue[Visited | None] = asyncio.Queue()

    async def arrive() -> None:
        began = perf_counter()
        for patient in make_patients(size.patients, size.seed):
            await asyncio.sleep(max(0.0, began + patient.arrives_s / size.pace - perf_counter()))
            visited = Visited(patient, await hospital.admit(patient))
            record.visits[patient.number] = visited
            queue.put_nowait(visited)
        for _ in cashiers:
            queue.put_nowait(None)

    async def work(cashier: Cashier) -> None:
        while (visited := await queue.get()) is not None:
            try:
                await cashier.serve(visited)
            except (Refused, LookupError) as error:
                record.wrongs.append(f"{visited.patient.ma_lk} ({visited.patient.fault}): {error}")

    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        finance = tasks.create_task(clerk.work(stop))
        async with asyncio.TaskGroup() as front:
            front.create_task(arrive())
            for cashier in cashiers:
                front.create_task(work(cashier))
        _print(f"every patient was at a desk, {len(record.wrongs)} wrongs")
        await payers.finish()
        stop.set()
        await finance
    _print(f"every transfer is made, {len(record.wrongs)} wrongs")
    await _quiet(cashiers, record)


async def _quiet(cashiers: Sequence[Cashier], record: Record) -> None:
    """Wait until the receipts of all money that has come are issued."""
    ends_at = perf_counter() + _QUIET_TIMEOUT_S
    for cashier in cashiers:
        while waiting := await cashier.waiting_codes():
            if perf_counter() > ends_at:
                record.wrongs.append(f"{cashier.desk.name}: still waiting: {waiting}")
                break
            await asyncio.sleep(0.3)


async def _return_transfers(
    cashiers: Sequence[Cashier], head: Browser, clerks: tuple[Browser, Browser], record: Record
) -> None:
    """The paid lines of patients who paid by QR and have left are cancelled; their money goes back by transfer."""
    for visited in record.visits.values():
        if visited.patient.fault is Fault.CANCELLED and visited.patient.means is Means.QR:
            cashier = next(each for each in cashiers if each.desk.name == visited.desk)
            address = await cashier.request_transfer_back(visited)
            await approve_refund(head, address)
            await transfer_back(*clerks, address, visited)


async def simulate(size: Size, chromium: Path | None = None) -> Outcome:
    """A morning at a service and a worker in processes of their own, on a PostgreSQL of its own.

    `chromium` is the program in which the pages of the first desk are open.
    """
    with EmbeddedPostgres() as server:
        await migrate(server.owner_url)
        hospital = await add_demo_hospital(server.owner_url)
        record = Record()
        async with listening_rooms(record) as rooms:
            await add_rooms(server.owner_url, hospital.organization_id, rooms)
            async with _programs(server) as address:
                place = Place(address=address, hospital=hospital, owner_url=server.owner_url, app_url=server.app_url)
                async with _opened(chromium) as browser:
                    return await live_through(place, record, size, browser)


@asynccontextmanager
async def _opened(program: Path | None) -> AsyncIterator[Chromium | None]:
    if program is None:
        yield None
        return
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield opened
        await opened.close()


async def add_rooms(owner_url: str, organization_id: Any, address: str) -> None:
    """Register the rooms' system for the messages about orders."""
    owner = await Database.open(owner_url)
    try:
        await open_endpoint(
            owner,
            organization_id,
            url=address,
            secret_names=["rooms"],
            topics=["charge.cleared", "charge.withdrawn"],
            allow_http=True,
            allow_private=True,
            secret_of=hook_secret,
            clock=utc_now,
        )
    finally:
        await owner.close()


def hook_secret(_name: str) -> str:
    """The secret that messages to the rooms are signed with."""
    return _HOOK_SECRET


@asynccontextmanager
async def _programs(server: EmbeddedPostgres) -> AsyncIterator[str]:
    """`vienphi serve` and `vienphi worker` as an operator starts them; yields the address of the service."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        "PATH": os.defpath,
        "VIENPHI_DATABASE_URL": server.app_url,
        "VIENPHI_PORT": str(port),
        "VIENPHI_SECRET_SANDBOX": SANDBOX_SECRET,
        "VIENPHI_SECRET_ROOMS": _HOOK_SECRET,
        "VIENPHI_WEBHOOKS__ALLOW_HTTP": "true",
        "VIENPHI_WEBHOOKS__ALLOW_PRIVATE": "true",
        "VIENPHI_PUBLIC_BASE_URL": f"http://127.0.0.1:{port}",
    }
    processes = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "billing", command),
            cwd=_ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for command in ("serve", "worker")
    ]
    try:
        await _answering(f"http://127.0.0.1:{port}")
        yield f"http://127.0.0.1:{port}"
    finally:
        for process in processes:
            if process.returncode is None:
                process.terminate()
        await asyncio.gather(*(process.wait() for process in processes))


async def _answering(address: str) -> None:
    async with asyncio.timeout(_START_TIMEOUT_S), aiohttp.ClientSession(address) as session:
        while True:
            try:
                async with session.get("/healthz") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                await asyncio.sleep(0.1)


def _print(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    """Read the size, live through the morning, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, default=500)
    parser.add_argument("--desks", type=int, default=6)
    parser.add_argument(
        "--seconds", type=float, default=600.0, help="the three hours are compressed to so many seconds"
    )
    parser.add_argument("--seed", type=int, default=20261130)
    parser.add_argument("--chromium", action="store_true", help="open the pages of the first desk in a real browser")
    given = parser.parse_args()
    size = Size(patients=given.patients, desks=given.desks, seconds=given.seconds, seed=given.seed)
    outcome = asyncio.run(simulate(size, CHROMIUM if given.chromium else None))
    wrongs = [*outcome.wrongs, *outcome.late]
    for wrong in wrongs:
        print(wrong, flush=True)
    print(json.dumps(outcome.result | {"wrongs": len(wrongs)}, ensure_ascii=False))
    return 1 if wrongs else 0


if __name__ == "__main__":
    sys.exit(main())

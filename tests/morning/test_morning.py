"""A short morning with every fault, in one process; `make morning` lives through a whole one."""

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest

from billing.app import open_service
from billing.notifications.service.webhooks import Dispatch
from billing.web.server import serving
from billing.worker.running import Intervals, run_worker
from billing.worker.sender import Sender, SenderLimits
from tests.builders import SANDBOX_SECRET, DemoHospital
from tests.conftest import DatabaseAddress
from tests.morning.hospital import Place, listening_rooms
from tests.morning.morning import Size, add_rooms, hook_secret, live_through, simulate
from tests.morning.plan import PERCENT, Fault, Means, make_patients
from tests.morning.record import Record

SHORT = Size(patients=24, desks=2, seconds=4, seed=20261130)


@asynccontextmanager
async def hosted(hospital: DemoHospital, database: DatabaseAddress) -> AsyncIterator[Place]:
    """The service with its worker in this process, as `vienphi run` has them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address, stop = f"http://127.0.0.1:{port}", asyncio.Event()
    async with (
        open_service(database.app_url, public_base_url=address, secret_of=lambda _: SANDBOX_SECRET) as service,
        serving(service.application, port=port),
    ):
        sender = Sender(SenderLimits(allow_http=True, allow_private=True))
        worker = asyncio.create_task(
            run_worker(
                service.context,
                dispatch=Dispatch(send=sender.send, secret_of=hook_secret, random=Random(1)),
                intervals=Intervals(),
                stop=stop,
                listen=service.listen,
                random=Random(1),
            )
        )
        try:
            yield Place(address=address, hospital=hospital, owner_url=database.owner_url, app_url=database.app_url)
        finally:
            stop.set()
            await worker


@pytest.mark.new_database
async def test_short_morning_ends_with_every_dong_in_its_place(
    hospital: DemoHospital, database: DatabaseAddress
) -> None:
    record = Record()
    async with listening_rooms(record) as rooms:
        await add_rooms(database.owner_url, hospital.organization_id, rooms)
        async with hosted(hospital, database) as place:
            outcome = await live_through(place, record, SHORT)

    assert outcome.wrongs == []
    assert outcome.result["shift_difference"] == 0
    assert outcome.result["payments"] > SHORT.patients
    assert outcome.result["found_by_staff"] == 1
    assert outcome.result["message_to_rooms_ms"]["n"] > 0


@pytest.mark.slow
@pytest.mark.own_server
async def test_morning_at_processes_of_their_own_with_a_desk_in_a_browser(require: Callable[[str], Path]) -> None:
    outcome = await simulate(Size(patients=48, desks=3, seconds=40, seed=7), require("chromium"))

    assert outcome.wrongs == []


def test_plan_has_the_shares_and_every_fault() -> None:
    patients = make_patients(500, seed=1)

    assert [sum(each.means is means for each in patients) for means in Means] == [350, 100, 50]
    for fault, percent in PERCENT.items():
        assert sum(each.fault is fault for each in patients) == percent * 5, fault
    wrong = Counter(each.means for each in patients if each.fault in (Fault.WRONG_PATIENT, Fault.CANCELLED))
    assert set(wrong) == {Means.QR, Means.CASH}
    assert {each.fault for each in make_patients(24, seed=1)} == set(Fault)
    assert make_patients(50, seed=1) == make_patients(50, seed=1)

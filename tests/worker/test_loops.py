"""Loops survive failures of their work, and a receiver that hangs delays no other."""

import asyncio
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from billing.core.errors import Unavailable
from billing.core.ids import OrganizationId
from billing.db.context import utc_now
from billing.db.idempotency_keys import KeyRow, add_key
from billing.notifications.service.change_notifier import Listener
from billing.ops.integration_folder import IntegrationFolder
from billing.ops.retention import Retention
from billing.visit_accounts.service import clearance_updates
from billing.worker import running
from billing.worker.dispatcher import Dispatcher
from billing.worker.loops import Loop, Loops, TickResult, for_each_organization
from billing.worker.running import Intervals, run_worker
from billing.worker.sender import SenderLimits
from tests.builders import FACILITY_CODE, add_demo_hospital
from tests.visit_accounts.open_visits import open_visit
from tests.worker.receiver import Receiver, receiving
from tests.worker.webhook_env import WebhookEnvironment


async def until(condition: Any, *, within_s: float = 10) -> None:
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.02)


async def test_loop_goes_on_after_a_failure_and_the_others_never_notice() -> None:
    rounds = {"bad": 0, "good": 0}

    async def bad() -> TickResult:
        rounds["bad"] += 1
        if rounds["bad"] < 3:
            raise Unavailable("not now")
        return TickResult(1)

    async def good() -> TickResult:
        rounds["good"] += 1
        return TickResult(1)

    loops = Loops(loops=[Loop("bad", 0.01, bad), Loop("good", 0.01, good)], clock=utc_now, random=Random(1))
    running = asyncio.create_task(loops.run(grace_s=1))
    await until(lambda: rounds["bad"] >= 4 and rounds["good"] >= 4)
    loops.stop.set()
    await asyncio.wait_for(running, 2)

    assert loops.loops[0].failures == 0
    assert loops.loops[0].done >= 2


def test_loop_that_failed_is_tried_again_before_its_own_pace() -> None:
    rare, often = Loop("maintenance", 21_600, lambda: None), Loop("dispatch", 1, lambda: None)  # type: ignore[arg-type,return-value]
    pauses = []
    for failures in (0, 1, 2, 13, 14, 5_000):
        rare.failures = often.failures = failures
        pauses.append((rare.pause_s, often.pause_s))

    assert pauses == [(21_600, 1), (5, 1), (10, 1), (20_480, 1), (21_600, 1), (21_600, 1)]


async def test_loop_that_dies_is_started_again_counted_and_named() -> None:
    """Not by an error of its work, which it survives, but by one outside: here by a cancellation that leaked in."""
    rounds = 0

    async def leaking() -> TickResult:
        nonlocal rounds
        rounds += 1
        if rounds == 1:
            raise asyncio.CancelledError
        return TickResult(1)

    loops = Loops(loops=[Loop("seal", 0.01, leaking)], clock=utc_now, random=Random(1))
    running = asyncio.create_task(loops.run(grace_s=1))
    await until(lambda: rounds == 1)
    await until(lambda: loops.background.down() == ["loop_seal"])
    await until(lambda: rounds >= 3)
    loops.stop.set()
    await asyncio.wait_for(running, 2)

    assert loops.background.restarts() == {"loop_seal": 1}
    assert loops.background.down() == []


async def test_work_that_does_not_end_is_cancelled_after_its_grace() -> None:
    async def endless() -> TickResult:
        await asyncio.sleep(3600)
        return TickResult(0)

    loops = Loops(loops=[Loop("endless", 1, endless)], clock=utc_now, random=Random(1))
    loops.stop.set()

    await asyncio.wait_for(loops.run(grace_s=0.1), 2)


async def test_organization_that_fails_keeps_no_other_from_being_served(webhook_env: WebhookEnvironment) -> None:
    await add_demo_hospital(webhook_env.owner_url, organization=2, facility_code="01002")
    served: list[OrganizationId] = []

    async def work(organization_id: OrganizationId) -> int:
        if organization_id == 1:
            raise Unavailable("not now")
        served.append(organization_id)
        return 5

    assert await for_each_organization(webhook_env.context, "work", work)() == TickResult(5, 1)
    assert served == [2]


async def test_message_that_comes_during_a_delivery_is_sent_after_it_without_another_round(
    webhook_env: WebhookEnvironment,
) -> None:
    async with receiving(Receiver(wait=asyncio.Event())) as receiver:
        assert receiver.wait is not None
        await webhook_env.endpoint(receiver.url)
        await webhook_env.message(version=1)
        dispatcher = Dispatcher(webhook_env.context, webhook_env.dispatch())

        await dispatcher.run_once(webhook_env.organization_id)
        await until(lambda: len(receiver.taken) == 1)
        await webhook_env.message(version=2)
        await dispatcher.run_once(webhook_env.organization_id)
        receiver.wait.set()
        await until(lambda: len(receiver.taken) == 2)

        await dispatcher.stop(grace_s=5)


async def test_receiver_that_hangs_delays_nobody_else(webhook_env: WebhookEnvironment) -> None:
    webhook_env.limits = SenderLimits(allow_private=True, allow_http=True, timeout_s=60)
    async with receiving(Receiver(hang=True)) as hanging, receiving(Receiver()) as quick:
        await webhook_env.endpoint(hanging.url)
        await webhook_env.endpoint(quick.url)
        for version in range(30):
            await webhook_env.message(version=version)
        dispatcher = Dispatcher(webhook_env.context, webhook_env.dispatch())

        await dispatcher.run_once(webhook_env.organization_id)
        await until(lambda: len(quick.taken) == 30, within_s=25)
        await webhook_env.message(version=31)
        await dispatcher.run_once(webhook_env.organization_id)
        await until(lambda: len(quick.taken) == 31, within_s=25)

        assert len(hanging.taken) == 4, "a few at once, no more, and the first of them have not timed out yet"
        await dispatcher.stop(grace_s=0.1)


async def test_worker_does_the_work_of_a_day_and_stops_on_request(
    webhook_env: WebhookEnvironment, tmp_path: Path
) -> None:
    stop = asyncio.Event()
    intervals = Intervals(
        poll_s=0.1, expire_s=0.1, dispatch_s=0.1, seal_s=0.1, snapshot_s=0.1, health_s=0.1, folder_s=0.1
    )
    folder = IntegrationFolder(organization_id=webhook_env.organization_id, facility_code=FACILITY_CODE, path=tmp_path)

    async with receiving(Receiver()) as receiver:
        await webhook_env.endpoint(receiver.url)
        await webhook_env.message(version=1)
        running = asyncio.create_task(
            run_worker(
                webhook_env.context,
                dispatch=webhook_env.dispatch(),
                intervals=intervals,
                stop=stop,
                random=Random(1),
                folders=[folder],
            )
        )
        await until(lambda: receiver.taken)
        await until((tmp_path / "working").is_dir)
        webhook_env.clock.turn(seconds=1)
        stop.set()
        await asyncio.wait_for(running, 15)

    (row,) = await webhook_env.rows()
    assert row["state"] == "delivered"


async def test_health_names_the_loop_that_fails(capsys: pytest.CaptureFixture[str]) -> None:
    now = utc_now()
    loops = Loops(
        loops=[
            Loop("poll", 1, lambda: None, last_success_at=now - timedelta(seconds=5)),
            Loop("seal", 1, lambda: None),
        ],  # type: ignore[arg-type,return-value]
        clock=lambda: now,
        random=Random(1),
    )

    loops.log_health()
    loops.loops[1].failures = 2
    loops.log_health()

    well, unwell = capsys.readouterr().out.splitlines()
    assert "worker_healthy" in well
    assert "'last_success_age_s': 5" in well
    assert "worker_degraded" in unwell
    assert "'failures': 2" in unwell


async def test_worker_erases_what_is_past_its_retention(webhook_env: WebhookEnvironment) -> None:
    async with webhook_env.context.database.transaction(webhook_env.organization_id) as tx:
        await add_key(
            tx,
            KeyRow(bytes(32), is_new=True, subjects=(webhook_env.context.ids.new(),)),
            caller="his",
            route="r",
            key="old",
            recorded_at=webhook_env.clock() - timedelta(days=4),
        )

    async def is_kept() -> bool:
        async with webhook_env.context.database.transaction(webhook_env.organization_id) as tx:
            return await tx.fetchval("SELECT EXISTS (SELECT FROM idempotency_key)") is True

    stop = asyncio.Event()
    worker = asyncio.create_task(
        run_worker(
            webhook_env.context,
            dispatch=webhook_env.dispatch(),
            intervals=Intervals(),
            stop=stop,
            random=Random(1),
            retention=Retention(idempotency_days=3),
        )
    )
    async with asyncio.timeout(20):
        while await is_kept():
            await asyncio.sleep(0.05)
    stop.set()
    await asyncio.wait_for(worker, 15)


async def test_worker_sends_what_a_callback_cleared_at_once_after_the_change(webhook_env: WebhookEnvironment) -> None:
    """The rounds of this worker are an hour apart."""
    visit = await open_visit(webhook_env.context, "LK1")
    await visit.add(patient=100_000)
    listeners: list[Listener] = []
    stop = asyncio.Event()

    async with receiving(Receiver()) as receiver:
        await webhook_env.endpoint(receiver.url)
        await webhook_env.message(version=1)
        worker = asyncio.create_task(
            run_worker(
                webhook_env.context,
                dispatch=webhook_env.dispatch(),
                intervals=Intervals(clearance_s=3600, dispatch_s=3600),
                stop=stop,
                random=Random(1),
                listen=listeners.append,
            )
        )
        await until(lambda: receiver.taken)
        receiver.taken.clear()
        await visit.receive(100_000)
        await visit.execute("UPDATE deposit SET version = version + 1 WHERE visit_id = $1", visit.id)
        for listener in listeners:
            listener([webhook_env.organization_id])
        await until(lambda: any(b"charge.cleared" in body for _, body in receiver.taken))
        stop.set()
        await asyncio.wait_for(worker, 15)


async def test_worker_clears_more_visits_than_a_round_updates_at_once(
    webhook_env: WebhookEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    visits = [await open_visit(webhook_env.context, f"LK{number}") for number in range(3)]
    for visit in visits:
        await visit.add(patient=100_000)
        await visit.receive(100_000)
        await visit.execute("UPDATE deposit SET version = version + 1 WHERE visit_id = $1", visit.id)
    for module in (running, clearance_updates):
        monkeypatch.setattr(module, "UPDATED_MAX", 1)

    stop = asyncio.Event()
    worker = asyncio.create_task(
        run_worker(
            webhook_env.context,
            dispatch=webhook_env.dispatch(),
            intervals=Intervals(clearance_s=3600),
            stop=stop,
            random=Random(1),
        )
    )
    async with asyncio.timeout(20):
        while await visits[0].value("SELECT EXISTS (SELECT FROM charge_item WHERE state = 'ordered')"):
            await asyncio.sleep(0.05)
    stop.set()
    await asyncio.wait_for(worker, 15)

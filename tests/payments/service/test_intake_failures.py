"""Intake queues under faults: a writer that ends, a fault of no delivery, a delivery that waits too long."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from billing.core.errors import Unavailable
from billing.core.ids import OrganizationId
from billing.db import background as background_module
from billing.db.database import Transaction
from billing.payments.service import intake as intake_module
from billing.payments.service.apply_notices import apply_deliveries
from billing.payments.service.context import PaymentContext
from billing.payments.service.intake import Intake, IntakeLimits, QueueFull
from billing.payments.service.payment_events import Delivery
from providers.contract import Verdict
from tests.flow import PaymentFlow, apply_in_batches, assert_books_are_right


@dataclass(frozen=True, slots=True)
class _Stalled:
    """A batch that is applied only once `go_on` is set; `begun` is set when it waits."""

    begun: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def apply(self, tx: Transaction, deliveries: Sequence[Delivery], context: PaymentContext) -> object:
        self.begun.set()
        await self.go_on.wait()
        return await apply_deliveries(tx, deliveries, context)


@pytest.mark.parametrize("death", [RuntimeError("hidden"), asyncio.CancelledError()], ids=["error", "cancelled"])
async def test_writer_that_dies_leaves_nobody_waiting_and_is_started_again(
    flow: PaymentFlow, monkeypatch: pytest.MonkeyPatch, death: BaseException
) -> None:
    started = await flow.start_intent()
    background = flow.context.background
    monkeypatch.setattr(background_module, "PAUSE_S", 3600.0)

    def die(*_: object) -> None:
        raise death

    async with Intake(flow.context, IntakeLimits(queues=1)) as intake:
        with monkeypatch.context() as patched:
            patched.setattr(intake_module._IntakeQueue, "_apply", die)
            answers = await asyncio.gather(
                *(intake.submit(flow.delivery(flow.notice(f"T{number}", started.code))) for number in range(3)),
                return_exceptions=True,
            )
            assert intake.is_full(flow.hospital.organization_id)
            assert background.down() == ["queue_0"]
            with pytest.raises(QueueFull):
                await intake.submit(flow.delivery(flow.notice("T9", started.code)))
        background._tasks["queue_0"]._start()  # the pause is over
        answer = await intake.submit(flow.delivery(flow.notice("T0", started.code)))

    assert [type(answer) for answer in answers] == [Unavailable] * 3
    assert answer.verdict is Verdict.ACCEPTED
    assert (background.down(), background.restarts()) == ([], {"queue_0": 1})
    await assert_books_are_right(flow.context.database)


async def test_writer_is_not_started_again_once_the_intake_has_ended(flow: PaymentFlow) -> None:
    async with Intake(flow.context, IntakeLimits(queues=2)):
        pass

    assert (flow.context.background.down(), flow.context.background.restarts()) == ([], {})


async def test_fault_of_one_delivery_that_is_no_sql_error_takes_no_other_with_it(
    flow: PaymentFlow, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = await flow.start_intent()

    async def stumble(tx: Transaction, deliveries: list[object], context: object) -> object:
        if any("T3:" in notice.event_key for one in deliveries for notice in one.notices):  # type: ignore[attr-defined]
            raise KeyError("T3")
        return await apply_deliveries(tx, deliveries, context)  # type: ignore[arg-type]

    apply_in_batches(monkeypatch, stumble)
    async with Intake(flow.context, IntakeLimits(queues=1)) as intake:
        answers = await asyncio.gather(
            *(
                intake.submit(flow.delivery(flow.notice(f"T{number}", started.code, amount=1_000)))
                for number in range(6)
            ),
            return_exceptions=True,
        )

    assert [isinstance(answer, Unavailable) for answer in answers] == [False, False, False, True, False, False]
    await assert_books_are_right(flow.context.database)


async def test_queue_whose_oldest_delivery_waits_too_long_refuses_the_next(
    flow: PaymentFlow, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = await flow.start_intent()
    stalled = _Stalled()
    apply_in_batches(monkeypatch, stalled.apply)
    async with Intake(flow.context, IntakeLimits(queues=1, batch_max=1, wait_max_ms=30)) as intake:
        first = asyncio.create_task(intake.submit(flow.delivery(flow.notice("T1", started.code, amount=1_000))))
        await stalled.begun.wait()
        second = asyncio.create_task(intake.submit(flow.delivery(flow.notice("T2", started.code, amount=1_000))))
        await asyncio.sleep(0.06)
        assert intake.is_full(flow.hospital.organization_id)
        with pytest.raises(QueueFull):
            await intake.submit(flow.delivery(flow.notice("T3", started.code, amount=1_000)))
        stalled.go_on.set()
        await asyncio.gather(first, second)
        assert not intake.is_full(flow.hospital.organization_id)


async def test_stalled_commit_refuses_nobody_while_one_batch_takes_all_that_wait(
    flow: PaymentFlow, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = await flow.start_intent()
    stalled = _Stalled()

    async def send(intake: Intake, name: str) -> object:
        return await intake.submit(flow.delivery(flow.notice(name, started.code, amount=1_000)))

    apply_in_batches(monkeypatch, stalled.apply)
    async with Intake(flow.context, IntakeLimits(queues=1, batch_max=3, wait_max_ms=30)) as intake:
        sent = [asyncio.create_task(send(intake, "T1"))]
        await stalled.begun.wait()
        sent.append(asyncio.create_task(send(intake, "T2")))
        await asyncio.sleep(0.06)
        sent.append(asyncio.create_task(send(intake, "T3")))
        await asyncio.sleep(0)
        assert not intake.is_full(flow.hospital.organization_id)
        await asyncio.sleep(0.6)
        assert intake.is_full(flow.hospital.organization_id), "the stall lasts"
        stalled.go_on.set()
        await asyncio.gather(*sent)
        assert not intake.is_full(flow.hospital.organization_id)


async def test_organization_whose_deliveries_pile_up_has_no_other_of_its_queue_refused(
    flow: PaymentFlow, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = await flow.start_intent()
    stalled = _Stalled()
    apply_in_batches(monkeypatch, stalled.apply)
    async with Intake(flow.context, IntakeLimits(queues=1, batch_max=1, wait_max_ms=30)) as intake:
        first = asyncio.create_task(intake.submit(flow.delivery(flow.notice("T1", started.code, amount=1_000))))
        await stalled.begun.wait()
        second = asyncio.create_task(intake.submit(flow.delivery(flow.notice("T2", started.code, amount=1_000))))
        await asyncio.sleep(0.06)

        is_full = [intake.is_full(OrganizationId(flow.hospital.organization_id + more)) for more in (0, 1)]

        stalled.go_on.set()
        await asyncio.gather(first, second)
    assert is_full == [True, False]

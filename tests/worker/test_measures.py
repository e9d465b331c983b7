"""Measures of the installation: queues, money and seals of every organization, summed without their names."""

from datetime import UTC, datetime, timedelta

import pytest

from billing.db.database import Transaction
from billing.ledger.service.balances import snapshot_once
from billing.ledger.service.seal_rows import seal_once
from billing.ops import measures
from billing.ops.measure_rows import BackupCheck, OrganizationQueues, ReplicationSlot, record_backup_check
from billing.worker.loops import Loop, TickResult
from billing.worker.measuring import Measuring
from billing.worker.metrics import WorkerMetrics
from tests.builders import add_demo_hospital
from tests.conftest import DatabaseAddress
from tests.worker.polling_flow import PollingFlow


def metrics_of(flow: PollingFlow) -> WorkerMetrics:
    return WorkerMetrics(flow.clock, provider_calls=dict, log_lines_lost=int)


async def measured(flow: PollingFlow) -> measures.Measures:
    metrics = metrics_of(flow)
    await Measuring(flow.context, metrics).run_once()
    assert metrics.measures is not None
    return metrics.measures


async def test_money_without_a_code_and_open_intents_are_measured(polling_flow: PollingFlow) -> None:
    flow, organization_id = polling_flow.flow, polling_flow.hospital.organization_id
    before = await measured(polling_flow)
    await flow.start_intent()
    await flow.deliver(flow.notice("T1", "no code", amount=70_000))
    await flow.deliver(flow.notice("T2", "no code either", amount=5_000))
    await snapshot_once(flow.context, organization_id)
    await flow.deliver(flow.notice("T3", "after the snapshot", amount=300))
    polling_flow.clock.turn(minutes=20)

    found = await measured(polling_flow)

    assert (before.exceptions_open, before.unallocated_dong, before.intent_age_s) == (0, 0, 0)
    assert (found.exceptions_open, found.exceptions_overdue, found.unallocated_dong) == (3, 0, 75_300)
    assert found.exception_age_s == found.intent_age_s == 20 * 60
    assert (found.organizations, found.failed) == (1, 0)


async def test_exception_past_its_due_time_is_overdue(polling_flow: PollingFlow) -> None:
    flow = polling_flow.flow
    await flow.deliver(flow.notice("T1", "no code"))
    polling_flow.clock.turn(minutes=60 * 24 * 6)

    assert (await measured(polling_flow)).exceptions_overdue == 1


async def test_rows_without_a_seal_age_until_they_are_sealed(polling_flow: PollingFlow) -> None:
    await polling_flow.flow.start_intent()
    polling_flow.clock.turn(minutes=15)

    waiting = await measured(polling_flow)
    await seal_once(polling_flow.context, polling_flow.hospital.organization_id)
    sealed = await measured(polling_flow)

    assert (waiting.unsealed_age_s >= 15 * 60, sealed.unsealed_age_s) == (True, 0)


async def test_organizations_are_summed_and_one_that_fails_does_not_stop_the_others(
    polling_flow: PollingFlow, database: DatabaseAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = polling_flow.flow
    other = await add_demo_hospital(database.owner_url, organization=2, facility_code="79002")
    await flow.deliver(flow.notice("T1", "no code", amount=70_000))
    read = measures.read_queues

    async def fail_for_other(tx: Transaction, now: datetime) -> OrganizationQueues:
        if tx.organization_id == other.organization_id:
            raise RuntimeError("unreadable")
        return await read(tx, now)

    both = await measured(polling_flow)
    monkeypatch.setattr(measures, "read_queues", fail_for_other)
    one = await measured(polling_flow)

    assert (both.organizations, both.failed, both.unallocated_dong) == (2, 0, 70_000)
    assert (one.organizations, one.failed, one.unallocated_dong) == (1, 1, 70_000)


async def test_age_of_the_backup_grows_where_no_check_runs(polling_flow: PollingFlow) -> None:
    now = polling_flow.clock()
    complete = BackupCheck(
        server="vienphi", checked_at=now, problems=0, backup_ended_at=now - timedelta(hours=3), drilled_at=now
    )
    failed = BackupCheck(server="vienphi", checked_at=now, problems=2, backup_ended_at=None, drilled_at=None)
    metrics = metrics_of(polling_flow)
    metrics.observe([], dict)
    async with polling_flow.context.database.system_transaction(writing=True) as reader:
        await record_backup_check(reader, complete)
        await record_backup_check(reader, failed)

    await Measuring(polling_flow.context, metrics).run_once()
    polling_flow.clock.turn(minutes=60)
    text = metrics.write().decode()

    assert 'vienphi_backup_age_seconds{server="vienphi"} 14400.0' in text
    assert 'vienphi_backup_drill_age_seconds{server="vienphi"} 3600.0' in text
    assert 'vienphi_backup_problems{server="vienphi"} 2.0' in text


def test_checks_of_the_same_name_in_several_cells_are_one_with_the_worst_state() -> None:
    """The check that ran last found a problem and an older backup."""
    at = datetime(2026, 3, 2, tzinfo=UTC)
    hour = timedelta(hours=1)
    good = BackupCheck(server="vienphi", checked_at=at, problems=0, backup_ended_at=at, drilled_at=at)
    bad = BackupCheck(
        server="vienphi", checked_at=at + hour, problems=2, backup_ended_at=at - 90 * hour, drilled_at=None
    )

    assert measures._worst_checks([good, bad]) == [
        BackupCheck(server="vienphi", checked_at=at, problems=2, backup_ended_at=at - 90 * hour, drilled_at=None)
    ]


async def test_cell_whose_backups_were_never_checked_is_counted(polling_flow: PollingFlow) -> None:
    """Another cell's check does not stand for it."""
    assert (await measured(polling_flow)).cells_unchecked == 1
    now = polling_flow.clock()
    check = BackupCheck(server="vienphi", checked_at=now, problems=0, backup_ended_at=now, drilled_at=now)
    async with polling_flow.context.database.system_transaction(writing=True) as reader:
        await record_backup_check(reader, check)

    assert (await measured(polling_flow)).cells_unchecked == 0


async def test_loop_whose_first_run_never_ends_has_an_age(polling_flow: PollingFlow) -> None:
    async def hang() -> TickResult:
        raise AssertionError("it is not run here")

    metrics = metrics_of(polling_flow)
    metrics.observe([Loop("seal", 5.0, hang)], dict)
    polling_flow.clock.turn(minutes=20)

    assert 'vienphi_worker_success_age_seconds{loop="seal"} 1200.0' in metrics.write().decode()


def test_slots_of_the_same_name_in_several_cells_are_one_with_the_worst_state() -> None:
    slots = [
        ReplicationSlot(name="barman", is_active=True, lag_bytes=10),
        ReplicationSlot(name="barman", is_active=False, lag_bytes=None),
        ReplicationSlot(name="standby", is_active=True, lag_bytes=5),
        ReplicationSlot(name="barman", is_active=True, lag_bytes=70),
    ]

    assert measures._worst_slots(slots) == [
        ReplicationSlot(name="barman", is_active=False, lag_bytes=70),
        ReplicationSlot(name="standby", is_active=True, lag_bytes=5),
    ]

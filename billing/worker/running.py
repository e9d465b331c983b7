"""The worker: its loops and their intervals."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from random import Random

import structlog

from billing.checkout.service.expire import EXPIRED_MAX, expire_once
from billing.core.ids import OrganizationId
from billing.ledger.service.balances import snapshot_once
from billing.ledger.service.seal_rows import seal_once
from billing.notifications.service.change_notifier import Listener
from billing.notifications.service.webhooks import Dispatch, purge_once
from billing.ops.erasure import erase_once
from billing.ops.integration_folder import FolderReader, IntegrationFolder
from billing.ops.maintenance import make_partitions_once
from billing.ops.retention import Retention
from billing.payments.service.context import PaymentContext
from billing.payments.service.feeds import poll_feed
from billing.payments.service.match_outflows import match_outflows_once
from billing.payments.service.polls import poll_due_payments
from billing.payments.service.provider_refunds import run_due_refunds
from billing.reconciliation.service.find_exceptions import ExceptionRounds
from billing.reconciliation.service.manual_confirmations import ENDED_MAX, end_confirmations_once
from billing.reconciliation.service.match_lines import match_arrived_lines
from billing.reconciliation.service.surplus_returns import KEPT_MAX, keep_lapsed_once
from billing.visit_accounts.service.clearance_updates import UPDATED_MAX, update_clearances_once
from billing.visit_accounts.service.guarantees import expire_guarantees_once
from billing.worker.dispatcher import Dispatcher
from billing.worker.follower import Follower
from billing.worker.http import WorkerAddress, serving_metrics
from billing.worker.loops import Loop, Loops, TickResult, for_each_organization
from billing.worker.measuring import Measuring
from billing.worker.metrics import WorkerMetrics

GRACE_S = 10.0
"""How long running tasks may take after the worker was stopped."""

_RETENTION = Retention()

Task = Callable[[PaymentContext, OrganizationId], Awaitable[int]]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervals:
    """Seconds from the end of one run to the start of the next, with jitter."""

    poll_s: float = 10.0
    feed_s: float = 10.0
    match_s: float = 10.0
    refund_s: float = 10.0
    expire_s: float = 10.0
    clearance_s: float = 5.0
    reconcile_s: float = 2.0
    dispatch_s: float = 1.0
    seal_s: float = 5.0
    snapshot_s: float = 60.0
    exceptions_s: float = 60.0
    maintenance_s: float = 6 * 3600.0
    health_s: float = 60.0
    folder_s: float = 5.0
    measure_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Monitoring:
    """The port of the worker and its metrics."""

    address: WorkerAddress
    metrics: WorkerMetrics

    def measuring(self, context: PaymentContext) -> Measuring:
        """The work of the loop `measure`."""
        return Measuring(context, self.metrics)


async def run_worker(
    context: PaymentContext,
    *,
    dispatch: Dispatch,
    intervals: Intervals,
    stop: asyncio.Event,
    random: Random,
    retention: Retention = _RETENTION,
    folders: Sequence[IntegrationFolder] = (),
    monitoring: Monitoring | None = None,
    listen: Callable[[Listener], None] | None = None,
) -> None:
    """Run all loops until `stop` is set. Any number of workers may run at once.

    With `monitoring` it also measures the installation, and answers for its health and metrics. With `listen`, which
    registers a listener for changes, orders are cleared and messages sent at once after a change, not only in rounds.
    """
    dispatcher = Dispatcher(context, dispatch)
    follower = Follower([partial(update_clearances_once, context), dispatcher.run_once])
    reader = FolderReader(context, folders)

    async def maintain() -> TickResult:
        await make_partitions_once(context.database)
        return TickResult(1)

    async def read_folders() -> TickResult:
        return TickResult(await reader.run_once())

    async def log_health() -> TickResult:
        return loops.log_health()

    loops = Loops(
        loops=[
            Loop("maintenance", intervals.maintenance_s, maintain),
            *_loops_of_organizations(context, dispatcher, intervals, retention),
            *([Loop("folder", intervals.folder_s, read_folders)] if folders else []),
            *([Loop("measure", intervals.measure_s, monitoring.measuring(context).run_once)] if monitoring else []),
            Loop("health", intervals.health_s, log_health),
        ],
        clock=context.clock,
        random=random,
        stop=stop,
        background=context.background,
    )
    log.info("worker_started", loops=[loop.name for loop in loops.loops])
    try:
        async with AsyncExitStack() as stack:
            if listen is not None:
                listen(follower.notify)
                following = context.background.start("follower", follower.run, until=stop)
                stack.push_async_callback(following.stop, grace_s=GRACE_S)
            if monitoring is not None:
                monitoring.metrics.observe(loops.loops, context.background.restarts)
                await stack.enter_async_context(serving_metrics(context, monitoring.metrics, monitoring.address))
            await loops.run(grace_s=GRACE_S)
    finally:
        await dispatcher.stop(grace_s=GRACE_S)
    log.info("worker_stopped")


def _loops_of_organizations(
    context: PaymentContext, dispatcher: Dispatcher, intervals: Intervals, retention: Retention
) -> list[Loop]:
    async def dispatch(_context: PaymentContext, organization_id: OrganizationId) -> int:
        return await dispatcher.run_once(organization_id)

    async def erase(context: PaymentContext, organization_id: OrganizationId) -> int:
        delivered = await purge_once(context, organization_id, timedelta(days=retention.delivered_days))
        return delivered + await erase_once(context, organization_id, retention)

    rounds = ExceptionRounds(context)

    async def find_exceptions(_context: PaymentContext, organization_id: OrganizationId) -> int:
        found = await rounds.run_once(organization_id)
        return found.opened + found.closed

    tasks: list[tuple[str, float, Task]] = [
        ("poll", intervals.poll_s, poll_due_payments),
        ("feed", intervals.feed_s, poll_feed),
        ("match", intervals.match_s, match_outflows_once),
        ("refund", intervals.refund_s, run_due_refunds),
        ("expire", intervals.expire_s, _repeated(expire_once, EXPIRED_MAX)),
        ("guarantee", intervals.expire_s, expire_guarantees_once),
        ("clearance", intervals.clearance_s, _repeated(update_clearances_once, UPDATED_MAX)),
        ("confirmation", intervals.clearance_s, _repeated(end_confirmations_once, ENDED_MAX)),
        ("reconcile", intervals.reconcile_s, match_arrived_lines),
        ("dispatch", intervals.dispatch_s, dispatch),
        ("seal", intervals.seal_s, seal_once),
        ("snapshot", intervals.snapshot_s, snapshot_once),
        ("exceptions", intervals.exceptions_s, find_exceptions),
        ("surplus", intervals.exceptions_s, _repeated(keep_lapsed_once, KEPT_MAX)),
        ("erase", intervals.maintenance_s, erase),
    ]
    return [
        Loop(name, every_s, for_each_organization(context, name, partial(task, context)))
        for name, every_s, task in tasks
    ]


def _repeated(task: Task, at_most: int) -> Task:
    """The task again and again until it did less than it does at most."""

    async def run(context: PaymentContext, organization_id: OrganizationId) -> int:
        total = 0
        while True:
            done = await task(context, organization_id)
            total += done
            if done < at_most:
                return total

    return run

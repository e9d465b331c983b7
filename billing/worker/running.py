"""The worker: its loops and their intervals."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from random import Random

import structlog

from billing.checkout.service.expire import EXPIRED_MAX, expire_once
from billing.core.ids import OrganizationId
from billing.ledger.service.balances import snapshot_once
from billing.ledger.service.seal_rows import seal_once
from billing.notifications.service.webhooks import Dispatch, purge_once
from billing.ops.erasure import erase_once
from billing.ops.maintenance import make_partitions_once
from billing.ops.retention import Retention
from billing.payments.service.context import PaymentContext
from billing.payments.service.feeds import poll_feed
from billing.payments.service.match_outflows import match_outflows_once
from billing.payments.service.polls import poll_due_payments
from billing.worker.dispatcher import Dispatcher
from billing.worker.loops import Loop, Loops, TickResult, for_each_organization

GRACE_S = 10.0
"""How long running tasks may take after the worker was stopped."""

_RETENTION = Retention()

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervals:
    """Seconds from the end of one run to the start of the next, with jitter."""

    poll_s: float = 10.0
    feed_s: float = 10.0
    match_s: float = 10.0
    expire_s: float = 10.0
    dispatch_s: float = 1.0
    seal_s: float = 5.0
    snapshot_s: float = 60.0
    maintenance_s: float = 6 * 3600.0
    health_s: float = 60.0


async def run_worker(
    context: PaymentContext,
    *,
    dispatch: Dispatch,
    intervals: Intervals,
    stop: asyncio.Event,
    random: Random,
    retention: Retention = _RETENTION,
) -> None:
    """Run all loops until `stop` is set. Any number of workers may run at once."""
    dispatcher = Dispatcher(context, dispatch)

    async def poll(organization_id: OrganizationId) -> int:
        return await poll_due_payments(context, organization_id)

    async def feed(organization_id: OrganizationId) -> int:
        return await poll_feed(context, organization_id)

    async def match(organization_id: OrganizationId) -> int:
        return await match_outflows_once(context, organization_id)

    async def expire(organization_id: OrganizationId) -> int:
        expired = 0
        while True:
            more = await expire_once(context, organization_id)
            expired += more
            if more < EXPIRED_MAX:
                return expired

    async def seal(organization_id: OrganizationId) -> int:
        return await seal_once(context, organization_id)

    async def snapshot(organization_id: OrganizationId) -> int:
        return await snapshot_once(context, organization_id)

    async def erase(organization_id: OrganizationId) -> int:
        delivered = await purge_once(context, organization_id, timedelta(days=retention.delivered_days))
        return delivered + await erase_once(context, organization_id, retention)

    async def maintain() -> TickResult:
        await make_partitions_once(context.database)
        return TickResult(1)

    async def log_health() -> TickResult:
        return loops.log_health()

    each = for_each_organization
    loops = Loops(
        loops=[
            Loop("maintenance", intervals.maintenance_s, maintain),
            Loop("poll", intervals.poll_s, each(context, "poll", poll)),
            Loop("feed", intervals.feed_s, each(context, "feed", feed)),
            Loop("match", intervals.match_s, each(context, "match", match)),
            Loop("expire", intervals.expire_s, each(context, "expire", expire)),
            Loop("dispatch", intervals.dispatch_s, each(context, "dispatch", dispatcher.run_once)),
            Loop("seal", intervals.seal_s, each(context, "seal", seal)),
            Loop("snapshot", intervals.snapshot_s, each(context, "snapshot", snapshot)),
            Loop("erase", intervals.maintenance_s, each(context, "erase", erase)),
            Loop("health", intervals.health_s, log_health),
        ],
        clock=context.clock,
        random=random,
        stop=stop,
        background=context.background,
    )
    log.info("worker_started", loops=[loop.name for loop in loops.loops])
    try:
        await loops.run(grace_s=GRACE_S)
    finally:
        await dispatcher.stop(grace_s=GRACE_S)
    log.info("worker_stopped")

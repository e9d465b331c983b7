"""Loops: each repeats one task at an interval until stopped.

A loop survives every failure of its task: the failure is logged, and the task runs again at its time. Intervals are
jittered, so that several workers do not run at once; they share the work by locks.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from random import Random

import structlog

from billing.core.ids import OrganizationId
from billing.db.background import Background
from billing.db.context import Clock
from billing.payments.service.context import PaymentContext
from billing.tracing import begin_trace, span

_JITTER = 0.2
_RETRY_S = 5.0
ORGANIZATIONS_AT_ONCE = 4
"""How many organizations one loop serves at once, so that one whose provider hangs does not delay all."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class TickResult:
    """The result of one run of a loop: the work done, and the number of organizations that failed."""

    done: int
    failed: int = 0


@dataclass(slots=True)
class Loop:
    """One repeated task and its state."""

    name: str
    every_s: float
    work: Callable[[], Awaitable[TickResult]]
    done: int = 0
    failures: int = 0  # in a row
    last_success_at: datetime | None = None  # when a run last ended without a failure

    @property
    def pause_s(self) -> float:
        """Seconds until the next run; fewer after a failure, twice as many after each further failure."""
        if not self.failures:
            return self.every_s
        return min(self.every_s, _RETRY_S * float(1 << min(self.failures - 1, 20)))


@dataclass(slots=True, kw_only=True)
class Loops:
    """Several loops and the event that stops them."""

    loops: Sequence[Loop]
    clock: Clock
    random: Random
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    background: Background = field(default_factory=Background)

    async def run(self, *, grace_s: float) -> None:
        """Run until `stop` is set; running tasks then have so many seconds to end before they are cancelled.

        A loop that ends before is started again and counted.
        """
        tasks = [
            self.background.start(f"loop_{loop.name}", partial(self._run, loop), until=self.stop) for loop in self.loops
        ]
        grace = 0.0
        try:
            await self.stop.wait()
            grace = grace_s
        finally:
            await asyncio.gather(*(task.stop(grace_s=grace) for task in tasks))

    async def _run(self, loop: Loop) -> None:
        while not self.stop.is_set():
            try:
                with begin_trace(f"worker {loop.name}") as trace:
                    ended = await loop.work()
                    trace.set(count=ended.done)
            except Exception as error:
                loop.failures += 1
                log.error("loop_failed", loop=loop.name, failures=loop.failures, exc_info=error)
            else:
                loop.done += ended.done
                loop.failures = loop.failures + 1 if ended.failed else 0
                if not ended.failed:
                    loop.last_success_at = self.clock()
            await self._pause(loop.pause_s * (1 + _JITTER * (self.random.random() - 0.5)))

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self.stop.wait(), seconds)

    def log_health(self) -> TickResult:
        """Log one line: the work of each loop, its failures in a row, and the age of its last success."""
        now = self.clock()
        facts = {
            loop.name: {
                "done": loop.done,
                "failures": loop.failures,
                "last_success_age_s": None
                if loop.last_success_at is None
                else round((now - loop.last_success_at).total_seconds()),
            }
            for loop in self.loops
        }
        restarts = self.background.restarts()
        if restarts or any(loop.failures for loop in self.loops):
            log.warning("worker_degraded", loops=facts, restarts=restarts, down=self.background.down())
        else:
            log.info("worker_healthy", loops=facts)
        return TickResult(1)


def for_each_organization(
    context: PaymentContext, name: str, work: Callable[[OrganizationId], Awaitable[int]]
) -> Callable[[], Awaitable[TickResult]]:
    """A task over all organizations, a few of each cell at once; the failure of one does not stop the others."""

    async def run_once() -> TickResult:
        at_once = [asyncio.Semaphore(ORGANIZATIONS_AT_ONCE) for _ in context.database.cells]

        async def serve(organization_id: OrganizationId) -> int | None:
            async with at_once[context.database.cell_number(organization_id)]:
                try:
                    with span(f"organization {name}", organization_id=organization_id) as item:
                        done = await work(organization_id)
                        item.set(count=done)
                        return done
                except Exception as error:
                    log.error("organization_failed", loop=name, organization_id=organization_id, exc_info=error)
                    return None

        served = await asyncio.gather(*(serve(each) for each in await context.database.list_organizations()))
        return TickResult(sum(done for done in served if done is not None), served.count(None))

    return run_once

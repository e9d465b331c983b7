"""Work that follows a change of an organization at once; loops repeat it at their intervals (`loops.py`).

A notification may be lost or repeated, so that nothing depends on it. Source: docs/operations.md, Worker.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence

import structlog

from billing.core.ids import OrganizationId
from billing.tracing import begin_trace

REST_S = 0.2
"""Seconds between two rounds, however often an organization changes."""

Work = Callable[[OrganizationId], Awaitable[int]]

log = structlog.get_logger(__name__)


class Follower:
    """Does its works for each organization that changed, one after the other; `notify` is its listener."""

    def __init__(self, works: Sequence[Work], *, rest_s: float = REST_S) -> None:
        self._works = works
        self._rest_s = rest_s
        self._changed: set[OrganizationId] = set()
        self._wakeup = asyncio.Event()

    def notify(self, organization_ids: Collection[OrganizationId] | None) -> None:
        """Note organizations that changed. None, which stands for all of them, is left to the loops."""
        if organization_ids:
            self._changed |= set(organization_ids)
            self._wakeup.set()

    async def run(self) -> None:
        """Follow until cancelled; a work that fails is logged and repeated by its loop."""
        while True:
            await self._wakeup.wait()
            self._wakeup.clear()
            changed, self._changed = self._changed, set()
            for organization_id in sorted(changed):
                await self._follow(organization_id)
            await asyncio.sleep(self._rest_s)

    async def _follow(self, organization_id: OrganizationId) -> None:
        try:
            with begin_trace("worker follow", organization_id=organization_id):
                for work in self._works:
                    await work(organization_id)
        except Exception as error:
            log.warning("change_not_followed", organization_id=organization_id, exc_info=error)

"""The dispatcher: one task for each endpoint with due messages, so that an endpoint that hangs delays only itself."""

import asyncio

import structlog

from billing.core.ids import OrganizationId
from billing.notifications.domain.webhook import Endpoint, EndpointId
from billing.notifications.service.webhooks import (
    ENQUEUED_MAX,
    Dispatch,
    dispatch_once,
    enqueue_once,
    find_due_endpoints,
)
from billing.payments.service.context import PaymentContext
from billing.tracing import begin_trace

log = structlog.get_logger(__name__)


class Dispatcher:
    """Enqueues messages and starts deliveries; a run never waits for a receiver."""

    def __init__(self, context: PaymentContext, dispatch: Dispatch) -> None:
        self._context = context
        self._dispatch = dispatch
        self._under_way: dict[EndpointId, asyncio.Task[None]] = {}
        self._again: set[EndpointId] = set()
        self._is_stopping = False

    async def run_once(self, organization_id: OrganizationId) -> int:
        """Enqueue new messages and start a task for each due endpoint without one; returns the messages read."""
        read = 0
        while True:
            handed = await enqueue_once(self._context, organization_id)
            read += handed
            if handed < ENQUEUED_MAX:
                break
        for endpoint in await find_due_endpoints(self._context, organization_id):
            self._start(organization_id, endpoint)
        return read

    async def stop(self, *, grace_s: float) -> None:
        """Let running deliveries end within so many seconds; the rest is cancelled and due again after its lease."""
        self._is_stopping = True
        tasks = list(self._under_way.values())
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=grace_s)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    def _start(self, organization_id: OrganizationId, endpoint: Endpoint) -> None:
        """Start a task for a due endpoint; one that is under way is looked at again once it has ended."""
        if endpoint.id in self._under_way:
            self._again.add(endpoint.id)
        elif not self._is_stopping:
            self._under_way[endpoint.id] = asyncio.create_task(self._traced(organization_id, endpoint))

    async def _traced(self, organization_id: OrganizationId, endpoint: Endpoint) -> None:
        """Serve in a trace of its own: a hanging endpoint outlives the run that started this task."""
        with begin_trace("worker endpoint", organization_id=organization_id):
            await self._serve(organization_id, endpoint)

    async def _serve(self, organization_id: OrganizationId, endpoint: Endpoint) -> None:
        """Send due messages until none is left. The next run reads the endpoint again."""
        try:
            while (
                await dispatch_once(self._context, organization_id, endpoint, self._dispatch) == self._dispatch.at_once
            ):
                pass
            del self._under_way[endpoint.id]
            if endpoint.id in self._again:
                self._again.discard(endpoint.id)
                for each in await find_due_endpoints(self._context, organization_id):
                    if each.id == endpoint.id:
                        self._start(organization_id, each)
        except Exception as error:
            log.error("dispatch_failed", endpoint_id=str(endpoint.id), exc_info=error)
        finally:
            if self._under_way.get(endpoint.id) is asyncio.current_task():
                del self._under_way[endpoint.id]

"""The loop `measure`: every organization and the server are measured, and the metrics keep the result."""

import asyncio

import structlog

from billing.core.ids import OrganizationId
from billing.ops.measures import OrganizationMeasures, measure_installation, measure_organization
from billing.payments.service.context import PaymentContext
from billing.worker.loops import ORGANIZATIONS_AT_ONCE, TickResult
from billing.worker.metrics import WorkerMetrics

log = structlog.get_logger(__name__)


class Measuring:
    """Measures the installation; an organization that cannot be measured does not stop the others."""

    def __init__(self, context: PaymentContext, metrics: WorkerMetrics) -> None:
        self._context = context
        self._metrics = metrics
        self._at_once = asyncio.Semaphore(ORGANIZATIONS_AT_ONCE)

    async def run_once(self) -> TickResult:
        """Measure once; returns the number of organizations."""
        organizations = await self._context.database.list_organizations()
        found = await asyncio.gather(*(self._measure(each) for each in organizations))
        measured = [each for each in found if each is not None]
        failed = len(found) - len(measured)
        self._metrics.measures = await measure_installation(self._context, measured, failed=failed)
        return TickResult(len(measured), failed)

    async def _measure(self, organization_id: OrganizationId) -> OrganizationMeasures | None:
        async with self._at_once:
            try:
                return await measure_organization(self._context, organization_id)
            except Exception as error:
                log.error("organization_not_measured", organization_id=organization_id, exc_info=error)
                return None

"""Quote visits of an organization: price them as its invoices would be priced. Nothing is stored.

Files are quoted without a database in `quoting.py`.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from billing.core.ids import OrganizationId
from billing.coverage.formats.visit_input import read_visit
from billing.coverage.service.context import PricingContext
from billing.coverage.service.pricing_inputs import load_pricing_inputs
from billing.coverage.service.quoting import Quote, quote_visits
from billing.visits.domain.finding import Finding
from billing.visits.domain.visit import Visit
from billing.visits.formats.visit_value_formats import find_value_warnings
from billing.visits.formats.xml130 import read_claim_file


async def estimate_claim_file(context: PricingContext, organization_id: OrganizationId, content: bytes) -> Quote:
    """Read and price an XML 130 file, each visit by its facility's pricing inputs. Never raises for the content."""
    # Reading and pricing only use the CPU: callbacks must not wait for them.
    claim = await asyncio.to_thread(read_claim_file, content)
    read = [(element.hoso, element.visit) for element in claim.visits]
    return await _estimate(context, organization_id, read, claim.findings)


async def estimate_visit(
    context: PricingContext, organization_id: OrganizationId, document: Mapping[str, object]
) -> Quote:
    """Read and price one visit supplied as JSON. Raises InvalidValue where it cannot be read."""
    visit = await asyncio.to_thread(read_visit, document)
    return await _estimate(context, organization_id, [(1, visit)], find_value_warnings(document))


async def _estimate(
    context: PricingContext,
    organization_id: OrganizationId,
    read: Sequence[tuple[int, Visit]],
    findings: Iterable[Finding],
) -> Quote:
    async with context.database.transaction(organization_id, read_only=True) as tx:
        terms = await load_pricing_inputs(tx, context, [visit for _, visit in read])
    of_place = {hoso: own for (hoso, _), own in zip(read, terms, strict=True)}
    return await asyncio.to_thread(
        lambda: quote_visits(
            read, findings, file="", price_for_collection=lambda hoso, visit: of_place[hoso].price_for_collection(visit)
        )
    )

"""Lists of invoices. Rows are returned as stored, the newest first."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from billing.core.ids import OrganizationId, VisitId
from billing.core.list_slice import ListSlice
from billing.db.context import Context
from billing.invoices.domain.invoice import InvoiceState
from billing.invoices.store.invoice_lists import read_invoices


async def list_invoices(
    context: Context,
    organization_id: OrganizationId,
    part: ListSlice,
    *,
    visit_id: UUID | None = None,
    ma_lk: str | None = None,
    number: str | None = None,
    state: InvoiceState | None = None,
) -> list[Mapping[str, Any]]:
    """Invoices by visit, MA_LK, number and state; None filters nothing."""
    async with context.database.transaction(organization_id) as tx:
        return await read_invoices(
            tx, part, visit_id=None if visit_id is None else VisitId(visit_id), ma_lk=ma_lk, number=number, state=state
        )

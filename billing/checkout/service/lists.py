"""Lists of payment intents. Rows are returned as stored, the newest first."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from billing.checkout.store.intents import read_intents
from billing.core.ids import InvoiceId, OrganizationId
from billing.core.list_slice import ListSlice
from billing.db.context import Context
from billing.payments.domain.intent import IntentState


async def list_intents(
    context: Context,
    organization_id: OrganizationId,
    part: ListSlice,
    *,
    invoice_id: UUID | None = None,
    ma_lk: str | None = None,
    reference_code: str | None = None,
    state: IntentState | None = None,
) -> list[Mapping[str, Any]]:
    """Intents by the invoice or visit they collect for, by code and state; None filters nothing."""
    async with context.database.transaction(organization_id) as tx:
        return await read_intents(
            tx,
            part,
            invoice_id=None if invoice_id is None else InvoiceId(invoice_id),
            ma_lk=ma_lk,
            reference_code=reference_code,
            state=state,
        )

"""Reading many: pages of visits, invoices, intents, payments and exceptions, and one payment with its allocations.

Every list is ordered by id, the newest first; `after` is the last id of the page before. Rows come as they are stored.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from billing.domain.errors import NotFound
from billing.domain.ids import IntentId, InvoiceId, OrganizationId, PaymentId, VisitId
from billing.services.context import Context
from billing.storage.intents import read_intents
from billing.storage.listing import read_exceptions, read_invoices, read_visits
from billing.storage.payments import read_payment, read_payments

Rows = list[Mapping[str, Any]]


async def list_visits(
    context: Context, organization_id: OrganizationId, *, after: UUID | None, limit: int, ma_lk: str | None = None
) -> Rows:
    """Visits by MA_LK or all."""
    async with context.database.transaction(organization_id) as tx:
        return await read_visits(tx, after=_as(VisitId, after), limit=limit, ma_lk=ma_lk)


async def list_invoices(
    context: Context,
    organization_id: OrganizationId,
    *,
    after: UUID | None,
    limit: int,
    visit_id: UUID | None = None,
    number: str | None = None,
) -> Rows:
    """Invoices of a visit, of a number, or all."""
    async with context.database.transaction(organization_id) as tx:
        return await read_invoices(
            tx, after=_as(InvoiceId, after), limit=limit, visit_id=_as(VisitId, visit_id), number=number
        )


async def list_intents(
    context: Context,
    organization_id: OrganizationId,
    *,
    after: UUID | None,
    limit: int,
    invoice_id: UUID | None = None,
    reference_code: str | None = None,
) -> Rows:
    """Intents that collect for an invoice, of a code, or all."""
    async with context.database.transaction(organization_id) as tx:
        return await read_intents(
            tx,
            after=_as(IntentId, after),
            limit=limit,
            invoice_id=_as(InvoiceId, invoice_id),
            reference_code=reference_code,
        )


async def find_payment(context: Context, organization_id: OrganizationId, payment_id: PaymentId) -> Mapping[str, Any]:
    """A payment, where its money stands, and every allocation of it. Raises NotFound."""
    async with context.database.transaction(organization_id) as tx:
        row = await read_payment(tx, payment_id)
    if row is None:
        raise NotFound("no such payment", field="payment_id")
    return row


async def list_payments(
    context: Context,
    organization_id: OrganizationId,
    *,
    after: UUID | None,
    limit: int,
    intent_id: UUID | None = None,
    invoice_id: UUID | None = None,
) -> Rows:
    """Payments that came under an intent's code, that were ever put on an invoice, or all."""
    async with context.database.transaction(organization_id) as tx:
        return await read_payments(
            tx,
            after=_as(PaymentId, after),
            limit=limit,
            intent_id=_as(IntentId, intent_id),
            invoice_id=_as(InvoiceId, invoice_id),
        )


async def list_exceptions(
    context: Context,
    organization_id: OrganizationId,
    *,
    after: UUID | None,
    limit: int,
    state: str = "open",
    reason: str | None = None,
) -> Rows:
    """What a person must decide, or has decided where `state` is `closed`."""
    async with context.database.transaction(organization_id) as tx:
        return await read_exceptions(tx, after=after, limit=limit, state=state, reason=reason)


def _as(kind: Any, value: UUID | None) -> Any:
    return None if value is None else kind(value)

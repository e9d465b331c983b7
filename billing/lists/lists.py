"""Reading many: pages of visits, invoices, intents, payments and exceptions, and one payment with its allocations.

Every list is ordered by id, the newest first. Rows come as they are stored.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from billing.checkout.store.intents import read_intents
from billing.core.errors import NotFound
from billing.core.ids import IntentId, InvoiceId, OrganizationId, PaymentId, VisitId
from billing.core.list_slice import ListSlice, day_begins
from billing.db.lists import read_exceptions, read_invoices, read_visits
from billing.invoices.domain.invoice import InvoiceState
from billing.payments.domain.exception import ExceptionState
from billing.payments.domain.intent import IntentState
from billing.payments.service.context import PaymentContext
from billing.payments.store.payments import read_payment, read_payments

Rows = list[Mapping[str, Any]]


class VisitState(StrEnum):
    """Whether the newest version of a visit states a discharge."""

    OPEN = "open"
    CLOSED = "closed"


async def list_visits(
    context: PaymentContext,
    organization_id: OrganizationId,
    part: ListSlice,
    *,
    ma_lk: str | None = None,
    state: VisitState | None = None,
) -> Rows:
    """Visits by MA_LK and state; None filters nothing."""
    is_open = None if state is None else state is VisitState.OPEN
    async with context.database.transaction(organization_id) as tx:
        return await read_visits(tx, part, ma_lk=ma_lk, is_open=is_open)


async def list_invoices(
    context: PaymentContext,
    organization_id: OrganizationId,
    part: ListSlice,
    *,
    visit_id: UUID | None = None,
    ma_lk: str | None = None,
    number: str | None = None,
    state: InvoiceState | None = None,
) -> Rows:
    """Invoices by visit, MA_LK, number and state; None filters nothing."""
    async with context.database.transaction(organization_id) as tx:
        return await read_invoices(tx, part, visit_id=_as(VisitId, visit_id), ma_lk=ma_lk, number=number, state=state)


async def list_intents(
    context: PaymentContext,
    organization_id: OrganizationId,
    part: ListSlice,
    *,
    invoice_id: UUID | None = None,
    ma_lk: str | None = None,
    reference_code: str | None = None,
    state: IntentState | None = None,
) -> Rows:
    """Intents by the invoice or visit they collect for, by code and state; None filters nothing."""
    async with context.database.transaction(organization_id) as tx:
        return await read_intents(
            tx, part, invoice_id=_as(InvoiceId, invoice_id), ma_lk=ma_lk, reference_code=reference_code, state=state
        )


async def find_payment(
    context: PaymentContext, organization_id: OrganizationId, payment_id: PaymentId
) -> Mapping[str, Any]:
    """A payment, where its money stands, and every allocation of it. Raises NotFound."""
    async with context.database.transaction(organization_id) as tx:
        row = await read_payment(tx, payment_id)
    if row is None:
        raise NotFound("no such payment", field="payment_id")
    return row


async def list_payments(
    context: PaymentContext,
    organization_id: OrganizationId,
    part: ListSlice,
    *,
    intent_id: UUID | None = None,
    invoice_id: UUID | None = None,
    ma_lk: str | None = None,
) -> Rows:
    """Payments under an intent's code, or ever allocated to an invoice or visit; None filters nothing."""
    async with context.database.transaction(organization_id) as tx:
        return await read_payments(
            tx, part, intent_id=_as(IntentId, intent_id), invoice_id=_as(InvoiceId, invoice_id), ma_lk=ma_lk
        )


async def list_exceptions(
    context: PaymentContext,
    organization_id: OrganizationId,
    *,
    after: UUID | None,
    limit: int,
    state: ExceptionState = ExceptionState.OPEN,
    reason: str | None = None,
    opened_on: tuple[date | None, date | None] = (None, None),
) -> Rows:
    """What a person must decide, or has decided where `state` is CLOSED; first and last day of opening included."""
    first, last = opened_on
    async with context.database.transaction(organization_id) as tx:
        return await read_exceptions(
            tx,
            after=after,
            limit=limit,
            state=state,
            reason=reason,
            opened_from=None if first is None else day_begins(first),
            opened_before=None
            if last is None
            else day_begins(min(last, date.max - timedelta(days=1)) + timedelta(days=1)),
        )


def _as(kind: Any, value: UUID | None) -> Any:
    return None if value is None else kind(value)

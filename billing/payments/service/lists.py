"""One payment with its allocations; lists of payments and of exceptions, newest first, as stored."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from billing.core.errors import NotFound
from billing.core.ids import IntentId, InvoiceId, OrganizationId, PaymentId
from billing.core.list_slice import ListSlice, day_begins
from billing.db.context import Context
from billing.payments.domain.exception import ExceptionState
from billing.payments.store.exception_lists import read_exceptions
from billing.payments.store.payments import read_payment, read_payments


async def find_payment(context: Context, organization_id: OrganizationId, payment_id: PaymentId) -> Mapping[str, Any]:
    """A payment with its position and allocations. Raises NotFound."""
    async with context.database.transaction(organization_id) as tx:
        row = await read_payment(tx, payment_id)
    if row is None:
        raise NotFound("no such payment", field="payment_id")
    return row


async def list_payments(
    context: Context,
    organization_id: OrganizationId,
    part: ListSlice,
    *,
    intent_id: UUID | None = None,
    invoice_id: UUID | None = None,
    ma_lk: str | None = None,
) -> list[Mapping[str, Any]]:
    """Payments under an intent's code, or ever allocated to an invoice or visit; None filters nothing."""
    async with context.database.transaction(organization_id) as tx:
        return await read_payments(
            tx,
            part,
            intent_id=None if intent_id is None else IntentId(intent_id),
            invoice_id=None if invoice_id is None else InvoiceId(invoice_id),
            ma_lk=ma_lk,
        )


async def list_exceptions(
    context: Context,
    organization_id: OrganizationId,
    *,
    after: UUID | None,
    limit: int,
    state: ExceptionState = ExceptionState.OPEN,
    reason: str | None = None,
    opened_on: tuple[date | None, date | None] = (None, None),
) -> list[Mapping[str, Any]]:
    """Open exceptions, or closed ones if `state` is CLOSED; first and last day of opening included."""
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

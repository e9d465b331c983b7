"""One payment with its allocations; lists of payments, newest first."""

from billing.core.errors import NotFound
from billing.core.ids import IntentId, InvoiceId, OrganizationId, PaymentId
from billing.core.list_slice import ListSlice
from billing.db.context import Context
from billing.payments.store.payments import ListedPayment, PaymentDetails, read_payment, read_payments


async def find_payment(context: Context, organization_id: OrganizationId, payment_id: PaymentId) -> PaymentDetails:
    """A payment with its position and allocations. Raises NotFound."""
    async with context.database.transaction(organization_id) as tx:
        payment = await read_payment(tx, payment_id)
    if payment is None:
        raise NotFound("no such payment", field="payment_id")
    return payment


async def list_payments(
    context: Context,
    organization_id: OrganizationId,
    part: ListSlice,
    *,
    intent_id: IntentId | None = None,
    invoice_id: InvoiceId | None = None,
    ma_lk: str | None = None,
) -> list[ListedPayment]:
    """Payments under an intent's code, or ever allocated to an invoice or visit; None filters nothing."""
    async with context.database.transaction(organization_id) as tx:
        return await read_payments(tx, part, intent_id=intent_id, invoice_id=invoice_id, ma_lk=ma_lk)

"""Collect money for an open visit or an invoice at the desk, with several methods on one receipt."""

from billing.core.actor import Actor
from billing.core.ids import OrganizationId, ReceiptId
from billing.db.idempotency import IdempotentRequest, find_previous_result, save_result
from billing.payments.service.context import PaymentContext
from billing.visit_accounts.domain.collection import Collection
from billing.visit_accounts.service.collecting import collect


async def collect_at_desk(
    context: PaymentContext,
    organization_id: OrganizationId,
    collection: Collection,
    *,
    actor: Actor,
    request: IdempotentRequest | None = None,
) -> ReceiptId:
    """Take a collection in the caller's open shift; returns its receipt. A repeated `request` returns the earlier one.

    Raises the errors of `collect`, or idempotency errors.
    """
    async with context.database.transaction(organization_id, posting=True) as tx:
        earlier = await find_previous_result(tx, request)
        if earlier is not None:
            return ReceiptId(earlier.subjects[0])
        receipt = await collect(tx, context, collection, actor=actor)
        await save_result(tx, request, [receipt.id], now=context.clock())
    context.publish_change(organization_id)
    return receipt.id

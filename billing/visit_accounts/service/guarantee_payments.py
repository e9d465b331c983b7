"""Payers pay what they owe for guarantees: collected at the desk, from their credit, listed, written off. Use cases.

Money of a payer that came by a provider or a bank line is assigned by the decision of its exception
(`reconciliation/service/place_money.py`). Source: docs/visit-accounts.md, Guarantees.
"""

from collections.abc import Sequence
from uuid import UUID

from billing.core.actor import Actor
from billing.core.approvals import require_person
from billing.core.clock import business_date
from billing.core.errors import NotFound
from billing.core.ids import OrganizationId
from billing.core.list_slice import ListSlice
from billing.core.reasons import read_reason
from billing.db.database import Transaction
from billing.db.idempotency import IdempotentRequest, find_previous_result, save_result
from billing.ledger.service.audit import note
from billing.organizations.service.approvals import Approval, ApprovalKind, propose
from billing.payments.domain.guarantee_receivable import GuaranteeReceivable, GuaranteesPaid
from billing.payments.domain.payment import AllocationTarget
from billing.payments.service.context import PaymentContext
from billing.payments.store.allocations import lock_allocations
from billing.payments.store.guarantee_receivables import find_credit_of_payer, lock_receivables, update_receivables
from billing.visit_accounts.service.guarantee_receivables import pay_receivables, post_write_off
from billing.visit_accounts.service.payer_collecting import lock_owed
from billing.visit_accounts.store.guarantee_receivables import (
    ListedGuaranteePayment,
    ListedReceivable,
    ReceivableFilter,
    list_guarantee_payments,
    list_receivables,
)

__all__ = ["ListedGuaranteePayment", "ListedReceivable", "ReceivableFilter"]


async def pay_with_payer_credit(
    context: PaymentContext,
    organization_id: OrganizationId,
    payer: str,
    guarantee_ids: Sequence[UUID] = (),
    *,
    actor: Actor,
    request: IdempotentRequest | None = None,
) -> Sequence[UUID]:
    """Pay what a payer owes with its credit, the oldest money first: D credit · C receivable of the guarantor.

    Returns the guarantees that were paid, none where the payer has no credit. Raises NotFound, GuaranteesPaid,
    NoOpenDay, idempotency errors.
    """
    async with context.database.transaction(organization_id, posting=True) as tx:
        earlier = await find_previous_result(tx, request)
        if earlier is not None:
            return earlier.subjects
        receivables = await lock_owed(tx, payer, guarantee_ids)
        allocations = await lock_allocations(tx, await find_credit_of_payer(tx, payer))
        credit = [part for part in allocations if part.target is AllocationTarget.CREDIT]
        made = await pay_receivables(tx, context, credit, receivables, actor=actor)
        paid = [one.guarantee_id for one in made.applied.receivables]
        await save_result(tx, request, paid, now=context.clock())
    context.publish_change(organization_id)
    return paid


async def propose_guarantee_write_off(
    context: PaymentContext, organization_id: OrganizationId, guarantee_id: UUID, *, reason: str, actor: Actor
) -> UUID:
    """Propose to write off what a payer still owes for a guarantee; another person decides. Returns the approval.

    Raises PersonNeeded, InvalidValue, NotFound, GuaranteesPaid, ProposalWaiting.
    """
    require_person(actor)
    text = read_reason(reason)
    async with context.database.transaction(organization_id) as tx:
        receivable = await _lock(tx, guarantee_id)
        payload = {
            "visit_id": str(receivable.visit_id),
            "payer": receivable.payer,
            "owed": receivable.owed,
            "billed_on": receivable.billed_on.isoformat(),
            "reason": text,
        }
        return await propose(tx, context, ApprovalKind.GUARANTEE_WRITE_OFF, guarantee_id, payload=payload, actor=actor)


async def write_off_approved_guarantee(
    tx: Transaction, context: PaymentContext, approval: Approval, actor: Actor
) -> None:
    """The effect of an approval: D bad debt · C receivable of the guarantor, for what is owed now.

    Raises GuaranteesPaid.
    """
    receivable = await _lock(tx, approval.subject_id)
    amount = receivable.owed
    await update_receivables(tx, [receivable.write_off()])
    await post_write_off(tx, context, receivable, amount, actor=actor)
    await note(tx, context, actor, "guarantee_written_off", ("guarantee", receivable.guarantee_id))


async def list_guarantee_receivables(
    context: PaymentContext, organization_id: OrganizationId, part: ListSlice, chosen: ReceivableFilter
) -> list[ListedReceivable]:
    """What payers owe for guarantees with its age, the guarantee requested last first."""
    today = business_date(context.clock())
    async with context.database.transaction(organization_id, read_only=True) as tx:
        return await list_receivables(tx, part, chosen, today=today)


async def list_payments_of_payers(
    context: PaymentContext, organization_id: OrganizationId, part: ListSlice, *, payer: str | None = None
) -> list[ListedGuaranteePayment]:
    """Money that payers paid for guarantees, the newest first."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        return await list_guarantee_payments(tx, part, payer=payer)


async def _lock(tx: Transaction, guarantee_id: UUID) -> GuaranteeReceivable:
    found = await lock_receivables(tx, [guarantee_id])
    if not found:
        raise NotFound("no final bill counts this guarantee", field="guarantee_id")
    [receivable] = found
    if receivable.owed == 0:
        raise GuaranteesPaid("nothing is owed for this guarantee", field="guarantee_id")
    return receivable

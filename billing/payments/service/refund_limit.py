"""The amount above which a second person approves a refund: one person proposes it, another approves.

Source: docs/visit-accounts.md, Refunds.
"""

from uuid import UUID

from billing.core.actor import Actor
from billing.core.approvals import require_person
from billing.core.ids import OrganizationId
from billing.core.money import Dong, dong
from billing.db.database import Transaction
from billing.organizations.domain.approval import Approval, ApprovalKind
from billing.organizations.service.approvals import propose
from billing.payments.service.context import PaymentContext
from billing.payments.store.refunds import read_approval_above, set_approval_above


async def find_refund_limit(context: PaymentContext, organization_id: OrganizationId) -> Dong:
    """The amount above which a second person approves a refund, in đồng; 0: every refund."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        return await read_approval_above(tx)


async def propose_refund_limit(
    context: PaymentContext, organization_id: OrganizationId, amount: Dong, *, actor: Actor
) -> UUID:
    """Propose the amount above which a second person approves a refund; the id of the proposal.

    Raises PersonNeeded, ProposalWaiting.
    """
    require_person(actor)
    async with context.database.transaction(organization_id) as tx:
        payload = {"amount": amount, "former_amount": await read_approval_above(tx)}
        subject_id = UUID(int=organization_id)
        return await propose(tx, context, ApprovalKind.REFUND_LIMIT, subject_id, payload=payload, actor=actor)


async def apply_refund_limit(tx: Transaction, _context: PaymentContext, approval: Approval, _actor: Actor) -> None:
    """Set the amount as two persons approved."""
    await set_approval_above(tx, dong(approval.payload["amount"]))

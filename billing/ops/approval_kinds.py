"""Proposals of all kinds, found, listed and decided: the one list of the kinds with their effects.

The mechanism is in `organizations/service/approvals`; each effect is in the feature of its subject. A pricing setting
and a facility policy need no effect: they are in force because the approved proposal stands. Source: docs/design.md
§3.5.
"""

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from billing.core.actor import Actor
from billing.core.approvals import require_person
from billing.core.ids import OrganizationId
from billing.core.list_slice import ListSlice
from billing.organizations.service.account_changes import apply_approved_change, check_proposed_change
from billing.organizations.service.approvals import (
    Approval,
    ApprovalEffect,
    ApprovalKind,
    ApprovalState,
    approve,
    find_approval,
    find_approval_of,
    read_approvals,
    reject,
)
from billing.organizations.service.chart import apply_approved_number
from billing.payments.service.context import PaymentContext
from billing.payments.service.refund_limit import apply_refund_limit
from billing.payments.service.retry_dead_letters import close_approved_dead_letter
from billing.reconciliation.service.accept_difference import accept_approved_difference
from billing.reconciliation.service.match_settings import apply_contract, apply_rules
from billing.reconciliation.service.opening_balances import post_opening_balances
from billing.tariffs.service.price_lists import discard_rejected_tariff, mark_tariff_approved
from billing.visit_accounts.service.debts import write_off_approved_debt
from billing.visit_accounts.service.exemptions import approve_exemption, reject_exemption
from billing.visit_accounts.service.guarantee_payments import write_off_approved_guarantee
from billing.visit_accounts.service.refunds import approve_refund, refuse_refund

EFFECTS: Mapping[ApprovalKind, ApprovalEffect[PaymentContext]] = {
    ApprovalKind.TARIFF: ApprovalEffect(on_approved=mark_tariff_approved, on_rejected=discard_rejected_tariff),
    ApprovalKind.FACILITY_PRICING: ApprovalEffect(),
    ApprovalKind.FACILITY_POLICY: ApprovalEffect(),
    ApprovalKind.ACCOUNT_CHANGE: ApprovalEffect(check=check_proposed_change, on_approved=apply_approved_change),
    ApprovalKind.CHART: ApprovalEffect(on_approved=apply_approved_number),
    ApprovalKind.DEAD_LETTER_CLOSING: ApprovalEffect(on_approved=close_approved_dead_letter),
    ApprovalKind.EXEMPTION: ApprovalEffect(on_approved=approve_exemption, on_rejected=reject_exemption),
    ApprovalKind.WRITE_OFF: ApprovalEffect(on_approved=write_off_approved_debt, is_posting=True),
    ApprovalKind.GUARANTEE_WRITE_OFF: ApprovalEffect(on_approved=write_off_approved_guarantee, is_posting=True),
    ApprovalKind.EXCEPTION_DIFFERENCE: ApprovalEffect(on_approved=accept_approved_difference, is_posting=True),
    ApprovalKind.OPENING_BALANCES: ApprovalEffect(on_approved=post_opening_balances, is_posting=True),
    ApprovalKind.PROVIDER_CONTRACT: ApprovalEffect(on_approved=apply_contract),
    ApprovalKind.MATCH_RULES: ApprovalEffect(on_approved=apply_rules),
    ApprovalKind.REFUND_LIMIT: ApprovalEffect(on_approved=apply_refund_limit),
    ApprovalKind.REFUND: ApprovalEffect(on_approved=approve_refund, on_rejected=refuse_refund),
}


async def approve_proposal(
    context: PaymentContext, organization_id: OrganizationId, approval_id: UUID, *, actor: Actor
) -> None:
    """Approve the proposal of another person, of whatever kind; it takes effect at once.

    Raises PersonNeeded, NotFound, AlreadyDecided, SecondPersonRequired, or the errors of the effect.
    """
    require_person(actor)
    proposal = await find_proposal(context, organization_id, approval_id)
    effect = EFFECTS[proposal.kind]
    if effect.check is not None:
        await effect.check(context, proposal)
    async with context.database.transaction(organization_id, posting=effect.is_posting) as tx:
        await approve(tx, context, approval_id, actor=actor, effects=EFFECTS)


async def reject_proposal(
    context: PaymentContext, organization_id: OrganizationId, approval_id: UUID, *, actor: Actor
) -> None:
    """Reject a proposal of whatever kind, or withdraw one's own. Raises PersonNeeded, NotFound, AlreadyDecided."""
    require_person(actor)
    async with context.database.transaction(organization_id, posting=True) as tx:
        await reject(tx, context, approval_id, actor=actor, effects=EFFECTS)


async def approve_subject(
    context: PaymentContext, organization_id: OrganizationId, kind: ApprovalKind, subject_id: UUID, *, actor: Actor
) -> None:
    """Approve the latest proposal for a subject. Raises as `approve_proposal`; NotFound where nothing is proposed."""
    async with context.database.transaction(organization_id) as tx:
        found = await find_approval_of(tx, kind, subject_id)
    await approve_proposal(context, organization_id, found.id, actor=actor)


async def reject_subject(
    context: PaymentContext, organization_id: OrganizationId, kind: ApprovalKind, subject_id: UUID, *, actor: Actor
) -> None:
    """Reject the latest proposal for a subject. Raises as `reject_proposal`; NotFound where nothing is proposed."""
    async with context.database.transaction(organization_id) as tx:
        found = await find_approval_of(tx, kind, subject_id)
    await reject_proposal(context, organization_id, found.id, actor=actor)


async def find_proposal(context: PaymentContext, organization_id: OrganizationId, approval_id: UUID) -> Approval:
    """One proposal of whatever kind, with its decision. Raises NotFound."""
    async with context.database.transaction(organization_id) as tx:
        return await find_approval(tx, approval_id)


async def list_proposals(
    context: PaymentContext,
    organization_id: OrganizationId,
    part: ListSlice,
    *,
    kinds: Collection[ApprovalKind],
    state: ApprovalState | None = None,
) -> Sequence[Approval]:
    """Proposals of some kinds with their decisions, the newest first; None filters nothing."""
    async with context.database.transaction(organization_id) as tx:
        return await read_approvals(tx, part, kinds=kinds, state=state)

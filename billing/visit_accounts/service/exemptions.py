"""Exemptions (miễn giảm): proposed by one person with a fund and a reason, approved by another. Use cases.

`approve_exemption` and `reject_exemption` are the effects of the decision. An exemption lowers what the patient owes at
the final bill, never the base of the insurer. Source: docs/reference/hospital-money.md, C-007.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from billing.core.actor import Actor
from billing.core.approvals import require_person
from billing.core.errors import InvalidValue, NotFound
from billing.core.ids import OrganizationId, VisitId
from billing.core.money import Dong
from billing.core.reasons import read_reason
from billing.db.context import Context
from billing.db.database import Transaction
from billing.db.idempotency import IdempotentRequest, find_previous_result, save_result
from billing.ledger.service.audit import note
from billing.organizations.service.approvals import Approval, ApprovalKind, propose
from billing.payments.service.context import PaymentContext
from billing.payments.store.deposits import lock_deposit_of_visit
from billing.visit_accounts.domain.account import require_account
from billing.visit_accounts.domain.guarantee import Exemption, ExemptionState
from billing.visit_accounts.service.account_writes import lock_open_account
from billing.visit_accounts.service.clearing import update_clearance
from billing.visit_accounts.store.accounts import read_account
from billing.visit_accounts.store.charges import lock_charges
from billing.visit_accounts.store.guarantees import add_exemption, find_exemption, read_bearers, set_exemption_state

_FUND = re.compile(r"[a-z0-9][a-z0-9_]{0,39}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedExemption:
    """The code of the fund, the amount in đồng that it bears, and the reason."""

    fund: str
    amount: Dong
    reason: str

    def __post_init__(self) -> None:
        if _FUND.fullmatch(self.fund) is None:
            raise InvalidValue("a fund is a code of 1 to 40 characters a-z, 0-9 and _", field="fund")
        if self.amount <= 0:
            raise InvalidValue("an exemption has an amount above 0", field="amount")


async def propose_exemption(
    context: Context,
    organization_id: OrganizationId,
    visit_id: VisitId,
    proposed: ProposedExemption,
    *,
    actor: Actor,
    request: IdempotentRequest | None = None,
) -> UUID:
    """Propose that a fund bears an amount instead of the patient; returns the id of the exemption.

    Raises PersonNeeded, InvalidValue, NotFound, VisitClosed, idempotency errors.
    """
    require_person(actor)
    text = read_reason(proposed.reason)
    now = context.clock()
    async with context.database.transaction(organization_id) as tx:
        earlier = await find_previous_result(tx, request)
        if earlier is not None:
            return earlier.subjects[0]
        await lock_open_account(tx, visit_id)
        exemption = Exemption(
            id=context.ids.new(),
            visit_id=visit_id,
            fund=proposed.fund,
            amount=proposed.amount,
            reason=text,
            state=ExemptionState.PROPOSED,
            created_at=now,
        )
        await add_exemption(tx, exemption)
        payload = {"visit_id": str(visit_id), "fund": proposed.fund, "amount": proposed.amount, "reason": text}
        await propose(tx, context, ApprovalKind.EXEMPTION, exemption.id, payload=payload, actor=actor)
        await save_result(tx, request, [exemption.id], now=now)
    context.publish_change(organization_id)
    return exemption.id


async def list_exemptions(context: Context, organization_id: OrganizationId, visit_id: VisitId) -> Sequence[Exemption]:
    """The exemptions of a visit, the oldest first. Raises NotFound."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        require_account(await read_account(tx, visit_id))
        return (await read_bearers(tx, visit_id)).exemptions


async def read_exemption(context: Context, organization_id: OrganizationId, exemption_id: UUID) -> Exemption:
    """One exemption. Raises NotFound."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        found = await find_exemption(tx, exemption_id)
    if found is None:
        raise NotFound("no such exemption", field="exemption_id")
    return found


async def approve_exemption(tx: Transaction, context: PaymentContext, approval: Approval, actor: Actor) -> None:
    """The effect of an approval: the exemption counts at the final bill, and for the clearance. Raises VisitClosed."""
    exemption = await _lock(tx, approval)
    await set_exemption_state(tx, replace(exemption, state=ExemptionState.APPROVED))
    await note(tx, context, actor, "exemption_granted", ("visit", exemption.visit_id))
    await update_clearance(tx, context, exemption.visit_id)


async def reject_exemption(tx: Transaction, _context: PaymentContext, approval: Approval, _actor: Actor) -> None:
    """The effect of a rejection or a withdrawal."""
    exemption = await find_exemption(tx, approval.subject_id)
    assert exemption is not None, "an exemption is never removed"
    await set_exemption_state(tx, replace(exemption, state=ExemptionState.REJECTED))


async def _lock(tx: Transaction, approval: Approval) -> Exemption:
    exemption = await find_exemption(tx, approval.subject_id)
    assert exemption is not None, "an exemption is never removed"
    await lock_open_account(tx, exemption.visit_id)
    await lock_charges(tx, exemption.visit_id)
    await lock_deposit_of_visit(tx, exemption.visit_id)
    return exemption

"""Request a refund: reserve its money, and propose it or approve it at once. A step.

`refunds.py` and the decisions on exceptions use it. Source: docs/design.md §5; docs/visit-accounts.md, Refunds.
"""

from collections.abc import Sequence

from billing.core.actor import Actor
from billing.core.approvals import require_person
from billing.core.errors import InvalidValue
from billing.core.ids import ProviderAccountId, RefundId
from billing.core.reasons import read_reason
from billing.db.database import Transaction
from billing.organizations.service.approvals import ApprovalKind, propose
from billing.payments.domain.refund import (
    BankDestination,
    Refund,
    RefundOfSeveralPayments,
    RefundPart,
    RefundState,
    RefundWay,
)
from billing.payments.service.context import PaymentContext
from billing.payments.service.refunding import announce, reserve, write_change
from billing.payments.store.refunds import add_destination, add_parts, read_approval_above
from billing.visit_accounts.service.refund_sources import NewRefund, choose_destination, lock_sources, store_refund


def check_new_refund(new: NewRefund, *, actor: Actor) -> None:
    """Check what a request states. Raises InvalidValue, PersonNeeded."""
    require_person(actor)
    read_reason(new.reason, field="reason")
    if new.amount == 0:
        raise InvalidValue("an amount above 0", field="amount")
    if (new.visit_id is None) == (new.payment_id is None):
        raise InvalidValue("name a visit or a payment, one of both", field="visit_id")


async def open_refund(
    tx: Transaction,
    context: PaymentContext,
    new: NewRefund,
    *,
    account_id: ProviderAccountId | None,
    actor: Actor,
) -> Refund:
    """Reserve money for a checked request, and propose the refund or approve it where no second person is needed.

    `account_id` is the account whose provider returns the money (`require_provider`). Raises NotFound,
    NothingToRefund, PaymentHeld, RefundOfSeveralPayments, DestinationNeeded, InvalidValue.
    """
    sources = await lock_sources(tx, new)
    destination = await choose_destination(tx, context, new, sources)
    is_stated = destination is not None and destination.is_stated
    refund = Refund(
        id=RefundId(context.ids.new()),
        reference="",
        way=new.way,
        amount=new.amount,
        reason=read_reason(new.reason, field="reason"),
        needs_approval=is_stated or max(new.amount, new.requested_sum) > await read_approval_above(tx),
        state=RefundState.REQUESTED,
        version=1,
        requested_by=actor.person,
        requested_at=context.clock(),
        visit_id=sources.visit_id,
        provider_account_id=account_id,
    )
    refund = await store_refund(tx, context, refund)
    parts = await reserve(tx, context, refund, sources.parts, sources.deposits, actor=actor)
    if new.way is RefundWay.PROVIDER and len({part.payment_id for part in parts}) > 1:
        raise RefundOfSeveralPayments("request one refund for each payment: payment_id", field="visit_id")
    await add_parts(tx, refund.id, parts)
    if destination is not None:
        await add_destination(tx, refund.id, destination)
    await announce(tx, context, refund, "refund_requested", actor)
    if refund.needs_approval:
        payload = _payload(refund, parts, destination)
        await propose(tx, context, ApprovalKind.REFUND, refund.id, payload=payload, actor=actor)
        return refund
    approved = approve(refund, context)
    await write_change(tx, context, approved, "refund_approved", actor)
    return approved


def approve(refund: Refund, context: PaymentContext) -> Refund:
    """The refund as approved; one through its provider is due at once. Raises RefundNotWaiting."""
    return refund.approve(due_at=context.clock() if refund.way is RefundWay.PROVIDER else None)


def _payload(refund: Refund, parts: Sequence[RefundPart], destination: BankDestination | None) -> dict[str, object]:
    """What the second person reads. The account is named by its last digits: a proposal holds no personal data."""
    payload: dict[str, object] = {
        "amount": refund.amount,
        "way": refund.way.value,
        "reason": refund.reason,
        "payments": sorted({str(part.payment_id) for part in parts}),
    }
    if destination is not None:
        payload["bank_bin"] = destination.bank_bin
        payload["account_ending"] = destination.account_number[-4:]
        payload["is_stated"] = destination.is_stated
    return payload

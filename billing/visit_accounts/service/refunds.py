"""Refunds: requested, approved or refused, sent in cash or by bank transfer, confirmed and cancelled.

The money is reserved when a refund is requested. Refunds through a provider are sent and queried by
`payments/service/provider_refunds.py`. Source: docs/design.md §5; docs/visit-accounts.md, Refunds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from billing.core.actor import Actor
from billing.core.approvals import require_person
from billing.core.errors import InvalidValue, NotFound
from billing.core.ids import OrganizationId, ReceiptId, RefundId
from billing.core.list_slice import ListSlice
from billing.core.money import Dong
from billing.db.database import Transaction
from billing.db.idempotency import IdempotentRequest, find_previous_result, save_result
from billing.ledger.domain.accounts import bank_clearing_account
from billing.organizations.service.approvals import (
    Approval,
    ApprovalKind,
    reject_proposed,
    require_second_person,
)
from billing.payments.domain.payment import AllocationTarget
from billing.payments.domain.reference_links import normal_reference
from billing.payments.domain.refund import (
    BankDestination,
    BankReferenceUsed,
    Refund,
    RefundFilter,
    RefundNotWaiting,
    RefundPart,
    RefundState,
    RefundWay,
)
from billing.payments.service.context import PaymentContext
from billing.payments.service.refunding import (
    complete,
    end_parts,
    lock_with_money,
    return_money,
    write_change,
)
from billing.payments.store.refunds import (
    is_reference_used,
    list_refunds,
    read_destination,
    read_parts,
    read_refund,
)
from billing.visit_accounts.domain.receipt import Purpose
from billing.visit_accounts.domain.shift import round_cash
from billing.visit_accounts.service.cash import CashPayout, pay_out_cash
from billing.visit_accounts.service.refund_requests import approve, check_new_refund, open_refund
from billing.visit_accounts.service.refund_sources import NewRefund, require_provider
from billing.visit_accounts.store.desks import find_desk
from billing.visit_accounts.store.hand_overs import has_bank_account
from billing.visit_accounts.store.receipts import read_receipts_of_refund
from billing.visit_accounts.store.shifts import read_latest_shift_of
from providers.contract import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundDetails:
    """A refund with its parts, its destination, and the numbers of the receipts that paid it out in cash."""

    refund: Refund
    parts: Sequence[RefundPart]
    destination: BankDestination | None
    receipts: Mapping[ReceiptId, str]


async def request_refund(
    context: PaymentContext,
    organization_id: OrganizationId,
    new: NewRefund,
    *,
    actor: Actor,
    request: IdempotentRequest | None = None,
) -> RefundId:
    """Reserve money for a refund and propose it, or approve it at once where the organization needs no second person.

    A repeated `request` returns the earlier refund. Raises NotFound, NothingToRefund, PaymentHeld,
    ProviderCannotRefund, RefundOfSeveralPayments, DestinationNeeded, InvalidValue, PersonNeeded.
    """
    check_new_refund(new, actor=actor)
    account_id = await require_provider(context, organization_id, new)
    async with context.database.transaction(organization_id, posting=True) as tx:
        earlier = await find_previous_result(tx, request)
        if earlier is not None:
            return RefundId(earlier.subjects[0])
        refund = await open_refund(tx, context, new, account_id=account_id, actor=actor)
        await save_result(tx, request, [refund.id], now=context.clock())
    context.publish_change(organization_id)
    return refund.id


async def approve_refund(tx: Transaction, context: PaymentContext, proposal: Approval, actor: Actor) -> None:
    """Let an approved refund be sent. Raises RefundNotWaiting."""
    refund = await read_refund(tx, RefundId(proposal.subject_id), locked=True)
    assert refund is not None, "a proposal names its refund"
    await write_change(tx, context, approve(refund, context), "refund_approved", actor)


async def refuse_refund(tx: Transaction, context: PaymentContext, proposal: Approval, actor: Actor) -> None:
    """Return the reserved money of a refused refund. Raises RefundNotWaiting."""
    refund, parts, deposits = await lock_with_money(tx, RefundId(proposal.subject_id))
    refused = refund.refuse(by=actor.person, at=context.clock())
    await return_money(tx, context, refund, parts, deposits, actor=actor)
    await write_change(tx, context, refused, "refund_refused", actor)


async def send_refund(
    context: PaymentContext,
    organization_id: OrganizationId,
    refund_id: RefundId,
    *,
    bank_account_id: UUID | None = None,
    actor: Actor,
) -> None:
    """Pay a refund from the drawer of the caller's shift, or record that a transfer by hand was instructed.

    Raises NotFound, RefundNotApproved, RefundNotWaiting, NoOpenShift, NotEnoughCash, PersonNeeded, InvalidValue.
    """
    person = require_person(actor)
    async with context.database.transaction(organization_id, posting=True) as tx:
        refund, parts, _ = await lock_with_money(tx, refund_id)
        now = context.clock()
        if refund.way is RefundWay.CASH:
            sent = refund.send(by=person, at=now)
            done = replace(sent, state=RefundState.DONE, ended_by=person, ended_at=now)
            await end_parts(tx, context, parts)
            await write_change(tx, context, done, "refund_done", actor)
            await pay_out_cash(tx, context, _payout(refund, parts), actor=actor)
        elif refund.way is RefundWay.MANUAL_TRANSFER:
            if bank_account_id is None or not await has_bank_account(tx, bank_account_id):
                raise InvalidValue("name the bank account that the transfer leaves", field="bank_account_id")
            sent = refund.send(by=person, at=now, bank_account_id=bank_account_id)
            await write_change(tx, context, sent, "refund_sent", actor)
        else:
            raise InvalidValue("a refund through a provider is sent by its own call", field="refund_id")
    context.publish_change(organization_id)


async def confirm_refund(
    context: PaymentContext,
    organization_id: OrganizationId,
    refund_id: RefundId,
    *,
    bank_reference: str,
    actor: Actor,
) -> None:
    """Confirm a transfer with the bank's reference, by another person than its sender: C 113 of the bank account.

    Raises NotFound, RefundNotWaiting, SecondPersonRequired, BankReferenceUsed, PersonNeeded, InvalidValue.
    """
    person = require_person(actor)
    reference = normal_reference(bank_reference)  # in one form, so that the index of references guards it too
    if not 1 <= len(reference) <= 100:
        raise InvalidValue("the bank's reference has 1 to 100 characters", field="bank_reference")
    async with context.database.transaction(organization_id, posting=True) as tx:
        refund, parts, _ = await lock_with_money(tx, refund_id)
        done = refund.complete(by=person, at=context.clock(), bank_reference=reference)
        if refund.way is not RefundWay.MANUAL_TRANSFER:
            raise RefundNotWaiting("only a bank transfer is confirmed by a person", field="refund_id")
        assert refund.sent_by is not None, "a person sent the transfer"
        assert refund.bank_account_id is not None, "a sent transfer names its account"
        await require_second_person(tx, refund.sent_by, actor)
        if await is_reference_used(tx, refund.bank_account_id, reference):
            raise BankReferenceUsed(f"a refund was confirmed with {reference}", field="bank_reference")
        left_from = bank_clearing_account(refund.bank_account_id)
        await complete(tx, context, done, parts, left_from=left_from, actor=actor)
    context.publish_change(organization_id)


async def cancel_refund(
    context: PaymentContext, organization_id: OrganizationId, refund_id: RefundId, *, actor: Actor
) -> None:
    """End a refund whose money has not left, and return the money to where it came from.

    A refund that was sent is ended by another person than its sender: a transfer that the bank rejected, or a refund
    that its provider does not know. Raises NotFound, RefundNotWaiting, SecondPersonRequired, PersonNeeded.
    """
    person = require_person(actor)
    async with context.database.transaction(organization_id, posting=True) as tx:
        await reject_proposed(tx, context, ApprovalKind.REFUND, refund_id, actor)
        refund, parts, deposits = await lock_with_money(tx, refund_id)
        now = context.clock()
        is_unknown_there = refund.state is RefundState.UNKNOWN and refund.last_outcome is Outcome.NOT_FOUND
        is_rejected = refund.state is RefundState.SENT and refund.way is RefundWay.MANUAL_TRANSFER
        if is_rejected or (is_unknown_there and refund.due_at is None):
            first = refund.sent_by or refund.requested_by
            assert first is not None, "a person requested the refund"
            await require_second_person(tx, first, actor)
            ended = refund.fail(by=person, at=now)
        else:
            ended = refund.cancel(by=person, at=now)
        await return_money(tx, context, refund, parts, deposits, actor=actor)
        await write_change(tx, context, ended, f"refund_{ended.state}", actor)
    context.publish_change(organization_id)


async def find_refund(context: PaymentContext, organization_id: OrganizationId, refund_id: RefundId) -> RefundDetails:
    """A refund with its parts, destination and receipts. Raises NotFound."""
    async with context.database.transaction(organization_id) as tx:
        refund = await read_refund(tx, refund_id)
        if refund is None:
            raise NotFound("no such refund", field="refund_id")
        parts, destination = await read_parts(tx, refund_id), await read_destination(tx, refund_id)
        receipts = await read_receipts_of_refund(tx, refund_id)
    return RefundDetails(refund=refund, parts=parts, destination=destination, receipts=receipts)


async def find_cash_to_pay(
    context: PaymentContext, organization_id: OrganizationId, amount: Dong, *, actor: Actor
) -> Dong:
    """The cash that a refund takes from the caller's drawer, rounded as the facility of the desk rounds cash.

    The amount itself where the caller has no shift, and cannot pay.
    """
    async with context.database.transaction(organization_id, read_only=True) as tx:
        shift = await read_latest_shift_of(tx, require_person(actor))
        desk = None if shift is None else await find_desk(tx, shift.desk_id)
    return amount if desk is None else Dong(amount + round_cash(amount, step=desk.rounding_step))


async def list_all_refunds(
    context: PaymentContext, organization_id: OrganizationId, part: ListSlice, wanted: RefundFilter
) -> list[Refund]:
    """Refunds, the newest first."""
    async with context.database.transaction(organization_id) as tx:
        return await list_refunds(tx, part, wanted)


def _payout(refund: Refund, parts: Sequence[RefundPart]) -> CashPayout:
    payments = {part.payment_id for part in parts}
    is_deposit = any(part.source is AllocationTarget.DEPOSIT for part in parts)
    return CashPayout(
        amount=refund.amount,
        purpose=Purpose.RETURNED_DEPOSIT if is_deposit else Purpose.REFUND,
        visit_id=refund.visit_id,
        refund_id=refund.id,
        payment_id=payments.pop() if len(payments) == 1 else None,
        printed={"reason": refund.reason, "refund": refund.reference},
    )

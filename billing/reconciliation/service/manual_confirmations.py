"""Confirm a transfer manually, and end confirmations whose money has come or that finance has decided.

A confirmation releases the lines of its request under the name of a head cashier and opens an exception. It books
nothing: the notice or the statement line does, and closes the exception. It is for what is not paid: where a part has
arrived, for the rest, and never for a transfer that has arrived. Source: docs/ux.md, Manual confirmation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from uuid import UUID

from billing.core.actor import Actor
from billing.core.approvals import require_person
from billing.core.ids import DepositRequestId, InvoiceId, OrganizationId, VisitId
from billing.core.reasons import read_reason
from billing.db.database import Transaction
from billing.db.idempotency import IdempotentRequest, find_previous_result, save_result
from billing.db.rounds import run_each
from billing.invoices.store.invoices import lock_invoices
from billing.ledger.service.audit import note
from billing.payments.domain.exception import ExceptionReason, ExceptionState, policy_of
from billing.payments.service.context import PaymentContext
from billing.payments.store.deposits import lock_deposit_of_visit, lock_requests
from billing.reconciliation.domain.manual_confirmation import (
    ConfirmableTarget,
    ConfirmationOffline,
    ConfirmedAlready,
    ManualConfirmation,
    NothingToConfirm,
    TargetKind,
    TransferHasArrived,
    read_reference,
)
from billing.reconciliation.domain.money_search import compact
from billing.reconciliation.service.deciding import close_cases
from billing.reconciliation.store.decisions import add_comment
from billing.reconciliation.store.exceptions import lock_cases
from billing.reconciliation.store.manual_confirmations import (
    add_confirmation,
    end_confirmation,
    find_confirmations_to_end,
    is_confirmed,
    read_arrived_references,
    read_confirmable,
    read_standing,
    read_subjects,
    read_target_state,
)
from billing.visit_accounts.domain.account import require_account
from billing.visit_accounts.service.clearing import update_clearance
from billing.visit_accounts.store.accounts import lock_account
from billing.visit_accounts.store.charges import lock_charges

ENDED_MAX = 200
"""Confirmations that one round ends."""

_ARRIVED_WITHIN = timedelta(days=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewConfirmation:
    """What a head cashier states: the transfer of a bank reference is for this request or invoice, with the reason.

    `is_offline`: the service does not reach the providers now.
    """

    target_id: UUID
    bank_reference: str
    reason: str
    is_offline: bool = False


async def list_confirmable(
    context: PaymentContext, organization_id: OrganizationId, visit_id: VisitId
) -> Sequence[ConfirmableTarget]:
    """The requests and invoices of a visit that a transfer may be confirmed for, the newest first."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        return await read_confirmable(tx, visit_id)


async def list_confirmations(
    context: PaymentContext, organization_id: OrganizationId, visit_id: VisitId
) -> Sequence[ManualConfirmation]:
    """The confirmations of a visit that stand."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        return await read_standing(tx, visit_id)


async def confirm_manually(
    context: PaymentContext,
    organization_id: OrganizationId,
    visit_id: VisitId,
    new: NewConfirmation,
    *,
    actor: Actor,
    request: IdempotentRequest | None = None,
) -> UUID:
    """Release what a transfer pays, under the name of the actor; returns the id of the exception.

    It is for the amount that is not paid. Raises NothingToConfirm, ConfirmedAlready, TransferHasArrived,
    ConfirmationOffline, NotFound, InvalidValue, PersonNeeded, or idempotency errors.
    """
    person = require_person(actor)
    reason, reference = read_reason(new.reason), read_reference(new.bank_reference)
    async with context.database.transaction(organization_id) as tx:
        earlier = await find_previous_result(tx, request)
        if earlier is not None:
            return earlier.subjects[0]
        account = require_account(await lock_account(tx, visit_id))
        await lock_charges(tx, visit_id)
        found = await _lock_target(tx, visit_id, new.target_id)
        now = context.clock()
        if found is None:
            raise NothingToConfirm("this request or invoice is paid or withdrawn; open the visit again")
        if new.is_offline and not found.confirms_offline:
            raise ConfirmationOffline("no provider is reached now, and the facility allows no confirmation then")
        if found.confirmation is not None or await is_confirmed(tx, reference):
            raise ConfirmedAlready("this request, invoice or transfer was confirmed before", field="reference")
        if any(compact(each) == reference for each in await read_arrived_references(tx, since=now - _ARRIVED_WITHIN)):
            raise TransferHasArrived("this transfer has arrived; find it and assign it", field="reference")
        is_invoice = found.kind is TargetKind.INVOICE
        stated = ManualConfirmation(
            id=context.ids.new(),
            deposit_request_id=None if is_invoice else DepositRequestId(found.id),
            invoice_id=InvoiceId(found.id) if is_invoice else None,
            exception_id=context.ids.new(),
            amount=found.remaining,
            person="",
            confirmed_at=now,
        )
        policies = (await context.reference_data(tx)).exception_policies
        policy = policy_of(ExceptionReason.MANUAL_CONFIRMATION_NOT_SEEN, policies)
        if not await add_confirmation(tx, stated, visit_id, reference, by=person, owner=(policy.owner_id, policy.due)):
            raise ConfirmedAlready("this transfer was confirmed meanwhile, for another visit", field="reference")
        comment = f"{account.ma_lk} · {reference}: {reason}"
        await add_comment(tx, context.ids.new(), stated.exception_id, comment, by=person, at=now)
        if not is_invoice:
            await update_clearance(tx, context, visit_id)
        await note(tx, context, actor, "transfer_confirmed_manually", ("visit", visit_id))
        await save_result(tx, request, [stated.exception_id], now=now)
    context.publish_change(organization_id)
    return stated.exception_id


async def end_confirmations_once(context: PaymentContext, organization_id: OrganizationId) -> int:
    """End confirmations that are paid or withdrawn, whose exception was closed, or whose transfer came; their number.

    A transfer that came with less than is owed ends the release, and leaves the exception to a person. Raises the first
    failure, after the others are ended.
    """
    async with context.database.transaction(organization_id, read_only=True) as tx:
        ended = await find_confirmations_to_end(tx, at_most=ENDED_MAX)
    return await run_each("confirmation", ended, partial(_end, context, organization_id))


async def _lock_target(tx: Transaction, visit_id: VisitId, target_id: UUID) -> ConfirmableTarget | None:
    """Lock what is confirmed, so that a callback has been counted or comes after; None where nothing is owed."""
    named = next((one for one in await read_confirmable(tx, visit_id) if one.id == target_id), None)
    if named is None:
        return None
    if named.kind is TargetKind.INVOICE:
        await lock_invoices(tx, [InvoiceId(target_id)])
    else:
        await lock_deposit_of_visit(tx, visit_id)
        await lock_requests(tx, [DepositRequestId(target_id)])
    return next((one for one in await read_confirmable(tx, visit_id) if one.id == target_id), None)


async def _end(context: PaymentContext, organization_id: OrganizationId, confirmation_id: UUID) -> int:
    async with context.database.transaction(organization_id, posting=True) as tx:
        visit_id, exception_id, is_invoice = await read_subjects(tx, confirmation_id)
        await lock_account(tx, visit_id)
        await lock_charges(tx, visit_id)
        cases = [one for one in await lock_cases(tx, [exception_id]) if one.state is ExceptionState.OPEN]
        state = await read_target_state(tx, confirmation_id)
        if state is None:
            return 0  # another worker has ended it
        is_open, has_come = state
        if cases and is_open and not has_come:
            return 0
        if not is_open:
            await close_cases(tx, context, cases, reason="what the confirmed transfer pays was paid or withdrawn")
        await end_confirmation(tx, confirmation_id, at=context.clock())
        if not is_invoice:
            await update_clearance(tx, context, visit_id)
    context.publish_change(organization_id)
    return 1

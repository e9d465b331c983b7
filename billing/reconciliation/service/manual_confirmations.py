"""Confirm a transfer manually, and end confirmations whose money has come or that finance has decided.

A confirmation releases the lines of its request under the name of a head cashier and opens an exception. It books
nothing: the notice or the statement line does, and closes the exception. Source: docs/ux.md, Manual confirmation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from uuid import UUID

from billing.core.actor import Actor
from billing.core.approvals import require_person
from billing.core.ids import DepositRequestId, OrganizationId, VisitId
from billing.core.reasons import read_reason
from billing.db.idempotency import IdempotentRequest, find_previous_result, save_result
from billing.db.rounds import run_each
from billing.ledger.service.audit import note
from billing.payments.domain.exception import ExceptionReason, ExceptionState, policy_of
from billing.payments.service.context import PaymentContext
from billing.reconciliation.domain.manual_confirmation import (
    ConfirmableRequest,
    ConfirmationOffline,
    ConfirmedAlready,
    ManualConfirmation,
    NothingToConfirm,
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
    is_request_open,
    read_arrived_references,
    read_confirmable,
    read_standing,
    read_subjects,
)
from billing.visit_accounts.service.account_writes import lock_open_account
from billing.visit_accounts.service.clearing import update_clearance
from billing.visit_accounts.store.accounts import lock_account
from billing.visit_accounts.store.charges import lock_charges

ENDED_MAX = 200
"""Confirmations that one round ends."""

_ARRIVED_WITHIN = timedelta(days=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewConfirmation:
    """What a head cashier states: the transfer of a bank reference is for this request, with the reason.

    `is_offline`: the service does not reach the providers now.
    """

    request_id: DepositRequestId
    bank_reference: str
    reason: str
    is_offline: bool = False


async def list_confirmable(
    context: PaymentContext, organization_id: OrganizationId, visit_id: VisitId
) -> Sequence[ConfirmableRequest]:
    """The requests of a visit that a transfer may be confirmed for, the newest first."""
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
    """Release the lines of a request under the name of the actor; returns the id of the exception.

    Raises NothingToConfirm, ConfirmedAlready, TransferHasArrived, ConfirmationOffline, VisitClosed, NotFound,
    InvalidValue, PersonNeeded, or idempotency errors.
    """
    person = require_person(actor)
    reason, reference = read_reason(new.reason), read_reference(new.bank_reference)
    async with context.database.transaction(organization_id) as tx:
        earlier = await find_previous_result(tx, request)
        if earlier is not None:
            return earlier.subjects[0]
        account = await lock_open_account(tx, visit_id)
        await lock_charges(tx, visit_id)
        now = context.clock()
        found = next((one for one in await read_confirmable(tx, visit_id) if one.id == new.request_id), None)
        if found is None:
            raise NothingToConfirm("this request is paid, withdrawn, or names no order; open the visit again")
        if new.is_offline and not found.confirms_offline:
            raise ConfirmationOffline("no provider is reached now, and the facility allows no confirmation then")
        if found.confirmation is not None or await is_confirmed(tx, reference):
            raise ConfirmedAlready("this request or this transfer was confirmed before", field="reference")
        arrived = await read_arrived_references(tx, amount=found.remaining, since=now - _ARRIVED_WITHIN)
        if any(compact(each) == reference for each in arrived):
            raise TransferHasArrived("this transfer has arrived; find it and assign it", field="reference")
        stated = ManualConfirmation(
            id=context.ids.new(),
            deposit_request_id=found.id,
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
        await update_clearance(tx, context, visit_id)
        await note(tx, context, actor, "transfer_confirmed_manually", ("visit", visit_id))
        await save_result(tx, request, [stated.exception_id], now=now)
    context.publish_change(organization_id)
    return stated.exception_id


async def end_confirmations_once(context: PaymentContext, organization_id: OrganizationId) -> int:
    """End confirmations whose request was paid or withdrawn, or whose exception was closed; returns their number.

    Raises the first failure, after the others are ended.
    """
    async with context.database.transaction(organization_id, read_only=True) as tx:
        ended = await find_confirmations_to_end(tx, at_most=ENDED_MAX)
    return await run_each("confirmation", ended, partial(_end, context, organization_id))


async def _end(context: PaymentContext, organization_id: OrganizationId, confirmation_id: UUID) -> int:
    async with context.database.transaction(organization_id, posting=True) as tx:
        visit_id, exception_id = await read_subjects(tx, confirmation_id)
        await lock_account(tx, visit_id)
        await lock_charges(tx, visit_id)
        cases = [one for one in await lock_cases(tx, [exception_id]) if one.state is ExceptionState.OPEN]
        if cases and await is_request_open(tx, confirmation_id):
            return 0
        await close_cases(tx, context, cases, reason="the request of the confirmed transfer was paid or withdrawn")
        await end_confirmation(tx, confirmation_id, at=context.clock())
        await update_clearance(tx, context, visit_id)
    context.publish_change(organization_id)
    return 1

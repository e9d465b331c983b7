"""Opens intents for invoices and deposits and requests the payment instruction from the provider.

The intent is recorded and committed before the provider is called, and no transaction is open during the call. Without
a trustworthy answer the intent is UNKNOWN: it is polled, and its payment is started again only after the provider has
answered, 15 minutes after the intent was created, that it knows no such payment. Source: docs/design.md §5, States.
"""

from dataclasses import replace
from datetime import timedelta

import structlog

from billing.checkout.domain.intent_details import IntentDetails
from billing.checkout.domain.urls import callback_path, pay_path
from billing.checkout.service.intent_targets import IntentTarget, check_target, draft_intent
from billing.checkout.service.payment_codes import instruction_now
from billing.checkout.store.intents import (
    has_instruction,
    lock_intent,
    read_intent,
    save_instruction,
    set_intent_state,
)
from billing.checkout.store.pay_pages import read_page_token
from billing.core.actor import Actor
from billing.core.errors import NotFound, Refused, Unavailable
from billing.core.ids import IntentId, OrganizationId
from billing.core.money import Dong
from billing.core.reference_code import purpose_text
from billing.db.database import Transaction
from billing.db.idempotency import IdempotentRequest, RequestStillRunning, find_previous_result, save_result
from billing.ledger.store.journal import write_audit, write_message
from billing.organizations.service.context import ProviderAccount
from billing.payments.domain.intent import Intent, IntentState
from billing.payments.domain.poll_schedule import LEASE
from billing.payments.service.context import PaymentContext
from billing.payments.service.webhook_messages import intent_message
from billing.payments.store.intent_rows import read_owed
from billing.payments.store.polls import restart_poll
from providers import contract
from providers.addresses import safe_redirect
from providers.contract import LocalQr, Outcome, PaymentInstruction, PaymentRefused, PaymentRequest, PaymentUnknown

INSTRUCTION_TIMEOUT = timedelta(seconds=30)
"""How long the first request waits for the provider before an idempotent repeat calls the provider in its place."""

_CHOOSE_ANOTHER = "the provider cannot collect this amount this way; choose another"

log = structlog.get_logger(__name__)


class IntentAlreadySucceeded(Refused):
    """The money was received: there is nothing left to cancel."""

    code = "intent_already_succeeded"


class PaymentNotStarted(Refused):
    """The provider cannot perform this payment; the intent stays, and money under its code would still be booked."""

    code = "payment_not_started"


class ProviderUnreachable(Unavailable):
    """The provider cannot be reached now. The intent waits: the same request, sent again, calls the provider again."""

    code = "provider_unreachable"

    def __init__(self, detail: str, *, intent_id: IntentId) -> None:
        super().__init__(detail)
        self.intent_id = intent_id


async def open_intent(
    context: PaymentContext,
    organization_id: OrganizationId,
    *,
    account_name: str,
    target: IntentTarget,
    amount: Dong | None,
    actor: Actor,
    request: IdempotentRequest | None = None,
    payer_address: str = "",
) -> IntentId:
    """Open an intent to collect the amount that a target still owes (or `amount` of it) through one provider account.

    Without a trustworthy answer of the provider the intent is UNKNOWN and has no instruction. A `request` that was
    answered before returns its earlier intent; if its instruction was never received, because the process ended in
    between or the provider answered that it knows no such payment, the provider is called again. `payer_address` is the
    network address of the client. Raises NotFound, the errors of `draft_intent`, PaymentNotStarted,
    ProviderUnreachable or idempotency errors.
    """
    check_target(target)
    account = await context.accounts.find(organization_id, account_name)
    if account is None or not account.is_active:
        raise NotFound("no active provider account of that name", field="account")
    async with context.database.transaction(organization_id) as tx:
        earlier = await find_previous_result(tx, request)
        if earlier is None:
            intent = await draft_intent(tx, context, account, target, amount)
            await _note(tx, context, "intent_opened", intent.id, actor)
            await save_result(tx, request, [intent.id], now=context.clock())
        else:
            known = await _find_without_instruction(tx, context, IntentId(earlier.subjects[0]))
            if known is None:
                return IntentId(earlier.subjects[0])
            intent = known
    await _start_payment(context, account, intent, actor=actor, payer_address=payer_address)
    return intent.id


async def cancel_intent(
    context: PaymentContext, organization_id: OrganizationId, intent_id: IntentId, *, actor: Actor
) -> None:
    """Cancel an intent; money that still arrives under its code is booked and matched.

    An intent that has failed, expired or been cancelled stays as it is. Raises NotFound and IntentAlreadySucceeded.
    """
    async with context.database.transaction(organization_id) as tx:
        intent = await lock_intent(tx, intent_id)
        if intent is None:
            raise NotFound("no such intent", field="intent_id")
        if intent.state is IntentState.SUCCEEDED:
            raise IntentAlreadySucceeded(
                "the money of this intent has come; it can only be refunded", field="intent_id"
            )
        cancelled = intent.with_outcome(Outcome.CANCELLED)
        if cancelled is not intent:
            await _write_change(tx, context, cancelled, "intent_cancelled", actor)
    context.publish_change(organization_id)


async def find_intent(context: PaymentContext, organization_id: OrganizationId, intent_id: IntentId) -> IntentDetails:
    """The current state of an intent, with the instruction for the amount due now. Raises NotFound."""
    async with context.database.transaction(organization_id) as tx:
        intent = await read_intent(tx, intent_id)
    if intent is None:
        raise NotFound("no such intent", field="intent_id")
    return replace(intent, instruction=await instruction_now(context, organization_id, intent))


async def _find_without_instruction(tx: Transaction, context: PaymentContext, intent_id: IntentId) -> Intent | None:
    """The intent of an earlier request if it has no instruction and no call is in flight; else None.

    None too if it is not known yet whether the provider has it. Raises RequestStillRunning, and PaymentNotStarted if
    the provider rejected it.
    """
    intent = await lock_intent(tx, intent_id)
    assert intent is not None, "a saved request names its intent"
    has_instruction_now = await has_instruction(tx, intent_id)
    if intent.state is IntentState.FAILED and intent.received == 0 and not has_instruction_now:
        raise PaymentNotStarted(_CHOOSE_ANOTHER)
    now = context.clock()
    if intent.state is IntentState.UNKNOWN and intent.received == 0 and not has_instruction_now:
        return intent if await restart_poll(tx, intent_id, due_at=now + LEASE) else None
    if intent.state is not IntentState.CREATED:
        return None
    if now - intent.created_at < INSTRUCTION_TIMEOUT:
        raise RequestStillRunning(
            "the provider is being queried about this intent; repeat the request in a few seconds"
        )
    return intent


async def _start_payment(
    context: PaymentContext, account: ProviderAccount, intent: Intent, *, actor: Actor, payer_address: str
) -> None:
    """Request the instruction of an intent from the provider, with no transaction open, and record the answer."""
    organization_id = account.organization_id
    request = await _request(context, account, intent, payer_address)
    try:
        instruction = await _instruction(account, request)
        if instruction.redirect_url and not safe_redirect(instruction.redirect_url, allow_http=True):
            raise PaymentUnknown("the page of the payment is no address that a browser may be sent to")
    except contract.ProviderUnreachable as error:
        context.unreachable += 1
        log.warning("provider_unreachable", intent_id=str(intent.id), account_id=str(account.id), exc_info=error)
        raise ProviderUnreachable(
            f"the provider of account {account.name} cannot be reached; nothing was started. Send the same request "
            f"again after {INSTRUCTION_TIMEOUT.seconds} s, or open an intent at another account",
            intent_id=intent.id,
        ) from error
    except PaymentRefused as error:
        await _report_outcome(context, organization_id, intent, Outcome.FAILED, action="payment_refused", actor=actor)
        raise PaymentNotStarted(_CHOOSE_ANOTHER) from error
    except PaymentUnknown:
        log.warning("payment_start_unknown", intent_id=str(intent.id), account_id=str(account.id))
        await _report_outcome(
            context, organization_id, intent, Outcome.UNKNOWN, action="payment_start_unknown", actor=actor
        )
        return
    async with context.database.transaction(organization_id) as tx:
        await save_instruction(tx, intent.id, instruction)


async def _instruction(account: ProviderAccount, request: PaymentRequest) -> PaymentInstruction:
    """The instruction of the provider; a standing code, which has no amount, is built without a call."""
    if request.amount == 0:
        assert isinstance(account.provider, LocalQr), "`draft_intent` refuses any other account"
        return account.provider.qr_for(request)
    return await account.provider.create_payment(request)


async def _request(
    context: PaymentContext, account: ProviderAccount, intent: Intent, payer_address: str
) -> PaymentRequest:
    """The payment request of an intent; identical in every call except for the payer's address."""
    base = context.public_base_url
    return_url = callback_url = ""
    if base:
        async with context.database.transaction(account.organization_id) as tx:
            token = await read_page_token(tx, intent.id)
        return_url = "" if token is None else base + pay_path(account.organization_id, token)
        callback_url = base + callback_path(account.organization_id, account.name)
    return PaymentRequest(
        reference=intent.reference,
        amount=intent.amount,
        purpose=purpose_text(intent.reference),
        expires_at=intent.expires_at,
        requested_at=intent.created_at,
        return_url=return_url,
        callback_url=callback_url,
        payer_address=payer_address,
    )


async def _report_outcome(
    context: PaymentContext,
    organization_id: OrganizationId,
    intent_before: Intent,
    outcome: Outcome,
    *,
    action: str,
    actor: Actor,
) -> None:
    """Record the outcome of the start; a state that changed while the provider was called is not overwritten."""
    async with context.database.transaction(organization_id) as tx:
        intent = await lock_intent(tx, intent_before.id)
        assert intent is not None, "intents are never removed"
        changed = intent.with_outcome(outcome)
        if intent.state is intent_before.state and changed is not intent:
            await _write_change(tx, context, changed, action, actor)
    context.publish_change(organization_id)


async def _write_change(tx: Transaction, context: PaymentContext, intent: Intent, action: str, actor: Actor) -> None:
    """Write the state of a locked intent, its webhook message and its audit line."""
    await set_intent_state(tx, intent)
    owed = await read_owed(tx, [intent.id])
    topic, payload = intent_message(intent, owed=owed[intent.id])
    await write_message(tx, context.ids.new(), topic=topic, payload=payload)
    await _note(tx, context, action, intent.id, actor)


async def _note(tx: Transaction, context: PaymentContext, action: str, intent_id: IntentId, actor: Actor) -> None:
    await write_audit(
        tx,
        context.ids.new(),
        recorded_at=context.clock(),
        actor=actor,
        action=action,
        subject=("intent", intent_id),
    )

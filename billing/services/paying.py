"""Collecting: an intent is opened for issued invoices, and the provider is asked how the payer pays.

The intent is recorded and committed before the provider is called, and no transaction is open during the call.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from secrets import randbelow
from typing import Any

from billing.domain.actor import Actor
from billing.domain.errors import InvalidValue, NotFound, Refused, Unavailable
from billing.domain.ids import IntentId, InvoiceId, OrganizationId
from billing.domain.intent import Intent, IntentState
from billing.domain.invoice import Invoice, InvoiceState
from billing.domain.money import NOTHING, Dong
from billing.domain.reference import RANDOM_NUMBERS, purpose_text, reference_code
from billing.services.context import Context, ProviderAccount
from billing.storage.database import Transaction
from billing.storage.intents import add_intent, instruct_intent, read_intent
from billing.storage.invoices import lock_invoices
from billing.storage.journal import write_audit
from providers.contract import PaymentInstruction, PaymentRefused, PaymentRequest

INTENT_LIFE = timedelta(minutes=30)
"""How long a code asks to be paid; money under it is taken at any later time too."""

INVOICES_MAX = 50
_DRAWS_MAX = 20


class InvoiceNotIssued(Refused):
    """Only an issued invoice is paid."""

    code = "invoice_not_issued"


class InvoiceAlreadyPaid(Refused):
    """The invoices ask for nothing more."""

    code = "invoice_already_paid"


class AmountAboveOwed(InvalidValue):
    """A part may be collected, never more than is owed."""

    code = "amount_above_owed"


class PaymentNotStarted(Refused):
    """The provider cannot carry this payment; the intent stays, and money under its code would still be booked."""

    code = "payment_not_started"


async def open_intent(
    context: Context,
    organization_id: OrganizationId,
    *,
    account_name: str,
    invoice_ids: Sequence[InvoiceId],
    amount: Dong | None,
    actor: Actor,
) -> IntentId:
    """Wish to collect what invoices still owe (or `amount` of it) through one provider account.

    Raises NotFound, InvoiceNotIssued, InvoiceAlreadyPaid, AmountAboveOwed or PaymentNotStarted.
    """
    if not invoice_ids or len(set(invoice_ids)) != len(invoice_ids) or len(invoice_ids) > INVOICES_MAX:
        raise InvalidValue(f"name 1 to {INVOICES_MAX} different invoices", field="invoice_ids")
    account = await context.accounts.find(organization_id, account_name)
    if account is None:
        raise NotFound("no active provider account of that name", field="account")
    async with context.database.transaction(organization_id) as tx:
        invoices = await _lock_payable(tx, invoice_ids)
        intent = await _add_intent(tx, context, account, invoices, amount)
        await write_audit(
            tx,
            context.ids.new(),
            recorded_at=context.clock(),
            actor=actor,
            action="intent_opened",
            subject=("intent", intent.id),
        )
    request = PaymentRequest(
        reference=intent.reference,
        amount=intent.amount,
        purpose=purpose_text(intent.reference),
        expires_at=intent.expires_at,
    )
    try:
        instruction = await account.provider.create_payment(request)
    except PaymentRefused as error:
        raise PaymentNotStarted("the provider cannot collect this amount this way; choose another") from error
    async with context.database.transaction(organization_id) as tx:
        await instruct_intent(tx, intent.id, _stored(instruction))
    return intent.id


async def find_intent(context: Context, organization_id: OrganizationId, intent_id: IntentId) -> Mapping[str, Any]:
    """An intent as it stands now. Raises NotFound."""
    async with context.database.transaction(organization_id) as tx:
        row = await read_intent(tx, intent_id)
    if row is None:
        raise NotFound("no such intent", field="intent_id")
    return row


async def _lock_payable(tx: Transaction, invoice_ids: Sequence[InvoiceId]) -> list[Invoice]:
    locked = await lock_invoices(tx, invoice_ids)
    missing = [invoice_id for invoice_id in invoice_ids if invoice_id not in locked]
    if missing:
        raise NotFound(f"no such invoice: {missing[0]}", field="invoice_ids")
    invoices = [locked[invoice_id] for invoice_id in invoice_ids]
    if any(invoice.state is not InvoiceState.ISSUED for invoice in invoices):
        raise InvoiceNotIssued("only an issued invoice is paid", field="invoice_ids")
    return invoices


async def _add_intent(
    tx: Transaction, context: Context, account: ProviderAccount, invoices: Sequence[Invoice], amount: Dong | None
) -> Intent:
    owed = Dong(sum(invoice.owed for invoice in invoices))
    if owed == 0:
        raise InvoiceAlreadyPaid("nothing more is owed", field="invoice_ids")
    if amount is not None and not 0 < amount <= owed:
        raise AmountAboveOwed(f"collect from 1 to {owed} đồng", field="amount")
    books = await context.books(tx)
    now: datetime = context.clock()
    for _ in range(_DRAWS_MAX):
        intent = Intent(
            id=IntentId(context.ids.new()),
            account_id=account.id,
            reference=reference_code(books.prefixes[0], randbelow(RANDOM_NUMBERS)),
            state=IntentState.CREATED,
            version=1,
            amount=owed if amount is None else amount,
            received=NOTHING,
            invoices=tuple(invoice.id for invoice in invoices),
            created_at=now,
            expires_at=now + INTENT_LIFE,
        )
        if await add_intent(tx, intent):
            return intent
    raise Unavailable("no free reference code was drawn; give this organization a further prefix")


def _stored(instruction: PaymentInstruction) -> dict[str, str]:
    return asdict(instruction)

"""What an intent collects for: locked, checked, and written as a new intent. A step.

Lock order: invoices, deposit, deposit request. `intents.py` requests the payment instruction afterwards.
Source: docs/design.md §2, §5; docs/visit-accounts.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from secrets import randbelow, token_bytes

from billing.checkout.store.intents import add_intent, find_standing
from billing.checkout.store.pay_pages import add_pay_page
from billing.core.errors import InvalidValue, NotFound, Refused, Unavailable
from billing.core.ids import DepositId, DepositRequestId, IntentId, InvoiceId, PaymentId, VisitId
from billing.core.money import NOTHING, Dong
from billing.core.reference_code import RANDOM_NUMBERS, reference_code
from billing.db.database import Transaction
from billing.invoices.domain.invoice import InvoiceNotIssued, InvoiceState
from billing.invoices.store.invoices import lock_invoices
from billing.organizations.service.context import ProviderAccount
from billing.payments.domain.deposit import Deposit, DepositClosed
from billing.payments.domain.intent import Intent, IntentState
from billing.payments.service.context import PaymentContext
from billing.payments.store.deposits import find_deposit_of_request, lock_deposit_of_visit, lock_deposits, lock_requests
from billing.payments.store.payments import read_payments_of_invoices
from providers.contract import Inquiries, LocalQr

INTENT_LIFE = timedelta(minutes=30)
"""How long a code requests payment; money under it is booked at any later time too."""

INVOICES_MAX = 50
PAGE_TOKEN_BYTES = 16
_DRAWS_MAX = 20


class InvoiceAlreadyPaid(Refused):
    """The invoices owe nothing more; `payments` are the payments allocated to them."""

    code = "invoice_already_paid"

    def __init__(self, detail: str, *, field: str | None = None, payments: Sequence[PaymentId] = ()) -> None:
        super().__init__(detail, field=field)
        self.payments = tuple(payments)


class AmountAboveOwed(InvalidValue):
    """A part may be collected, never more than the amount owed."""

    code = "amount_above_owed"


class DepositRequestPaid(Refused):
    """The deposit request requests nothing more: it is paid, withdrawn or superseded."""

    code = "deposit_request_paid"


class StandingCodeExists(Refused):
    """The visit has a standing code."""

    code = "standing_code_exists"


class StandingCodeNotSupported(InvalidValue):
    """The provider of the account makes no code without an amount."""

    code = "standing_code_not_supported"


@dataclass(frozen=True, slots=True)
class InvoicesTarget:
    """Invoices, in the order in which they are paid."""

    invoice_ids: tuple[InvoiceId, ...]


@dataclass(frozen=True, slots=True)
class RequestTarget:
    """A deposit request of an open visit."""

    request_id: DepositRequestId


@dataclass(frozen=True, slots=True)
class StandingTarget:
    """The deposit of an open visit, under a standing code: any amount, any number of times."""

    visit_id: VisitId


IntentTarget = InvoicesTarget | RequestTarget | StandingTarget


@dataclass(frozen=True, slots=True, kw_only=True)
class _Collectable:
    """A locked target with the amount it owes; a standing code owes none."""

    owed: Dong
    invoices: tuple[InvoiceId, ...] = ()
    deposit_id: DepositId | None = None
    request_id: DepositRequestId | None = None
    is_standing: bool = False


def check_target(target: IntentTarget) -> None:
    """Raises InvalidValue."""
    if isinstance(target, InvoicesTarget):
        named = target.invoice_ids
        if not named or len(set(named)) != len(named) or len(named) > INVOICES_MAX:
            raise InvalidValue(f"name 1 to {INVOICES_MAX} different invoices", field="invoice_ids")


async def draft_intent(
    tx: Transaction, context: PaymentContext, account: ProviderAccount, target: IntentTarget, amount: Dong | None
) -> Intent:
    """Lock a target and add an intent for the amount it owes, or for `amount` of it, with its payment page.

    Raises NotFound, InvoiceNotIssued, InvoiceAlreadyPaid, DepositClosed, DepositRequestPaid, StandingCodeExists,
    StandingCodeNotSupported, AmountAboveOwed, Unavailable.
    """
    found = await _lock(tx, account, target)
    if amount is not None and (found.is_standing or not 0 < amount <= found.owed):
        if found.is_standing:
            raise InvalidValue("a standing code has no amount", field="amount")
        raise AmountAboveOwed(f"collect from 1 to {found.owed} đồng", field="amount")
    reference_data = await context.reference_data(tx)
    now: datetime = context.clock()
    for _ in range(_DRAWS_MAX):
        intent = Intent(
            id=IntentId(context.ids.new()),
            account_id=account.id,
            reference=reference_code(reference_data.prefixes[0], randbelow(RANDOM_NUMBERS)),
            state=IntentState.CREATED,
            version=1,
            amount=found.owed if amount is None else amount,
            received=NOTHING,
            invoices=found.invoices,
            created_at=now,
            expires_at=None if found.is_standing else now + INTENT_LIFE,
            deposit_id=found.deposit_id,
            deposit_request_id=found.request_id,
            is_standing=found.is_standing,
        )
        if await add_intent(tx, intent):
            await add_pay_page(tx, intent.id, token_bytes(PAGE_TOKEN_BYTES))
            return intent
    raise Unavailable("no free reference code was drawn; give this organization a further prefix")


async def _lock(tx: Transaction, account: ProviderAccount, target: IntentTarget) -> _Collectable:
    if isinstance(target, InvoicesTarget):
        return await _lock_invoices(tx, target.invoice_ids)
    if isinstance(target, RequestTarget):
        return await _lock_request(tx, target.request_id)
    return await _lock_for_standing(tx, account, target.visit_id)


async def _lock_invoices(tx: Transaction, invoice_ids: Sequence[InvoiceId]) -> _Collectable:
    locked = await lock_invoices(tx, invoice_ids)
    missing = [invoice_id for invoice_id in invoice_ids if invoice_id not in locked]
    if missing:
        raise NotFound(f"no such invoice: {missing[0]}", field="invoice_ids")
    invoices = [locked[invoice_id] for invoice_id in invoice_ids]
    if any(invoice.state is not InvoiceState.ISSUED for invoice in invoices):
        raise InvoiceNotIssued("only an issued invoice is paid", field="invoice_ids")
    owed = Dong(sum(invoice.owed for invoice in invoices))
    if owed == 0:
        payments = await read_payments_of_invoices(tx, [invoice.id for invoice in invoices])
        raise InvoiceAlreadyPaid("nothing more is owed", field="invoice_ids", payments=payments)
    return _Collectable(owed=owed, invoices=tuple(invoice_ids))


async def _lock_request(tx: Transaction, request_id: DepositRequestId) -> _Collectable:
    deposit_id = await find_deposit_of_request(tx, request_id)
    if deposit_id is None:
        raise NotFound("no such deposit request", field="deposit_request_id")
    _check_open((await lock_deposits(tx, [deposit_id]))[deposit_id])
    request = (await lock_requests(tx, [request_id]))[request_id]
    if request.remaining == 0:
        raise DepositRequestPaid(
            f"deposit request {request.id} is {request.state.value}: nothing more is to be collected for it",
            field="deposit_request_id",
        )
    return _Collectable(owed=request.remaining, deposit_id=deposit_id, request_id=request_id)


async def _lock_for_standing(tx: Transaction, account: ProviderAccount, visit_id: VisitId) -> _Collectable:
    if not isinstance(account.provider, LocalQr) or isinstance(account.provider, Inquiries):
        raise StandingCodeNotSupported(
            f"the provider of account {account.name} makes no code without an amount; use a bank account with VietQR",
            field="account",
        )
    deposit = await lock_deposit_of_visit(tx, visit_id)
    if deposit is None:
        raise NotFound("no open visit with a deposit has this id", field="visit_id")
    _check_open(deposit)
    existing = await find_standing(tx, deposit.id)
    if existing is not None:
        raise StandingCodeExists(
            f"the visit has the standing code {existing.reference_code} (intent {existing.id}) since "
            f"{existing.created_at.isoformat(timespec='seconds')}",
            field="visit_id",
        )
    return _Collectable(owed=NOTHING, deposit_id=deposit.id, is_standing=True)


def _check_open(deposit: Deposit) -> None:
    if not deposit.takes_money:
        raise DepositClosed("the visit has its final bill: no deposit is collected for it", field="visit_id")

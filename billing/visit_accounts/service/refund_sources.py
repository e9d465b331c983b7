"""What a refund may return, where to, and under which code. These are steps.

Source: docs/design.md §5, Where money goes; docs/visit-accounts.md, Refunds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from secrets import randbelow

from billing.core.errors import InvalidValue, NotFound, Unavailable
from billing.core.ids import DepositId, OrganizationId, PaymentId, ProviderAccountId, VisitId
from billing.core.money import NOTHING, Dong
from billing.core.reference_code import RANDOM_NUMBERS, reference_code
from billing.db.database import Transaction
from billing.payments.domain.deposit import Deposit
from billing.payments.domain.reallocation import PartAllocation
from billing.payments.domain.refund import (
    BankDestination,
    DestinationNeeded,
    PaymentHeld,
    ProviderCannotRefund,
    Refund,
    RefundWay,
    refundable,
    require_refundable,
)
from billing.payments.service.context import PaymentContext
from billing.payments.store.allocations import lock_allocations
from billing.payments.store.deposits import lock_deposits
from billing.payments.store.refund_needs import read_needed_for_orders
from billing.payments.store.refunds import (
    add_refund,
    find_deposits_of,
    is_held,
    read_account_name,
    read_payers,
    read_payment_of_refund,
)
from billing.payments.store.visit_payments import find_payments_of_visit, find_visit_of_payment
from providers.contract import Refunds

_DRAWS_MAX = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRefund:
    """A refund to request, in đồng: of one payment, or of the free money of a visit.

    `requested_sum` is that of all refunds of one request, where it has several: the refund limit counts for the sum.
    """

    amount: Dong
    way: RefundWay
    reason: str
    visit_id: VisitId | None = None
    payment_id: PaymentId | None = None
    destination: BankDestination | None = None
    requested_sum: Dong = NOTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundSources:
    """Locked money that a refund may return, and the visit that it came for."""

    parts: Sequence[PartAllocation]
    deposits: dict[DepositId, Deposit]
    visit_id: VisitId | None


async def require_provider(
    context: PaymentContext, organization_id: OrganizationId, new: NewRefund
) -> ProviderAccountId | None:
    """The account whose provider returns the payment. Raises NotFound, ProviderCannotRefund, InvalidValue."""
    if new.way is not RefundWay.PROVIDER:
        return None
    if new.payment_id is None:
        raise InvalidValue("a refund through the provider names its payment: payment_id", field="payment_id")
    async with context.database.transaction(organization_id) as tx:
        payment = await read_payment_of_refund(tx, new.payment_id)
        if payment is None:
            raise NotFound("no such payment", field="payment_id")
        account_id = payment.provider_account_id
        name = None if account_id is None else await read_account_name(tx, account_id)
    account = None if name is None else await context.accounts.find(organization_id, name)
    if account is None or not isinstance(account.provider, Refunds):
        raise ProviderCannotRefund("this provider returns no money; use manual_transfer or cash", field="way")
    if not account.provider.partial_refunds and new.amount != payment.amount:
        raise ProviderCannotRefund("this provider returns payments whole only", field="amount")
    return account.id


async def lock_sources(tx: Transaction, new: NewRefund) -> RefundSources:
    """Lock deposits, then positions. Raises NotFound, PaymentHeld, NothingToRefund."""
    if new.payment_id is not None:
        if await read_payment_of_refund(tx, new.payment_id) is None:
            raise NotFound("no such payment", field="payment_id")
        payment_ids = [new.payment_id]
    else:
        assert new.visit_id is not None, "a visit or a payment is named"
        payment_ids = await find_payments_of_visit(tx, new.visit_id)
    deposits = await lock_deposits(tx, await find_deposits_of(tx, payment_ids))
    parts = [
        part
        for part in await lock_allocations(tx, payment_ids)
        if part.deposit_id is None or part.deposit_id in deposits
    ]
    if new.payment_id is not None and await is_held(tx, new.payment_id):
        raise PaymentHeld("this payment may be a duplicate; a person decides that first", field="payment_id")
    free = NOTHING
    for deposit in deposits.values():
        needed = await read_needed_for_orders(tx, deposit.id) if deposit.takes_money else NOTHING
        free = Dong(free + max(0, deposit.held - needed))
    require_refundable(parts, new.amount, from_deposit=free)
    visit_id = new.visit_id if new.payment_id is None else await find_visit_of_payment(tx, new.payment_id)
    return RefundSources(parts=refundable(parts, from_deposit=free), deposits=deposits, visit_id=visit_id)


async def choose_destination(
    tx: Transaction, context: PaymentContext, new: NewRefund, sources: RefundSources
) -> BankDestination | None:
    """The account of a transfer: as stated, or of the one payer of the payments. Raises DestinationNeeded."""
    if new.way is not RefundWay.MANUAL_TRANSFER:
        if new.destination is not None:
            raise InvalidValue("only a bank transfer has a destination", field="destination")
        return None
    payers = await read_payers(tx, sorted({part.payment_id for part in sources.parts}))
    captured = [
        BankDestination(bank_bin=bank_bin, account_number=account, holder=name)
        for name, account, bank in payers
        if name and account.isalnum() and (bank_bin := _bank_bin(bank, context)) is not None
    ]
    stated = new.destination
    if stated is not None:
        return next(
            (each for each in captured if replace(stated, is_stated=False) == each), replace(stated, is_stated=True)
        )
    if len(captured) != 1:
        raise DestinationNeeded(
            "the account of the payer is not known: state bank_bin, account_number and holder", field="destination"
        )
    return captured[0]


def _bank_bin(bank: str, context: PaymentContext) -> str | None:
    """The BIN of a bank that a provider names by BIN or by name; None if it is not known."""
    if bank in context.bank_names:
        return bank
    return next((bin_ for bin_, name in context.bank_names.items() if name.casefold() == bank.casefold()), None)


async def store_refund(tx: Transaction, context: PaymentContext, refund: Refund) -> Refund:
    """Store a refund under a code that no intent and no other refund has."""
    prefix = (await context.reference_data(tx)).prefixes[0]
    for _ in range(_DRAWS_MAX):
        drawn = replace(refund, reference=reference_code(prefix, randbelow(RANDOM_NUMBERS)))
        if await add_refund(tx, drawn):
            return drawn
    raise Unavailable("no free reference code was drawn; give this organization a further prefix")

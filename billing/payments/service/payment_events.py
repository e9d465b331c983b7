"""Deliveries and their payment events: each notice with the keys, codes and accounts that it names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import UUID

from billing.core.ids import DeliveryId
from billing.core.money import dong
from billing.core.reference_code import Grammar, may_name_code
from billing.db.database import Transaction
from billing.organizations.service.context import ProviderAccount
from billing.payments.domain.event import (
    EventKey,
    PaymentEvent,
    Source,
)
from billing.payments.service.context import PaymentContext, ReferenceData
from billing.payments.service.event_names import codes_in, event_key, movement_keys, reference_key, reversed_keys
from billing.payments.store.payees import NamedPayee, read_own_payees
from providers.contract import Callback, Notice, Verdict
from providers.references import is_placeholder

_FIRST, _LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One verified message of a provider account with its notices."""

    id: DeliveryId
    account: ProviderAccount
    callback: Callback
    notices: tuple[Notice, ...]
    source: Source = Source.CALLBACK


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of a delivery; the receipt is the same for every delivery of one event."""

    verdict: Verdict
    receipt_id: DeliveryId


async def to_events(
    tx: Transaction, deliveries: Sequence[Delivery], reference_data: ReferenceData, context: PaymentContext
) -> tuple[list[PaymentEvent], ReferenceData]:
    """The payment events of the notices. Codes of a prefix that is not cached cause the prefixes to be read again."""
    own = await _own_payees(tx, deliveries)
    notices = [(each, _with_known_payee(each, notice, own)) for each in deliveries for notice in each.notices]
    payment_events = [to_event(delivery, notice, reference_data.grammar, own) for delivery, notice in notices]
    if any(may_have_new_prefix(payment_event) for payment_event in payment_events):
        known, reference_data = reference_data, await context.reference_data_with_new_prefixes(tx, reference_data)
        if known is not reference_data:
            payment_events = [to_event(delivery, notice, reference_data.grammar, own) for delivery, notice in notices]
    return payment_events, reference_data


def may_have_new_prefix(payment_event: PaymentEvent) -> bool:
    codes = payment_event.codes
    return (
        payment_event.moves_money
        and not codes.field
        and not codes.direct
        and may_name_code(payment_event.notice.transfer_text)
    )


async def _own_payees(tx: Transaction, deliveries: Sequence[Delivery]) -> Mapping[NamedPayee, UUID | None]:
    """Payees in messages that differ from the account's own and still are or were the organization's.

    Cached settings may be old, and money under earlier codes still arrives: this is read in the transaction.
    """
    named = [
        one
        for delivery in deliveries
        for notice in delivery.notices
        if notice.names_other_account
        for one in _payees(delivery, notice)
    ]
    return await read_own_payees(tx, named) if named else {}


def _payees(delivery: Delivery, notice: Notice) -> list[NamedPayee]:
    return [NamedPayee(delivery.account.id, setting, value) for setting, value in notice.payee]


def _with_known_payee(delivery: Delivery, notice: Notice, own: Mapping[NamedPayee, UUID | None]) -> Notice:
    """The notice, marked as foreign or not from the data of the transaction."""
    payees = _payees(delivery, notice)
    if notice.names_other_account and payees and all(payee in own for payee in payees):
        return replace(notice, names_other_account=False)
    return notice


def to_event(
    delivery: Delivery, notice: Notice, grammar: Grammar, own: Mapping[NamedPayee, UUID | None]
) -> PaymentEvent:
    banks = [own[payee] for payee in _payees(delivery, notice) if own.get(payee) is not None]
    account = replace(delivery.account, bank_account_id=banks[0]) if banks else delivery.account
    notice = _usable(notice, delivery)
    return PaymentEvent(
        delivery_id=delivery.id,
        account_id=account.id,
        bank_account_id=account.bank_account_id,
        event=EventKey(account.id, event_key(notice)),
        notice=notice,
        amount=dong(notice.amount),
        movement_keys=movement_keys(account, notice),
        reference_key=reference_key(account, notice),
        reverses=reversed_keys(account, notice),
        source=delivery.source,
        codes=codes_in(notice, grammar),
    )


def _usable(notice: Notice, delivery: Delivery) -> Notice:
    """The notice with every name of its money, without a placeholder for the bank reference, and with a usable time.

    An invalid time, as an unset clock writes it, must not prevent the booking: the time of the delivery replaces it.
    """
    if notice.movement_keys and notice.aliases:
        notice = replace(notice, movement_keys=notice.movement_keys | notice.aliases)
    if notice.bank_reference and is_placeholder(notice.bank_reference):
        notice = replace(notice, bank_reference="")
    if not _FIRST <= notice.occurred_at < _LAST:
        notice = replace(notice, occurred_at=delivery.callback.received_at)
    return notice

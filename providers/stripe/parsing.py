"""Reading Stripe's objects, told or asked: a payment intent, a checkout session, a refund, a charge, a dispute.

An object may stand as its id or whole, may lack what is optional and may hold what nobody knows. The money of a payment
is named by its payment intent, whoever tells of it, and by its charge where that is said; money that went back is named
by its refund, which says whose it was. What a charge says of its
refunds is a running total: it names no refund, so it is never added up. Source: Stripe API 2024-06-20.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from providers.contract import Movement, Notice, Outcome
from providers.notices import fingerprint
from providers.stripe.forms import CURRENCY, REFERENCE_FIELD
from providers.stripe.statuses import (
    DISPUTE_EVENTS,
    INTENT_EVENTS,
    REFUND_EVENTS,
    REFUND_NOTICES,
    SESSION_EVENTS,
    outcome_of_intent,
    outcome_of_session,
)

_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_.:-]{0,254}")
_TIMESTAMPS = range(946_684_800, 4_102_444_800)  # 2000 to 2100
_AMOUNT_MAX = 9_999_999_999_999
_LEFT = frozenset({Outcome.SUCCEEDED, Outcome.PENDING})

Object = Mapping[str, object]


def read_event(event: Object, *, received_at: datetime) -> tuple[Notice, ...]:
    """What an event says; nothing where it is none of those that tell of our money.

    Raises ValueError naming the field that makes no sense.
    """
    kind, data = word(event, "type"), event.get("data")
    if not kind:
        raise ValueError("type is missing")
    reported_at = timestamp(event.get("created")) or received_at
    inner = data.get("object") if isinstance(data, Mapping) else None
    found: Object = inner if isinstance(inner, Mapping) else {}
    is_ours = kind in INTENT_EVENTS or kind in SESSION_EVENTS or kind in REFUND_EVENTS or kind in DISPUTE_EVENTS
    if not is_ours and kind != "charge.refunded":
        return ()
    if kind in INTENT_EVENTS:
        return (intent_notice(found, response=INTENT_EVENTS[kind], reported_at=reported_at),)
    if kind in SESSION_EVENTS:
        is_payment = word(found, "mode") in {"", "payment"}
        return (session_notice(found, response=SESSION_EVENTS[kind], reported_at=reported_at),) if is_payment else ()
    if kind in REFUND_EVENTS:
        return (refund_notice(found, reported_at=reported_at),)
    if kind in DISPUTE_EVENTS:
        return (_dispute_notice(found, kind.rpartition(".")[2], reported_at),)
    return tuple(_charge_notices(found, reported_at))


def intent_notice(found: Object, *, response: Outcome | None, reported_at: datetime) -> Notice:
    """The notice of a payment intent. What was received counts, not what was asked. Raises ValueError."""
    number, status = identifier(found), word(found, "status")
    outcome = outcome_of_intent(status, response=response)
    amount = dong_of(found, "amount", is_needed=found.get("amount_received") is None)
    if outcome is Outcome.SUCCEEDED and found.get("amount_received") is not None:
        received = dong_of(found, "amount_received", is_needed=False)
        amount, outcome = (received, outcome) if received else (amount, Outcome.REVIEW)
    require_dong(found)
    reference = reference_of(found)
    return Notice(
        event_key=f"{number}:{outcome.value}:{status}",
        outcome=outcome,
        provider_status=status or outcome.value,
        occurred_at=reported_at,
        amount=amount,
        movement_keys=frozenset({f"transaction:{number}"}) if outcome is Outcome.SUCCEEDED else frozenset(),
        aliases=_names("", linked(found, "latest_charge")),
        fingerprint=fingerprint(number, amount, CURRENCY, status, reference),
        reference=reference,
        provider_reference=number,
    )


def session_notice(found: Object, *, response: Outcome | None, reported_at: datetime) -> Notice:
    """The notice of a checkout session, named by the payment intent behind it. Raises ValueError.

    A paid session that does not say how much is UNKNOWN: its payment intent says it.
    """
    number, status, payment_status = identifier(found), word(found, "status"), word(found, "payment_status")
    outcome = outcome_of_session(status, payment_status, response=response)
    amount = dong_of(found, "amount_total", is_needed=False)
    if outcome is Outcome.SUCCEEDED and amount == 0:
        outcome = Outcome.UNKNOWN
    if found.get("currency") is not None or outcome is Outcome.SUCCEEDED:
        require_dong(found)
    intent = linked(found, "payment_intent")
    reference = reference_of(found) or word(found, "client_reference_id") or None
    is_named = outcome is Outcome.SUCCEEDED and intent
    return Notice(
        event_key=f"{number}:{outcome.value}:{status}:{payment_status}",
        outcome=outcome,
        provider_status=payment_status or outcome.value,
        occurred_at=reported_at,
        amount=amount,
        movement_keys=frozenset({f"transaction:{intent}"}) if is_named else frozenset(),
        fingerprint=fingerprint(number, intent, amount, CURRENCY, payment_status, reference),
        reference=reference,
        provider_reference=intent or number,
    )


def refund_notice(
    found: Object, *, reported_at: datetime, reference: str | None = None, paid: frozenset[str] = frozenset()
) -> Notice:
    """The notice of one refund; `reference` and `paid` name its payment, where the refund itself does not."""
    number, status = identifier(found), word(found, "status")
    outcome = REFUND_NOTICES.get(status, Outcome.UNKNOWN)
    amount = dong_of(found, "amount")
    require_dong(found)
    return Notice(
        event_key=f"{number}:{status}",
        outcome=outcome,
        provider_status=status,
        occurred_at=reported_at,
        amount=amount,
        movement=Movement.REFUNDED,
        movement_keys=frozenset({f"transaction:{number}"}) if outcome is Outcome.SUCCEEDED else frozenset(),
        reverses=_names(linked(found, "payment_intent"), linked(found, "charge")) or paid,
        fingerprint=fingerprint(number, amount, CURRENCY, status),
        reference=reference_of(found) or reference_of(found.get("payment_intent")) or reference,
        provider_reference=number,
    )


def _charge_notices(found: Object, reported_at: datetime) -> Iterable[Notice]:
    """The refunds a charge names, and a REVIEW of what its running total holds beyond them: no guess which they are."""
    number, total = identifier(found), dong_of(found, "amount_refunded")
    require_dong(found)
    reference = reference_of(found) or reference_of(found.get("payment_intent"))
    paid = _names(linked(found, "payment_intent"), number)
    named = []
    for each in listed(found.get("refunds")):
        notice = refund_notice({"currency": CURRENCY, **each}, reported_at=reported_at, reference=reference, paid=paid)
        named.append(replace(notice, occurred_at=timestamp(each.get("created")) or reported_at))
    yield from named
    left = sum(notice.amount for notice in named if notice.outcome in _LEFT)
    if left != total:
        yield Notice(
            event_key=f"{number}:refunded:{total}:{left}",
            outcome=Outcome.REVIEW,
            provider_status="refunded" if found.get("refunded") is True else "partially_refunded",
            occurred_at=reported_at,
            amount=abs(total - left),
            movement=Movement.REFUNDED,
            reverses=paid,
            fingerprint=fingerprint(number, total, left, CURRENCY),
            reference=reference,
            provider_reference=number,
        )


def _dispute_notice(found: Object, step: str, reported_at: datetime) -> Notice:
    """The payer's bank takes a charge into question: a person decides."""
    number, status, amount = identifier(found), word(found, "status"), dong_of(found, "amount")
    require_dong(found)
    return Notice(
        event_key=f"{number}:{step}:{status}",
        outcome=Outcome.REVIEW,
        provider_status=f"{step}:{status}",
        occurred_at=reported_at,
        amount=amount,
        movement=Movement.REVERSED,
        reverses=_names(linked(found, "payment_intent"), linked(found, "charge")),
        fingerprint=fingerprint(number, step, amount, CURRENCY, status),
        reference=reference_of(found) or reference_of(found.get("payment_intent")) or reference_of(found.get("charge")),
        provider_reference=number,
    )


def _names(intent: str, charge: str) -> frozenset[str]:
    """The names of a payment's money: its payment intent, and the charge that took it."""
    return frozenset(
        name for name, number in ((f"transaction:{intent}", intent), (f"charge:{charge}", charge)) if number
    )


def charged_at(found: Object) -> datetime | None:
    """When an intent was charged, where its charge stands whole in it: as the latest one, or (old versions) listed."""
    latest = found.get("latest_charge")
    if isinstance(latest, Mapping):
        return timestamp(latest.get("created"))
    for charge in listed(found.get("charges")):
        if charge.get("status") == "succeeded":
            return timestamp(charge.get("created"))
    return None


def identifier(found: Object) -> str:
    """The id of an object. Raises ValueError where it has none that can be one."""
    number = found.get("id")
    if not is_identifier(number):
        raise ValueError("id is missing or makes no sense")
    return str(number)


def is_identifier(number: object) -> bool:
    """Whether a value can be an id: it is put into addresses."""
    return isinstance(number, str) and _ID.fullmatch(number) is not None


def linked(found: Object, name: str) -> str:
    """The id of another object, which may stand there whole or as its id; empty where there is none."""
    value = found.get(name)
    number = value.get("id") if isinstance(value, Mapping) else value
    return str(number) if is_identifier(number) else ""


def listed(value: object) -> list[Object]:
    """The objects of a list, which may stand bare or in `data`."""
    items = value.get("data") if isinstance(value, Mapping) else value
    return [item for item in items if isinstance(item, Mapping)] if isinstance(items, list) else []


def word(found: Object, name: str) -> str:
    """A short text of an object; empty where there is none."""
    value = found.get(name)
    return value[:255] if isinstance(value, str) else ""


def reference_of(found: object, name: str = REFERENCE_FIELD) -> str | None:
    """A code of ours in an object's metadata; None where it has none, or where only its id stands there."""
    metadata = found.get("metadata") if isinstance(found, Mapping) else None
    value = metadata.get(name) if isinstance(metadata, Mapping) else None
    return value[:255] if isinstance(value, str) and value else None


def dong_of(found: Object, name: str, *, is_needed: bool = True) -> int:
    """A whole amount; 0 only where it is not needed, and then None counts as 0. Raises ValueError."""
    value = found.get(name)
    if value is None and not is_needed:
        return 0
    if type(value) is not int or not (0 < value <= _AMOUNT_MAX or (value == 0 and not is_needed)):
        raise ValueError(f"{name} is no whole đồng")
    return value


def require_dong(found: Object) -> None:
    """Raises ValueError where an object is of another currency, or of none."""
    currency = found.get("currency")
    if not isinstance(currency, str) or currency.lower() != CURRENCY:
        raise ValueError("currency is not vnd")


def timestamp(value: object) -> datetime | None:
    """A timestamp in Unix seconds; None where it is none."""
    return datetime.fromtimestamp(value, UTC) if type(value) is int and value in _TIMESTAMPS else None

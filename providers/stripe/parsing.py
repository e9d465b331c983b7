"""Parses Stripe's objects of events and queries: payment intent, checkout session, refund, charge, dispute.

An object may be its id or complete, may lack optional fields and may have unknown fields. The movement of a payment is
identified by its payment intent in every event, and by its charge if present; a refunded movement by its refund, which
names the payment. A charge reports its refunds as a running total: it names no refund, so it is never added up.
Source: Stripe API 2024-06-20.
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
    """The notices of an event; empty for the other events.

    Raises ValueError naming the invalid field.
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
    """The notice of a payment intent. The received amount counts, not the requested amount. Raises ValueError."""
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

    A paid session without an amount is UNKNOWN: its payment intent states the amount.
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
    """The notice of one refund; `reference` and `paid` name its payment if the refund does not."""
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
    """The refunds that a charge names, and a REVIEW of the rest of its running total, whose refunds are unknown."""
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
    """The payer's bank disputes a charge: a person decides."""
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
    """The names of a payment's movement: its payment intent, and its charge."""
    return frozenset(
        name for name, number in ((f"transaction:{intent}", intent), (f"charge:{charge}", charge)) if number
    )


def charged_at(found: Object) -> datetime | None:
    """The time of an intent's charge, if the intent contains it: as `latest_charge`, or (old versions) listed."""
    latest = found.get("latest_charge")
    if isinstance(latest, Mapping):
        return timestamp(latest.get("created"))
    for charge in listed(found.get("charges")):
        if charge.get("status") == "succeeded":
            return timestamp(charge.get("created"))
    return None


def identifier(found: Object) -> str:
    """The id of an object. Raises ValueError if it has no valid id."""
    number = found.get("id")
    if not is_identifier(number):
        raise ValueError("id is missing or makes no sense")
    return str(number)


def is_identifier(number: object) -> bool:
    """Whether a value is a valid id: ids are inserted into addresses."""
    return isinstance(number, str) and _ID.fullmatch(number) is not None


def linked(found: Object, name: str) -> str:
    """The id of another object, which is included complete or as its id; empty if absent."""
    value = found.get(name)
    number = value.get("id") if isinstance(value, Mapping) else value
    return str(number) if is_identifier(number) else ""


def listed(value: object) -> list[Object]:
    """The objects of a list, which is bare or in `data`."""
    items = value.get("data") if isinstance(value, Mapping) else value
    return [item for item in items if isinstance(item, Mapping)] if isinstance(items, list) else []


def word(found: Object, name: str) -> str:
    """A short text of an object; empty if absent."""
    value = found.get(name)
    return value[:255] if isinstance(value, str) else ""


def reference_of(found: object, name: str = REFERENCE_FIELD) -> str | None:
    """Our code in an object's metadata; None if absent, or if only the object's id is included."""
    metadata = found.get("metadata") if isinstance(found, Mapping) else None
    value = metadata.get(name) if isinstance(metadata, Mapping) else None
    return value[:255] if isinstance(value, str) and value else None


def dong_of(found: Object, name: str, *, is_needed: bool = True) -> int:
    """A whole amount; 0 is allowed only if the amount is optional, and then None counts as 0. Raises ValueError."""
    value = found.get(name)
    if value is None and not is_needed:
        return 0
    if type(value) is not int or not (0 < value <= _AMOUNT_MAX or (value == 0 and not is_needed)):
        raise ValueError(f"{name} is no whole đồng")
    return value


def require_dong(found: Object) -> None:
    """Raises ValueError if an object has another currency, or none."""
    currency = found.get("currency")
    if not isinstance(currency, str) or currency.lower() != CURRENCY:
        raise ValueError("currency is not vnd")


def timestamp(value: object) -> datetime | None:
    """A timestamp in Unix seconds; None if it is invalid."""
    return datetime.fromtimestamp(value, UTC) if type(value) is int and value in _TIMESTAMPS else None

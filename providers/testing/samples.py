"""Values of the conformance suite: one sample payment, the fields of a provider's message, requests and deliveries."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from providers.contract import Callback, Outcome, PaymentRequest

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
REFERENCE = "K7ABCDEFR"
OTHER_REFERENCE = "K7ABCDEGX"
AMOUNT = 136_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplePayment:
    """A payment that the suite needs a message of. `amount` is in đồng; `transaction` is `T` and a number."""

    transaction: str = "T1"
    amount: int = AMOUNT
    at: datetime = NOW
    reference: str = REFERENCE


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageFields:
    """The fields of a provider's message that the suite changes; None states that the protocol has no such field.

    A name is a path: `data.amount` is the field `amount` of the object `data`.

    `statuses` maps each documented status value to its outcome; `unknown_status` is a value of the same form that the
    document does not list. `payee` is the field that names our merchant or bank account, `other_payee` the value of
    another merchant. `outflow` are the values that turn the message into one about money that left. `text_amounts`:
    the provider also accepts the digits of the amount as text, because its document or signature allows both.
    """

    amount: str
    status: str | None
    statuses: Mapping[Any, Outcome]
    unknown_status: Any
    payee: str | None
    other_payee: Any
    currency: str | None
    outflow: Mapping[str, Any] | None
    text_amounts: bool = False


def build_request(**changes: Any) -> PaymentRequest:
    """Return a request for the sample payment; change the values that matter."""
    values: dict[str, Any] = {
        "reference": REFERENCE,
        "amount": AMOUNT,
        "purpose": f"{REFERENCE} VIEN PHI",
        "expires_at": NOW + timedelta(minutes=30),
        "requested_at": NOW,
        "return_url": "https://hospital.example/pay/1-0",
        "callback_url": "https://hospital.example/callbacks/1/account",
        "payer_address": "203.0.113.7",
    }
    return PaymentRequest(**{**values, **changes})


def post(body: bytes, *headers: tuple[str, str], **changes: Any) -> Callback:
    """Return the delivery of a body by POST; header names are lower-case."""
    values: dict[str, Any] = {
        "method": "POST",
        "path_suffix": "",
        "raw_query": "",
        "query": (),
        "headers": (("content-type", "application/json"), *headers),
        "body": body,
        "source_address": "203.0.113.9",
        "received_at": NOW,
    }
    return Callback(**{**values, **changes})


def field_of(message: Mapping[str, Any], path: str) -> Any:
    """Return the value at a path of a message."""
    value: Any = message
    for name in path.split("."):
        value = value[name]
    return value


def with_field(message: Mapping[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return the message with the value at a path replaced or added."""
    name, _, rest = path.partition(".")
    return {**message, name: with_field(message[name], rest, value) if rest else value}


def without_field(message: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Return the message without the field at a path."""
    name, _, rest = path.partition(".")
    if rest:
        return {**message, name: without_field(message[name], rest)}
    return {key: value for key, value in message.items() if key != name}


def paths_of(message: Mapping[str, Any]) -> Iterator[str]:
    """Yield the path of every field of a message, of objects and of their fields."""
    for name, value in message.items():
        yield name
        if isinstance(value, Mapping):
            yield from (f"{name}.{inner}" for inner in paths_of(value))


def observe(callback: Callback) -> tuple[Callback, set[str]]:
    """Return the same delivery, and the set in which it records the header names that a provider looks up."""
    names: set[str] = set()

    class ObservedCallback(Callback):
        def header(self, name: str) -> str | None:
            names.add(name)
            return Callback.header(self, name)

    return ObservedCallback(**{each.name: getattr(callback, each.name) for each in fields(callback)}), names


def with_headers(callback: Callback, headers: Mapping[str, str]) -> Callback:
    """Return the delivery with headers replaced or added; an empty value removes a header."""
    kept = tuple((name, value) for name, value in callback.headers if name not in headers)
    return replace(callback, headers=(*kept, *((name, value) for name, value in headers.items() if value)))


def with_token(callback: Callback, token: str, other: str) -> Callback:
    """Return the delivery with a text replaced in its headers, its query and its body."""
    return replace(
        callback,
        headers=tuple((name, value.replace(token, other)) for name, value in callback.headers),
        query=tuple((name, value.replace(token, other)) for name, value in callback.query),
        raw_query=callback.raw_query.replace(token, other),
        body=callback.body.replace(token.encode(), other.encode()),
    )


def texts_of(settings: Mapping[str, object]) -> Iterator[str]:
    """Yield the texts of the settings, also those in lists."""
    for value in settings.values():
        yield from ([value] if isinstance(value, str) else value if isinstance(value, (list, tuple)) else ())

"""An account at Stripe for tests: its settings, its signed events, its objects."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from providers.contract import Callback, Notice, Notices, PaymentRequest, PendingPayment, RefundRequest
from providers.stripe.adapter import Stripe
from providers.stripe.settings import StripeSettings
from providers.stripe.signing import signature_header

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "stripe.json").read_text("utf-8"))["vectors"]
HOST = "https://api.stripe.com"
INTENTS, SESSIONS = "/v1/payment_intents", "/v1/checkout/sessions"
PAGE = "https://checkout.stripe.com/c/pay/cs_1"
KEY, SECRET = "sk_test_FAKEFAKEFAKE", "whsec_FAKEFAKEFAKEFAKE0001"
AT = datetime(2026, 9, 21, 14, 13, 30, tzinfo=UTC)
CREATED = int(AT.timestamp()) - 10
SETTINGS: dict[str, Any] = {
    "secret_key": KEY,
    "endpoint_secret": SECRET,
    "mode": "payment_intent",
    "timeout_s": 0.2,
}
REQUEST = PaymentRequest(
    reference="K7ABCDEFR",
    amount=350_000,
    purpose="K7ABCDEFR VIEN PHI",
    expires_at=AT + timedelta(minutes=30),
    requested_at=AT,
    return_url="https://hospital.example/pay/1-abc",
)
KNOWN = PendingPayment(
    reference="K7ABCDEFR",
    amount=350_000,
    provider_reference="pi_1",
    created_at=AT,
    queried_at=AT + timedelta(minutes=5),
)
UNKNOWN_REF = replace(KNOWN, provider_reference="")
REFUND_REQUEST = RefundRequest(
    reference="RF0000001",
    amount=100_000,
    paid=350_000,
    payment=KNOWN,
    transaction="pi_1",
    reason="khong thuc hien dich vu",
    requested_at=AT + timedelta(days=1),
    requested_by="cashier01",
)
INTENT: dict[str, Any] = {
    "id": "pi_1",
    "object": "payment_intent",
    "amount": 350_000,
    "amount_received": 350_000,
    "currency": "vnd",
    "status": "succeeded",
    "latest_charge": "ch_1",
    "metadata": {"invoice": "K7ABCDEFR"},
}
NEW_INTENT = {**INTENT, "status": "requires_payment_method", "amount_received": 0, "latest_charge": None}
SESSION: dict[str, Any] = {
    "id": "cs_1",
    "object": "checkout.session",
    "amount_total": 350_000,
    "currency": "vnd",
    "mode": "payment",
    "status": "complete",
    "payment_status": "paid",
    "payment_intent": "pi_1",
    "client_reference_id": "K7ABCDEFR",
}
NEW_SESSION = {**SESSION, "status": "open", "payment_status": "unpaid", "payment_intent": None, "url": PAGE}
CHARGE: dict[str, Any] = {
    "id": "ch_1",
    "object": "charge",
    "amount": 350_000,
    "amount_refunded": 100_000,
    "refunded": False,
    "currency": "vnd",
    "payment_intent": "pi_1",
    "metadata": {"invoice": "K7ABCDEFR"},
}
REFUND: dict[str, Any] = {
    "id": "re_1",
    "object": "refund",
    "amount": 100_000,
    "currency": "vnd",
    "payment_intent": "pi_1",
    "status": "succeeded",
    "metadata": {"invoice": "K7ABCDEFR", "refund": "RF0000001"},
}
DISPUTE: dict[str, Any] = {
    "id": "dp_1",
    "object": "dispute",
    "amount": 350_000,
    "currency": "vnd",
    "charge": "ch_1",
    "status": "needs_response",
}


def account(client: httpx.AsyncClient | None = None, **changed: Any) -> Stripe:
    return Stripe(StripeSettings.model_validate({**SETTINGS, **changed}), client or httpx.AsyncClient())


def event(kind: str, found: object, **changed: object) -> bytes:
    """The body of an event as Stripe sends it."""
    result = {"id": "evt_1", "object": "event", "created": CREATED, "type": kind, "livemode": False}
    return json.dumps({**result, "data": {"object": found}, **changed}).encode()


def delivery(body: bytes, header: str | None = None, *, secret: str = SECRET, at: int = CREATED) -> Callback:
    """A delivery of a body, signed unless a header is given."""
    signature = signature_header(secret.encode(), body, at) if header is None else header
    return Callback(
        method="POST",
        path_suffix="",
        raw_query="",
        query=(),
        headers=(("content-type", "application/json"), ("stripe-signature", signature)),
        body=body,
        source_address="203.0.113.99",
        received_at=AT,
    )


def signed_callback(kind: str, found: object, **changed: object) -> Callback:
    return delivery(event(kind, found, **changed))


def without(found: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name not in names}


def read(callback: Callback, **settings: Any) -> tuple[Notice, ...]:
    notices = account(**settings).read_callback(callback)
    assert isinstance(notices, Notices)
    return notices.notices


def one(callback: Callback, **settings: Any) -> Notice:
    [notice] = read(callback, **settings)
    return notice


def error(code: str = "invalid", kind: str = "invalid_request_error") -> dict[str, Any]:
    """An error of Stripe's; its message repeats the key, which we must not."""
    return {"error": {"type": kind, "code": code, "message": f"No such key {KEY}"}}


async def queried(known: PendingPayment = KNOWN, **settings: Any) -> tuple[Notice, ...]:
    async with httpx.AsyncClient() as client:
        return (await account(client, **settings).query_payment(known)).notices

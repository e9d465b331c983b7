"""A MoMo partner account for tests: its settings and its signed IPN."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from providers.contract import Callback, Notice, Notices, PaymentRequest, PendingPayment, RefundRequest
from providers.momo.adapter import Momo
from providers.momo.settings import MomoSettings
from providers.momo.signing import IPN, signature_of, signed_text

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "momo.json").read_text("utf-8"))["vectors"]
ACCESS, SECRET = "FAKEMOMOACCESS01", "FAKEMOMOSECRETFAKEMOMOSECRET0001"
HOST = "https://test-payment.momo.vn"
AT = datetime(2026, 1, 2, 2, 10, tzinfo=UTC)
SETTINGS: dict[str, Any] = {
    "partner_code": "FAKEMOMO",
    "access_key": ACCESS,
    "secret_keys": SECRET,
    "timeout_s": 0.2,
}
REQUEST = PaymentRequest(
    reference="K7ABCDEFR",
    amount=350_000,
    purpose="K7ABCDEFR VIEN PHI",
    expires_at=None,
    requested_at=AT,
    callback_url="https://hospital.example/callbacks/1/momo",
    return_url="https://hospital.example/pay/1-abc",
)
KNOWN = PendingPayment(
    reference="K7ABCDEFR",
    amount=350_000,
    provider_reference="K7ABCDEFR",
    created_at=AT,
    queried_at=AT + timedelta(minutes=35),
)
REFUND = RefundRequest(
    reference="RF0000001",
    amount=100_000,
    paid=350_000,
    payment=KNOWN,
    transaction="4000000001",
    reason="khong thuc hien dich vu",
    requested_at=AT + timedelta(days=1),
    requested_by="cashier01",
)
PAID: dict[str, object] = {
    "partnerCode": "FAKEMOMO",
    "orderId": "K7ABCDEFR",
    "requestId": "REQ-0001",
    "amount": 350000,
    "orderInfo": "K7ABCDEFR VIEN PHI",
    "orderType": "momo_wallet",
    "transId": 4000000001,
    "resultCode": 0,
    "message": "Successful.",
    "payType": "qr",
    "responseTime": 1790000000000,
    "extraData": "",
}


def account(client: httpx.AsyncClient | None = None, **changed: Any) -> Momo:
    return Momo(MomoSettings.model_validate({**SETTINGS, **changed}), client or httpx.AsyncClient())


def delivery(body: str | bytes) -> Callback:
    return Callback(
        method="POST",
        path_suffix="",
        raw_query="",
        query=(),
        headers=(("content-type", "application/json"),),
        body=body.encode() if isinstance(body, str) else body,
        source_address="203.0.113.99",
        received_at=AT,
    )


def signed_callback(secret: str = SECRET, access: str = ACCESS, **changed: object) -> Callback:
    fields = {**PAID, **changed}
    signature = signature_of(secret.encode(), signed_text(fields, IPN, access))
    return delivery(json.dumps({**fields, "signature": signature}))


def one(read: object) -> Notice:
    assert isinstance(read, Notices)
    assert len(read.notices) == 1
    return read.notices[0]

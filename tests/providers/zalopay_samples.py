"""A ZaloPay application for tests: its settings, its signed callback, its answer."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from providers.contract import Callback, Notice, Notices, PaymentRequest, PendingPayment, RefundRequest
from providers.zalopay.adapter import Zalopay
from providers.zalopay.settings import ZalopaySettings
from providers.zalopay.signing import mac_of

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "zalopay.json").read_text("utf-8"))["vectors"]
KEY1, KEY2 = "FAKEZALOKEY1FAKEZALOKEY1FAKE0001", "FAKEZALOKEY2FAKEZALOKEY2FAKE0002"
HOST = "https://sb-openapi.zalopay.vn"
AT = datetime(2026, 1, 2, 2, 10, tzinfo=UTC)
SETTINGS: dict[str, Any] = {"app_id": 9999, "key1": KEY1, "key2": KEY2, "timeout_s": 0.2}
REQUEST = PaymentRequest(
    reference="K7ABCDEFR",
    amount=350_000,
    purpose="K7ABCDEFR VIEN PHI",
    expires_at=AT + timedelta(minutes=30),
    requested_at=AT,
    callback_url="https://hospital.example/callbacks/1/zalopay",
    return_url="https://hospital.example/pay/1-abc",
)
KNOWN = PendingPayment(
    reference="K7ABCDEFR",
    amount=350_000,
    provider_reference="260102_K7ABCDEFR",
    created_at=AT,
    queried_at=AT + timedelta(minutes=35),
)
REFUND_REQUEST = RefundRequest(
    reference="RF0000001",
    amount=100_000,
    paid=350_000,
    payment=KNOWN,
    transaction="260102000000001",
    reason="khong thuc hien dich vu",
    requested_at=AT + timedelta(days=1),
    requested_by="cashier01",
)
DATA = {
    "app_id": 9999,
    "app_trans_id": "260102_K7ABCDEFR",
    "app_time": 1767320000000,
    "app_user": "hospital",
    "amount": 350000,
    "embed_data": "{}",
    "item": "[]",
    "zp_trans_id": 260102000000001,
    "server_time": 1767320030000,
    "channel": 38,
    "merchant_user_id": "FAKEUSER",
    "user_fee_amount": 0,
    "discount_amount": 0,
}
ANSWER = {"return_code": 1, "amount": 350000, "zp_trans_id": 260102000000001, "server_time": 1767320030000}


def application(client: httpx.AsyncClient | None = None, **changed: Any) -> Zalopay:
    return Zalopay(ZalopaySettings.model_validate({**SETTINGS, **changed}), client or httpx.AsyncClient())


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


def signed_callback(key: str = KEY2, kind: int = 1, **changed: object) -> Callback:
    data = json.dumps({**DATA, **changed})
    return delivery(json.dumps({"data": data, "mac": mac_of(key.encode(), data), "type": kind}))


def one(read: object) -> Notice:
    assert isinstance(read, Notices)
    assert len(read.notices) == 1
    return read.notices[0]

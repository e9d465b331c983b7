"""A merchant of SePay's gateway for tests: its settings, its order and its IPN."""

import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from providers.contract import PendingPayment
from providers.sepay.gateway import SepayGateway
from providers.sepay.settings import SepayGatewaySettings
from tests.providers.sepay_samples import VECTORS, delivery

KEY, SECRET = "FAKE_X_SECRET_KEY", "spsk_test_FAKEFAKEFAKEFAKE0001"
AT = datetime(2026, 1, 2, 2, 20, tzinfo=UTC)
API = "https://pgapi-sandbox.sepay.vn/v1"
SETTINGS: dict[str, Any] = {
    "merchant_id": "SP-TEST-FAKE0001",
    "secret_key": SECRET,
    "ipn_keys": KEY,
    "return_url": "https://hospital.example/pay/1-abc",
    "timeout_s": 0.2,
}
KNOWN = PendingPayment(reference="K7ABCDEFR", amount=350_000, provider_reference="", created_at=AT, queried_at=AT)
ORDER = {
    "id": "00000000-0000-4000-8000-000000000001",
    "order_status": "CAPTURED",
    "order_currency": "VND",
    "order_amount": "350000.00",
    "order_invoice_number": "K7ABCDEFR",
}
TRANSACTION = {
    "id": "00000000-0000-4000-8000-000000000002",
    "transaction_date": "2026-01-02 09:15:30",
    "transaction_status": "APPROVED",
    "transaction_amount": "350000",
    "transaction_currency": "VND",
}


def vectors(kind: str) -> pytest.MarkDecorator:
    chosen = [each for each in VECTORS if each["kind"] == kind]
    assert chosen
    return pytest.mark.parametrize("vector", chosen, ids=[each["id"] for each in chosen])


def merchant(client: httpx.AsyncClient | None = None, **changed: Any) -> SepayGateway:
    return SepayGateway(SepayGatewaySettings.model_validate({**SETTINGS, **changed}), client or httpx.AsyncClient())


def signed_callback(event: str = "ORDER_PAID", order: object = None, transaction: object = None, key: str = KEY) -> Any:
    body = {
        "timestamp": 1790000000,
        "notification_type": event,
        "order": {**ORDER, **order} if isinstance(order, dict) else ORDER if order is None else order,
        "transaction": {**TRANSACTION, **transaction} if isinstance(transaction, dict) else TRANSACTION,
        "customer": None,
    }
    return delivery(json.dumps(body), X_Secret_Key=key)

"""A VNPAY terminal for tests: its settings, its signed IPN and its signed answers."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import httpx

from providers.contract import Callback, PaymentRequest, PendingPayment, RefundRequest
from providers.vnpay.adapter import Vnpay
from providers.vnpay.settings import VnpaySettings
from providers.vnpay.signing import HASH_FIELD, listed_text, query_text, secure_hash

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "vnpay.json").read_text("utf-8"))["vectors"]
SECRET = "FAKEVNPAYSECRETFAKEVNPAYSECRET01"
API = "https://sandbox.vnpayment.vn/merchant_webapi/api/transaction"
AT = datetime(2026, 1, 2, 2, 10, tzinfo=UTC)
SETTINGS: dict[str, Any] = {
    "tmn_code": "FAKETMN1",
    "hash_secrets": SECRET,
    "server_address": "203.0.113.20",
    "timeout_s": 0.2,
}
REQUEST = PaymentRequest(
    reference="K7ABCDEFR",
    amount=350_000,
    purpose="K7ABCDEFR VIEN PHI",
    expires_at=AT + timedelta(minutes=15),
    requested_at=AT,
    return_url="https://hospital.example/pay/1-abc",
    payer_address="203.0.113.10",
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
    amount=350_000,
    paid=350_000,
    payment=KNOWN,
    transaction="14000001",
    reason="khong thuc hien dich vu",
    requested_at=AT + timedelta(days=1),
    requested_by="cashier01",
)
PAID = {
    "vnp_Amount": "35000000",
    "vnp_BankCode": "NCB",
    "vnp_BankTranNo": "VNP14000001",
    "vnp_CardType": "ATM",
    "vnp_OrderInfo": "K7ABCDEFR VIEN PHI",
    "vnp_PayDate": "20260102091530",
    "vnp_ResponseCode": "00",
    "vnp_TmnCode": "FAKETMN1",
    "vnp_TransactionNo": "14000001",
    "vnp_TransactionStatus": "00",
    "vnp_TxnRef": "K7ABCDEFR",
}


def terminal(client: httpx.AsyncClient | None = None, **changed: Any) -> Vnpay:
    return Vnpay(VnpaySettings.model_validate({**SETTINGS, **changed}), client or httpx.AsyncClient())


def ipn(query: str, *, method: str = "GET") -> Callback:
    return Callback(
        method=method,
        path_suffix="ipn",
        raw_query=query,
        query=parse_qsl(query, keep_blank_values=True),
        headers=(),
        body=b"",
        source_address="203.0.113.99",
        received_at=AT + timedelta(minutes=6),
    )


def signed_ipn(secret: str = SECRET, **changed: str) -> Callback:
    text = query_text({**PAID, **changed})
    return ipn(f"{text}&{HASH_FIELD}={secure_hash(secret.encode(), text)}")


def signed_answer(names: tuple[str, ...], secret: str = SECRET, **changed: str) -> dict[str, str]:
    body = {
        "vnp_ResponseId": "resp0001",
        "vnp_Command": "querydr",
        "vnp_ResponseCode": "00",
        "vnp_Message": "Success",
        "vnp_TmnCode": "FAKETMN1",
        "vnp_TxnRef": "K7ABCDEFR",
        "vnp_Amount": "35000000",
        "vnp_BankCode": "NCB",
        "vnp_PayDate": "20260102091530",
        "vnp_TransactionNo": "14000001",
        "vnp_TransactionType": "01",
        "vnp_TransactionStatus": "00",
        "vnp_OrderInfo": "K7ABCDEFR VIEN PHI",
        **changed,
    }
    return {**body, HASH_FIELD: secure_hash(secret.encode(), listed_text(body, names))}

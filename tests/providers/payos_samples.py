"""A payOS channel for tests: its settings, its signed webhook, its signed answers."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from providers.contract import Callback, Notice, Notices, PaymentRequest, PendingPayment
from providers.emvqr import Particulars, VietQr, build_vietqr
from providers.payos.adapter import Payos
from providers.payos.order_codes import order_code
from providers.payos.settings import PayosSettings
from providers.payos.signing import data_text, signature_of

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "payos.json").read_text("utf-8"))["vectors"]
KEY, API_KEY = "FAKE_PAYOS_CHECKSUM_KEY_0001", "FAKE_PAYOS_API_KEY_0000000001"
HOST = "https://api-merchant.payos.vn"
AT = datetime(2026, 1, 2, 2, 10, tzinfo=UTC)
REFERENCE = "K7ABCDEFR"
ORDER = order_code(REFERENCE)
LINK = "00000000000000000000000000000001"
SETTINGS: dict[str, Any] = {
    "client_id": "fake-client",
    "api_key": API_KEY,
    "checksum_keys": KEY,
    "bank_bin": "970422",
    "account_number": "0000000000017",
    "virtual_account_prefixes": ["V9TEST"],
    "return_url": "https://hospital.example/pay/1-abc",
    "timeout_s": 0.2,
}
REQUEST = PaymentRequest(
    reference=REFERENCE,
    amount=350_000,
    purpose="K7ABCDEFR VIEN PHI",
    expires_at=AT + timedelta(minutes=30),
    requested_at=AT,
)
KNOWN = PendingPayment(
    reference=REFERENCE, amount=350_000, provider_reference=LINK, created_at=AT, queried_at=AT + timedelta(minutes=35)
)
TRANSFER: dict[str, object] = {
    "orderCode": ORDER,
    "amount": 350000,
    "description": f"CSTEST1 {REFERENCE}",
    "accountNumber": "0000000000017",
    "reference": "TF260101000001",
    "transactionDateTime": "2026-01-02 09:15:30",
    "currency": "VND",
    "paymentLinkId": LINK,
    "code": "00",
    "desc": "Thành công",
    "counterAccountBankId": "",
    "counterAccountBankName": "",
    "counterAccountName": "",
    "counterAccountNumber": "",
    "virtualAccountName": "",
    "virtualAccountNumber": "",
}


def channel(client: httpx.AsyncClient | None = None, **changed: Any) -> Payos:
    return Payos(PayosSettings.model_validate({**SETTINGS, **changed}), client or httpx.AsyncClient())


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


def signed(data: dict[str, object], key: str = KEY, **envelope: object) -> dict[str, object]:
    signature = signature_of(key.encode(), data_text(data))
    return {"code": "00", "desc": "success", "success": True, "data": data, "signature": signature, **envelope}


def signed_callback(key: str = KEY, envelope: dict[str, object] | None = None, **changed: object) -> Callback:
    return delivery(json.dumps(signed({**TRANSFER, **changed}, key, **(envelope or {}))))


def qr_for(number: str = "V9TEST00000001", amount: int = 350_000, bank_bin: str = "970422") -> str:
    decoded = Particulars(purpose=f"CSTEST1 {REFERENCE}")
    return build_vietqr(VietQr(bank_bin=bank_bin, account_number=number, amount=amount, particulars=decoded))


def link(**changed: object) -> dict[str, object]:
    return signed(
        {
            "bin": "970422",
            "accountNumber": "V9TEST00000001",
            "accountName": "BENH VIEN TEST",
            "amount": 350000,
            "description": f"CSTEST1 {REFERENCE}",
            "orderCode": ORDER,
            "currency": "VND",
            "paymentLinkId": LINK,
            "status": "PENDING",
            "checkoutUrl": f"https://pay.payos.vn/web/{LINK}",
            "qrCode": qr_for(),
            **changed,
        }
    )


def one(read: object) -> Notice:
    assert isinstance(read, Notices)
    assert len(read.notices) == 1
    return read.notices[0]

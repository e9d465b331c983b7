"""A bank account that SePay watches, for tests: its settings, its signed webhook."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from providers.contract import (
    Callback,
    Notice,
    Notices,
)
from providers.sepay.bank import Sepay
from providers.sepay.settings import SepaySettings
from providers.signing import hmac_sha256_hex

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "sepay.json").read_text("utf-8"))["vectors"]
SECRET, KEY, TOKEN = "FAKE_SEPAY_WEBHOOK_SECRET_0001", "FAKE_SEPAY_APIKEY_0001", "FAKE_SEPAY_API_TOKEN_0001"
AT = datetime.fromtimestamp(1790000003, UTC)
LIST = "https://my.sepay.vn/userapi/transactions/list"
SETTINGS: dict[str, Any] = {
    "secrets": SECRET,
    "bank_bin": "970436",
    "account_number": "0000000000017",
    "timeout_s": 0.2,
}
TRANSFER: dict[str, Any] = {
    "id": 92704,
    "gateway": "Vietcombank",
    "transactionDate": "2026-01-02 09:15:30",
    "accountNumber": "0000000000017",
    "code": "K7ABCDEFR",
    "content": "K7ABCDEFR VIEN PHI",
    "transferType": "in",
    "transferAmount": 350000,
    "accumulated": 0,
    "subAccount": None,
    "referenceCode": "FT26002000001",
    "description": "MBVCB.1.K7ABCDEFR VIEN PHI.CT tu 0099",
}


def account(client: httpx.AsyncClient | None = None, **changed: Any) -> Sepay:
    return Sepay(SepaySettings.model_validate({**SETTINGS, **changed}), client or httpx.AsyncClient())


def delivery(body: str | bytes, *, at: datetime = AT, path_suffix: str = "", **headers: str) -> Callback:
    return Callback(
        method="POST",
        path_suffix=path_suffix,
        raw_query="",
        query=(),
        headers=[(name.replace("_", "-").lower(), value) for name, value in headers.items()],
        body=body.encode() if isinstance(body, str) else body,
        source_address="203.0.113.99",
        received_at=at,
    )


def signed(secret: str = SECRET, at: datetime = AT, **changed: Any) -> Callback:
    body = json.dumps({**TRANSFER, **changed})
    timestamp = str(int(at.timestamp()))
    mac = hmac_sha256_hex(secret.encode(), f"{timestamp}.{body}".encode())
    return delivery(body, X_SePay_Timestamp=timestamp, X_SePay_Signature=f"sha256={mac}")


def with_key(key: str = KEY, **changed: Any) -> Callback:
    return delivery(json.dumps({**TRANSFER, **changed}), Authorization=f"Apikey {key}")


def one(read: object) -> Notice:
    assert isinstance(read, Notices)
    assert len(read.notices) == 1
    return read.notices[0]

"""An account at the sandbox bank for tests: its settings and its signed messages."""

import json
from datetime import UTC, datetime

from providers.contract import Callback
from providers.sandbox.adapter import Sandbox
from providers.sandbox.message import SandboxSettings, signature_header

SECRET = "a-secret-of-the-tests"
KEY = SECRET.encode()
SETTINGS = SandboxSettings(
    bank_bin="970436",
    account_number="0000000000017",
    account_holder="BENH VIEN TEST",
    merchant_id="BVTEST",
    secret=SECRET,
)
SANDBOX = Sandbox(SETTINGS, client=None)
NOW = datetime(2026, 1, 2, 8, 15, 30, tzinfo=UTC)
MESSAGE = {
    "transaction_id": "SB00000000000001",
    "bank_reference": "FT26002000001",
    "merchant_id": "BVTEST",
    "account_number": "0000000000017",
    "amount": 350_000,
    "currency": "VND",
    "status": "SUCCEEDED",
    "direction": "credit",
    "content": "K7ABCDEFR VIEN PHI",
    "reference": None,
    "occurred_at": "2026-01-02T15:15:28+07:00",
    "payer": {"name": "NGUYEN VAN TEST", "account": "0000000099"},
}


def message_body(**changes):
    return json.dumps(MESSAGE | changes, ensure_ascii=False).encode()


def delivery(body, *, signed_at=NOW, received_at=NOW, key=KEY, headers=None, method="POST"):
    return Callback(
        method=method,
        path_suffix="",
        raw_query="",
        query=(),
        headers=[("x-sandbox-signature", signature_header(key, signed_at, body))] if headers is None else headers,
        body=body,
        source_address="192.0.2.1",
        received_at=received_at,
    )


def one(body):
    (notice,) = SANDBOX.read_callback(delivery(body)).notices
    return notice

"""The piggy bank passes the conformance suite: run `pytest examples/piggybank` after installing it."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar

import httpx
from piggybank import SIGNATURE_HEADER, Piggybank

from providers.contract import Callback, Outcome
from providers.notices import format_vietnam_timestamp
from providers.signing import hmac_sha256_hex
from providers.testing.conformance import MessageFields, ProviderConformance, SamplePayment, post


def signature(settings: Mapping[str, object], body: bytes) -> str:
    """The signature header that the piggy bank sends, by the first secret."""
    secrets = settings["secrets"]
    first = secrets if isinstance(secrets, str) else next(iter(secrets))
    return f"sha256={hmac_sha256_hex(first.encode(), body)}"


class TestPiggybank(ProviderConformance):
    provider = Piggybank
    settings: ClassVar[Mapping[str, object]] = {
        "merchant": "H1",
        "bank_bin": "970422",
        "account_number": "0110000001",
        "account_holder": "BENH VIEN",
        "query_url": "https://piggy.example/payments",
        "max_age_s": 3600,
        "secrets": "a-secret-of-the-tests",
    }
    fields = MessageFields(
        amount="amount",
        status="status",
        statuses={"paid": Outcome.SUCCEEDED, "pending": Outcome.PENDING, "failed": Outcome.FAILED},
        unknown_status="on_hold",
        payee="merchant",
        other_payee="H2",
        currency="currency",
        outflow={"status": "refunded"},
    )
    max_age = timedelta(hours=1)
    answers_are_signed = True

    def message(self, payment: SamplePayment) -> Mapping[str, Any]:
        return {
            "id": payment.transaction,
            "merchant": "H1",
            "amount": payment.amount,
            "currency": "VND",
            "memo": f"{payment.reference} VIEN PHI",
            "status": "paid",
            "time": format_vietnam_timestamp(payment.at),
        }

    def sign(self, settings: Mapping[str, object], body: bytes, at: datetime) -> Callback:
        return post(body, (SIGNATURE_HEADER, signature(settings, body)))

    def answer_query(
        self, settings: Mapping[str, object], request: httpx.Request, message: Mapping[str, Any] | None
    ) -> httpx.Response:
        unknown = {"status": "not_found", "memo": request.url.params["memo"]}
        body = json.dumps(unknown if message is None else message).encode()
        headers = {SIGNATURE_HEADER: signature(settings, body)}
        return httpx.Response(404 if message is None else 200, content=body, headers=headers)

"""The sandbox does what every provider must; and a provider that does not is found out."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar

import httpx
import pytest

from providers.contract import (
    Callback,
    Notices,
    Outcome,
    PaymentInstruction,
    PaymentRequest,
    PendingPayment,
    Reply,
    Unreadable,
    Verdict,
)
from providers.sandbox.adapter import Sandbox
from providers.sandbox.message import SIGNATURE_HEADER, SandboxMessage, signature_header
from providers.testing.conformance import NOW, MessageFields, ProviderConformance, SamplePayment, post

SECRET = "a-secret-of-the-tests"


class TestSandbox(ProviderConformance):
    provider = Sandbox
    settings: ClassVar[Mapping[str, object]] = {
        "bank_bin": "970422",
        "account_number": "0110000001",
        "account_holder": "BENH VIEN",
        "merchant_id": "H1",
        "secret": SECRET,
        "query_url": "https://bank.example/query",
    }

    fields = MessageFields(
        amount="amount",
        status="status",
        statuses={
            "SUCCEEDED": Outcome.SUCCEEDED,
            "PENDING": Outcome.PENDING,
            "FAILED": Outcome.FAILED,
            "CANCELLED": Outcome.CANCELLED,
            "EXPIRED": Outcome.EXPIRED,
            "REVIEW": Outcome.REVIEW,
        },
        unknown_status="ON_HOLD",
        payee="account_number",
        other_payee="0110000002",
        currency="currency",
        outflow={"direction": "debit"},
    )
    max_age = timedelta(seconds=300)
    answers_are_signed = True
    rotates_secrets = False  # the bank simulator has one secret

    def message(self, payment: SamplePayment) -> Mapping[str, Any]:
        message = SandboxMessage(
            transaction_id=payment.transaction,
            merchant_id="H1",
            account_number="0110000001",
            amount=payment.amount,
            status="SUCCEEDED",
            direction="credit",
            content=f"{payment.reference} VIEN PHI",
            occurred_at=payment.at,
        )
        return message.model_dump(mode="json")

    def sign(self, settings: Mapping[str, object], body: bytes, at: datetime) -> Callback:
        return post(body, (SIGNATURE_HEADER, signature_header(SECRET.encode(), at, body)), received_at=at)

    def signed_text(self, callback: Callback) -> bytes:
        return f"{int(callback.received_at.timestamp())}.".encode() + callback.body

    def answer_query(
        self, settings: Mapping[str, object], request: httpx.Request, message: Mapping[str, Any] | None
    ) -> httpx.Response:
        answer = {"result": "not_found"} if message is None else {"transactions": [message]}
        body = json.dumps(answer).encode()
        headers = {SIGNATURE_HEADER: signature_header(SECRET.encode(), NOW, body)}
        return httpx.Response(404 if message is None else 200, content=body, headers=headers)


class Trusting(Sandbox):
    """Reads what nobody signed."""

    def _verify(self, callback: Callback) -> None:
        return None


class Talkative(Sandbox):
    """Repeats its secret where a payment cannot be begun."""

    async def create_payment(self, request: PaymentRequest) -> PaymentInstruction:
        return PaymentInstruction(redirect_url=f"https://bank.example/?key={SECRET}")


class Guessing(Sandbox):
    """Reads silence as an end."""

    async def query_payment(self, known: PendingPayment) -> Notices:
        try:
            await self._client.post("https://bank.example/query")
        except httpx.HTTPError:
            return Notices(())
        return Notices(())


class Silent(Sandbox):
    """Never requests another delivery."""

    def answer_callback(self, callback: Callback, verdict: Verdict, receipt_id: str) -> Reply:
        return Reply(status=200, body=b"{}")


@pytest.mark.parametrize(
    ("wrong", "test"),
    [
        (Trusting, "test_changed_byte_in_the_signed_part_is_refused"),
        (Trusting, "test_delivery_without_its_proof_is_refused"),
        (Talkative, "test_payment_carries_its_purpose_and_goes_to_our_account"),
        (Guessing, "test_query_without_a_trustworthy_answer_is_unknown"),
        (Silent, "test_every_verdict_has_a_reply_and_only_try_later_requests_another_delivery"),
    ],
)
def test_provider_that_breaks_a_promise_is_found_out(wrong: type[Sandbox], test: str) -> None:
    found = type("Found", (TestSandbox,), {"provider": wrong})()

    with pytest.raises((AssertionError, pytest.fail.Exception, Unreadable)):
        getattr(found, test)()

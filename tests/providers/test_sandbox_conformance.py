"""The sandbox does what every provider must; and a provider that does not is found out."""

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar

import httpx
import pytest

from providers.contract import (
    Callback,
    Notices,
    PaymentInstruction,
    PaymentRequest,
    PendingPayment,
    Reply,
    Unreadable,
    Verdict,
)
from providers.sandbox.adapter import Sandbox
from providers.sandbox.message import SIGNATURE_HEADER, SandboxMessage, signature_header
from providers.testing.conformance import REFERENCE, ProviderConformance, post

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

    def callback(self, settings: Mapping[str, object], *, transaction: str, amount: int, at: datetime) -> Callback:
        message = SandboxMessage(
            transaction_id=transaction,
            merchant_id="H1",
            account_number="0110000001",
            amount=amount,
            status="SUCCEEDED",
            direction="credit",
            content=f"{REFERENCE} VIEN PHI",
            occurred_at=at,
        )
        body = message.model_dump_json().encode()
        return post(body, (SIGNATURE_HEADER, signature_header(SECRET.encode(), at, body)))


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
    """Never asks to come again."""

    def answer_callback(self, callback: Callback, verdict: Verdict, receipt_id: str) -> Reply:
        return Reply(status=200, body=b"{}")


@pytest.mark.parametrize(
    ("wrong", "test"),
    [
        (Trusting, "test_changed_byte_in_the_signed_part_is_refused"),
        (Trusting, "test_delivery_without_its_proof_is_refused"),
        (Talkative, "test_payment_carries_its_purpose_and_goes_to_our_account"),
        (Guessing, "test_question_without_an_answer_to_trust_is_unknown"),
        (Silent, "test_every_verdict_has_a_reply_and_one_alone_asks_to_come_again"),
    ],
)
def test_provider_that_breaks_a_promise_is_found_out(wrong: type[Sandbox], test: str) -> None:
    found = type("Found", (TestSandbox,), {"provider": wrong})()

    with pytest.raises((AssertionError, pytest.fail.Exception, Unreadable)):
        getattr(found, test)()

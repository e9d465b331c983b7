"""A provider whose messages are forms signed in a field, with orders and refunds; and the wrong ones of its kind.

Source: a fictitious wallet. Each message and answer is `mch_id=M1&trade_no=T1&out_no=K7ABCDEFR&amount=136000&ccy=VND&
state=00&at=2026-11-02T09:30:00Z&sign=<hex>`; `sign` is the HMAC-SHA256 over the text before `&sign=`.
"""

import logging
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from itertools import count
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlencode

import httpx
from pydantic import BaseModel, Field

from providers.contract import (
    BadSignature,
    Callback,
    Callbacks,
    Movement,
    Notice,
    Notices,
    OperationResult,
    Outcome,
    PaymentInstruction,
    PaymentRequest,
    PaymentUnknown,
    PendingPayment,
    Provider,
    ProviderUnreachable,
    Queries,
    RefundRequest,
    Refunds,
    Reply,
    Unreadable,
    Verdict,
)
from providers.http_call import RequestNotSent, ResponseUnknown, call
from providers.notices import fingerprint, status_only
from providers.settings import AccountSettings, Secrets, active_secrets, current_secret
from providers.signing import hmac_sha256_hex, is_same_secret
from providers.testing.conformance import MessageFields, ProviderConformance, SamplePayment, post
from tests.providers.conformance_clients import key_of

OUTCOMES = {"00": Outcome.SUCCEEDED, "01": Outcome.PENDING, "02": Outcome.FAILED, "03": Outcome.EXPIRED}
REFUNDED = "09"
NAMES = ("mch_id", "trade_no", "out_no", "amount", "ccy", "state", "at")
_BODY = re.compile(rb"(?P<text>[!-~]{1,4000})&sign=(?P<sign>[0-9a-f]{64})")
_AT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")


class FormSettings(AccountSettings):
    """One merchant."""

    merchant: str = Field(pattern=r"^[0-9A-Z]{1,20}$")
    base_url: str = Field(pattern=r"^https://[!-~]{1,200}$")
    secrets: Secrets


class FormSigned(Provider, Callbacks, Queries, Refunds):
    """One account of the wallet."""

    signed_part: ClassVar[str] = "the body before &sign="
    settings_type: ClassVar[type[BaseModel]] = FormSettings
    partial_refunds: ClassVar[bool] = True
    id_scope: ClassVar[str] = "wallet/payee"

    def __init__(self, settings: FormSettings, client: httpx.AsyncClient) -> None:
        self._settings = settings
        self._client = client

    async def create_payment(self, request: PaymentRequest) -> PaymentInstruction:
        fields = {"mch_id": self._settings.merchant, "out_no": request.reference, "amount": str(request.amount)}
        try:
            body = await self._call("/orders", fields)
        except RequestNotSent as error:
            raise ProviderUnreachable("the wallet could not be reached") from error
        except ResponseUnknown as error:
            raise PaymentUnknown("no trustworthy answer of the wallet") from error
        try:
            found = self.fields_of(self.verified(body))
        except (BadSignature, ValueError):
            raise PaymentUnknown("no trustworthy answer of the wallet") from None
        if found.get("out_no") != request.reference or not found.get("page", "").startswith("https://"):
            raise PaymentUnknown("the wallet answered about another order")
        return PaymentInstruction(redirect_url=found["page"], provider_reference=found.get("trade_no", ""))

    def read_callback(self, callback: Callback) -> Notices | Reply:
        if callback.method != "POST":
            return Reply(405, headers={"Allow": "POST"})
        text = self.verified(callback.body)
        try:
            return Notices((self.notice(self.fields_of(text)),))
        except ValueError as error:
            raise Unreadable(str(error), Reply(422)) from None

    def answer_callback(self, callback: Callback, verdict: Verdict, receipt_id: str) -> Reply:
        return (
            Reply(503, b"retry", "text/plain") if verdict is Verdict.TRY_LATER else Reply(200, b"success", "text/plain")
        )

    async def query_payment(self, known: PendingPayment) -> Notices:
        unknown = Notices((status_only(known, Outcome.UNKNOWN),))
        try:
            body = await self._call("/query", {"out_no": known.reference}, is_retryable=True)
            found = self.fields_of(self.verified(body))
            if found.get("out_no") != known.reference:
                return unknown
            if found.get("state") == "404":
                return Notices((status_only(known, Outcome.NOT_FOUND),), body)
            return Notices((self.notice(found),), body)
        except (RequestNotSent, ResponseUnknown, BadSignature, ValueError):
            return unknown

    async def refund(self, request: RefundRequest) -> OperationResult:
        return await self._operate("/refund", request)

    async def query_refund(
        self, request: RefundRequest, *, provider_reference: str, queried_at: datetime
    ) -> OperationResult:
        found = await self._operate("/refund-query", request)
        if found.outcome is Outcome.FAILED and found.provider_status == "not sent":
            return OperationResult(outcome=Outcome.UNKNOWN, provider_status="")
        return found

    async def _operate(self, path: str, request: RefundRequest) -> OperationResult:
        fields = {"refund_no": request.reference, "trade_no": request.transaction, "amount": str(request.amount)}
        try:
            found = self.fields_of(self.verified(body := await self._call(path, fields)))
        except RequestNotSent:
            return OperationResult(outcome=Outcome.FAILED, provider_status="not sent")
        except (ResponseUnknown, BadSignature, ValueError):
            return OperationResult(outcome=Outcome.UNKNOWN, provider_status="")
        if found.get("refund_no") != request.reference:
            return OperationResult(outcome=Outcome.UNKNOWN, provider_status="")
        state = found.get("state", "")
        return OperationResult(outcome=OUTCOMES.get(state, Outcome.UNKNOWN), provider_status=state, evidence=body)

    async def _call(self, path: str, fields: dict[str, str], *, is_retryable: bool = False) -> bytes:
        text = "&".join(f"{name}={value}" for name, value in fields.items())
        sign = hmac_sha256_hex(current_secret(self._settings.secrets), text.encode())
        request = self._client.build_request(
            "POST", self._settings.base_url + path, content=f"{text}&sign={sign}".encode()
        )
        answer = await call(self._client, request, timeout_s=self._settings.timeout_s, is_retryable=is_retryable)
        if answer.status != 200:
            raise ResponseUnknown(f"status {answer.status}")
        return answer.body

    def verified(self, body: bytes) -> bytes:
        match = _BODY.fullmatch(body)
        if match is None:
            raise BadSignature(Reply(401))
        expected = [hmac_sha256_hex(secret, match["text"]) for secret in active_secrets(self._settings.secrets)]
        if not any(is_same_secret(each, match["sign"].decode()) for each in expected):
            raise BadSignature(Reply(401))
        return match["text"]

    def fields_of(self, text: bytes) -> dict[str, str]:
        pairs = parse_qsl(text.decode("ascii"), keep_blank_values=True, strict_parsing=True, errors="strict")
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a field twice")
        return found

    def amount_of(self, text: str) -> int:
        if not re.fullmatch(r"[1-9][0-9]{0,12}", text):
            raise ValueError("amount is no whole number of dong")
        return int(text)

    def time_of(self, text: str) -> datetime:
        if not _AT.fullmatch(text):
            raise ValueError("at is no time")
        return datetime.fromisoformat(text)

    def notice(self, found: dict[str, str]) -> Notice:
        if found.keys() != set(NAMES):
            raise ValueError("other fields than documented")
        if found["ccy"] != "VND":
            raise ValueError("another currency")
        if not re.fullmatch(r"[0-9A-Za-z]{1,40}", found["trade_no"]) or not re.fullmatch(
            r"[0-9A-Za-z]{1,40}", found["out_no"]
        ):
            raise ValueError("no number")
        if not re.fullmatch(r"[0-9A-Z]{1,20}", found["mch_id"]) or not re.fullmatch(
            r"[0-9A-Za-z]{1,10}", found["state"]
        ):
            raise ValueError("no merchant or state")
        state, number, amount = found["state"], found["trade_no"], self.amount_of(found["amount"])
        is_refund = state == REFUNDED
        return Notice(
            event_key=f"{number}:{state}",
            outcome=Outcome.SUCCEEDED if is_refund else OUTCOMES.get(state, Outcome.UNKNOWN),
            provider_status=state,
            occurred_at=self.time_of(found["at"]),
            amount=amount,
            movement=Movement.REFUNDED if is_refund else Movement.RECEIVED,
            movement_keys=frozenset({f"transaction:{number}" + ("-refund" if is_refund else "")}),
            reverses=frozenset({f"transaction:{number}"} if is_refund else ()),
            fingerprint=fingerprint(*(found[name] for name in NAMES)),
            reference=found["out_no"],
            provider_reference=number,
            payee=(("merchant", found["mch_id"]),),
            names_other_account=found["mch_id"] != self._settings.merchant,
        )


def signed(settings: Mapping[str, object], text: bytes) -> bytes:
    """The text with its signature."""
    return text + b"&sign=" + hmac_sha256_hex(key_of(settings, "secrets"), text).encode()


class FormSuite(ProviderConformance):
    provider: ClassVar[type[Provider]] = FormSigned
    settings: ClassVar[Mapping[str, object]] = {
        "merchant": "M1",
        "base_url": "https://wallet.example",
        "secrets": "a-secret-of-the-tests",
    }
    fields = MessageFields(
        amount="amount",
        status="state",
        statuses={"00": Outcome.SUCCEEDED, "01": Outcome.PENDING, "02": Outcome.FAILED, "03": Outcome.EXPIRED},
        unknown_status="77",
        payee="mch_id",
        other_payee="M2",
        currency="ccy",
        outflow={"state": "09"},
    )
    max_age = None  # no time of the delivery is signed
    answers_are_signed = True

    def message(self, payment: SamplePayment) -> Mapping[str, Any]:
        return {
            "mch_id": "M1",
            "trade_no": payment.transaction,
            "out_no": payment.reference,
            "amount": str(payment.amount),
            "ccy": "VND",
            "state": "00",
            "at": payment.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }

    def write(self, message: Mapping[str, Any]) -> bytes:
        for value in message.values():
            if not isinstance(value, str):
                raise TypeError("a form holds texts")
        return urlencode(message).encode()

    def sign(self, settings: Mapping[str, object], body: bytes, at: datetime) -> Callback:
        return post(signed(settings, body))

    def signed_text(self, callback: Callback) -> bytes:
        return callback.body.rpartition(b"&sign=")[0]

    def answer_query(
        self, settings: Mapping[str, object], request: httpx.Request, message: Mapping[str, Any] | None
    ) -> httpx.Response:
        known = {"state": "404", "out_no": dict(parse_qsl(request.content.decode()))["out_no"]}
        return httpx.Response(200, content=signed(settings, self.write(known if message is None else message)))

    def answering(self, sent: list[bytes]) -> httpx.AsyncClient:
        async def answer(request: httpx.Request) -> httpx.Response:
            out = dict(parse_qsl(request.content.decode()))["out_no"]
            text = urlencode({"out_no": out, "page": "https://wallet.example/p", "trade_no": "T9"}).encode()
            return httpx.Response(200, content=signed(self.settings, text))

        return self.client(answer, sent)


class FieldTwiceAccepted(FormSigned):
    def fields_of(self, text: bytes) -> dict[str, str]:
        return dict(parse_qsl(text.decode("ascii"), keep_blank_values=True, strict_parsing=True))


class RefundWithANewNumber(FormSigned):
    """Each call of `refund` has a number of its own, as if it were derived from the clock."""

    numbers = count()

    async def refund(self, request: RefundRequest) -> OperationResult:
        return await super().refund(replace(request, reference=f"{request.reference}{next(self.numbers)}"))


class RefundFailedWithoutAnAnswer(FormSigned):
    async def refund(self, request: RefundRequest) -> OperationResult:
        result = await super().refund(request)
        return replace(result, outcome=Outcome.FAILED) if result.outcome is Outcome.UNKNOWN else result


class RefundSentAgain(FormSigned):
    async def refund(self, request: RefundRequest) -> OperationResult:
        result = await super().refund(request)
        return await super().refund(request) if result.outcome is Outcome.UNKNOWN else result


class RefundLogsItsSecret(FormSigned):
    async def refund(self, request: RefundRequest) -> OperationResult:
        result = await super().refund(request)
        if result.outcome is Outcome.UNKNOWN:
            logging.getLogger(__name__).warning("not signed with %r", current_secret(self._settings.secrets))
        return result


class RefundOfANumberFailed(FormSigned):
    """A query by the number of the refund takes a fault of the network for an answer."""

    async def query_refund(
        self, request: RefundRequest, *, provider_reference: str, queried_at: datetime
    ) -> OperationResult:
        found = await super().query_refund(request, provider_reference=provider_reference, queried_at=queried_at)
        is_wrong = provider_reference and found.outcome is Outcome.UNKNOWN
        return replace(found, outcome=Outcome.FAILED) if is_wrong else found


class PaymentWithoutANumberNotFound(FormSigned):
    """A query without a number of the wallet takes a fault of the network for an answer."""

    async def query_payment(self, known: PendingPayment) -> Notices:
        found = await super().query_payment(known)
        is_wrong = not known.provider_reference and found.notices[0].outcome is Outcome.UNKNOWN
        return Notices((status_only(known, Outcome.NOT_FOUND),)) if is_wrong else found


class OrderOfAnotherAmount(FormSigned):
    async def create_payment(self, request: PaymentRequest) -> PaymentInstruction:
        return await super().create_payment(replace(request, amount=request.amount + 1))


class LooseAmountText(FormSigned):
    def amount_of(self, text: str) -> int:
        return int(text)


class ReplyIsNoJson(FormSigned):
    def answer_callback(self, callback: Callback, verdict: Verdict, receipt_id: str) -> Reply:
        return Reply(503, b"retry") if verdict is Verdict.TRY_LATER else Reply(200, b"success")


WRONG_FORMS: tuple[tuple[type[FormSigned], str], ...] = (
    (FieldTwiceAccepted, "a message with the field mch_id twice was accepted"),
    (RefundWithANewNumber, "refund repeated with the same request starts another refund"),
    (RefundFailedWithoutAnAnswer, "without an authentic answer it is UNKNOWN"),
    (RefundSentAgain, "refund was sent again after the fault"),
    (RefundLogsItsSecret, "a secret is visible in a text, a reply, a log"),
    (RefundOfANumberFailed, "query_refund of the number `R1` after the fault"),
    (PaymentWithoutANumberNotFound, "a status query of the number `` that failed"),
    (OrderOfAnotherAmount, "the payment does not request 136000 đồng"),
    (LooseAmountText, "the amount .* was accepted as"),
    (ReplyIsNoJson, "of a reply is no JSON"),
)

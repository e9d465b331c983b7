"""The piggy bank: an example of a provider in a package of its own.

Source: Piggy Bank merchant interface 1.0 (fictitious). A payment is paid by a VietQR that is built locally. The piggy
bank reports it by POST, with a signature of the whole body:

    {"id": "P1", "merchant": "H1", "amount": 136000, "currency": "VND", "memo": "K7ABCDEFR VIEN PHI",
     "status": "paid", "time": "20261102163000"}
    x-piggy-signature: sha256=<lower-case hex of HMAC-SHA256 over the body>

`time` is Vietnamese time. `GET <query_url>?merchant=H1&memo=K7ABCDEFR` returns the same signed message; 404 with
the signed body `{"status": "not_found", "memo": "K7ABCDEFR"}` states that the payment is unknown. Status
values: paid, pending, failed, and refunded for money that was sent back. The reply `{"ok": true}` ends the delivery;
503 requests another delivery; 401 states that the signature is wrong.
"""

from datetime import datetime
from typing import ClassVar, Literal

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from providers.contract import (
    BadSignature,
    Callback,
    Callbacks,
    Movement,
    Notice,
    Notices,
    Outcome,
    PaymentInstruction,
    PaymentRequest,
    PendingPayment,
    Provider,
    Queries,
    Reply,
    Unreadable,
    Verdict,
)
from providers.http_call import RequestNotSent, ResponseUnknown, call
from providers.local_qr import build_local_qr
from providers.notices import fingerprint, parse_vietnam_timestamp, status_only
from providers.settings import AccountSettings, Secrets, active_secrets
from providers.signing import hmac_sha256_hex, is_same_secret, read_json_object
from providers.strict_json import NotStrictJson

SIGNATURE_HEADER = "x-piggy-signature"
_OUTCOMES = {"paid": Outcome.SUCCEEDED, "pending": Outcome.PENDING, "failed": Outcome.FAILED}
_OK = Reply(status=200, body=b'{"ok": true}')
_TRY_LATER = Reply(status=503, body=b'{"ok": false}', headers={"Retry-After": "5"})
_BAD_SIGNATURE = Reply(status=401, body=b'{"ok": false}')
_UNREADABLE = Reply(status=422, body=b'{"ok": false}')


class PiggySettings(AccountSettings):
    """Settings of one account. `max_age_s` is how old a message may be when it arrives."""

    merchant: str = Field(pattern=r"^[0-9A-Z]{1,20}$")
    bank_bin: str = Field(pattern=r"^[0-9]{6}$")
    account_number: str = Field(pattern=r"^[0-9A-Za-z]{1,19}$")
    account_holder: str = Field(min_length=1, max_length=70)
    query_url: str = Field(pattern=r"^https://[!-~]{1,200}$")
    max_age_s: int = Field(default=86_400, ge=60)
    secrets: Secrets


class PiggyMessage(BaseModel):
    """One message, read strictly: a number is no text, a text is no number."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")

    id: str = Field(pattern=r"^[0-9A-Za-z]{1,40}$")
    merchant: str = Field(pattern=r"^[0-9A-Z]{1,20}$")
    amount: int = Field(gt=0, le=10**12)
    currency: Literal["VND"]
    memo: str = Field(max_length=200)
    status: str = Field(pattern=r"^[a-z_]{1,20}$")
    time: str = Field(pattern=r"^[0-9]{14}$")

    @property
    def occurred_at(self) -> datetime:
        """The time of the payment. Raises ValueError for digits that are no time."""
        return parse_vietnam_timestamp(self.time)


class Piggybank(Provider, Callbacks, Queries):
    """One account at the piggy bank."""

    signed_part: ClassVar[str] = "the whole body"
    settings_type: ClassVar[type[BaseModel]] = PiggySettings
    evidence_headers: ClassVar[frozenset[str]] = frozenset({SIGNATURE_HEADER})

    def __init__(self, settings: PiggySettings, client: httpx.AsyncClient) -> None:
        self._settings = settings
        self._client = client

    async def create_payment(self, request: PaymentRequest) -> PaymentInstruction:
        """Return a VietQR of our account, parsed back before it is shown. Raises PaymentRefused."""
        settings = self._settings
        payload = build_local_qr(request, bank_bin=settings.bank_bin, account_number=settings.account_number)
        return PaymentInstruction(
            qr_payload=payload,
            bank_bin=settings.bank_bin,
            account_number=settings.account_number,
            account_holder=settings.account_holder,
        )

    def read_callback(self, callback: Callback) -> Notices | Reply:
        """Verify the raw body, then read the one message that it holds."""
        if callback.method != "POST":
            return Reply(status=405, headers={"Allow": "POST"})
        if not self._is_signed(callback.body, callback.header(SIGNATURE_HEADER)):
            raise BadSignature(_BAD_SIGNATURE)
        try:
            notice, occurred_at = self._read(callback.body)
        except ValueError:
            raise Unreadable("the body is not a message of the piggy bank", _UNREADABLE) from None
        if abs((callback.received_at - occurred_at).total_seconds()) > self._settings.max_age_s:
            raise BadSignature(_BAD_SIGNATURE)
        return Notices((notice,))

    def answer_callback(self, callback: Callback, verdict: Verdict, receipt_id: str) -> Reply:
        """Acknowledge each recorded delivery; only TRY_LATER requests another delivery."""
        return _TRY_LATER if verdict is Verdict.TRY_LATER else _OK

    async def query_payment(self, known: PendingPayment) -> Notices:
        """Return the message of a payment as its callback would carry it; UNKNOWN without an authentic answer."""
        settings, unknown = self._settings, Notices((status_only(known, Outcome.UNKNOWN),))
        parameters = {"merchant": settings.merchant, "memo": known.reference}
        request = self._client.build_request("GET", settings.query_url, params=parameters)
        try:
            answer = await call(self._client, request, timeout_s=settings.timeout_s, is_retryable=True)
            if not self._is_signed(answer.body, answer.headers.get(SIGNATURE_HEADER)):
                return unknown
            if answer.status == 404 and _is_not_found(answer.body, known):
                return Notices((status_only(known, Outcome.NOT_FOUND),), answer.body)
            notice, _ = self._read(answer.body)
        except (RequestNotSent, ResponseUnknown, ValueError):
            return unknown
        if answer.status != 200 or known.reference not in notice.transfer_text:
            return unknown
        return Notices((notice,), answer.body)

    def _is_signed(self, body: bytes, signature: str | None) -> bool:
        """Whether any active secret signed the body. Only SHA-256 counts, whatever the header names."""
        expected = [f"sha256={hmac_sha256_hex(secret, body)}" for secret in active_secrets(self._settings.secrets)]
        return any(is_same_secret(each, signature) for each in expected)

    def _read(self, body: bytes) -> tuple[Notice, datetime]:
        """Return the notice of a verified body and its time. Raises ValueError."""
        try:
            message = PiggyMessage.model_validate(read_json_object(body))
        except (NotStrictJson, ValidationError):
            raise ValueError("not a message of the piggy bank") from None
        return self._notice(message), message.occurred_at

    def _notice(self, message: PiggyMessage) -> Notice:
        is_refund = message.status == "refunded"
        outcome = Outcome.SUCCEEDED if is_refund else _OUTCOMES.get(message.status, Outcome.UNKNOWN)
        key = f"{message.id}-refund" if is_refund else message.id
        return Notice(
            event_key=f"{message.id}:{message.status}",
            outcome=outcome,
            provider_status=message.status,
            occurred_at=message.occurred_at,
            amount=message.amount,
            movement=Movement.REFUNDED if is_refund else Movement.RECEIVED,
            movement_keys=frozenset({f"transaction:{key}"}),
            reverses=frozenset({f"transaction:{message.id}"} if is_refund else ()),
            fingerprint=fingerprint(*message.model_dump().values()),
            transfer_text=message.memo,
            provider_reference=message.id,
            payee=(("merchant", message.merchant),),
            names_other_account=message.merchant != self._settings.merchant,
        )


def _is_not_found(body: bytes, known: PendingPayment) -> bool:
    try:
        return read_json_object(body) == {"status": "not_found", "memo": known.reference}
    except NotStrictJson:
        return False

"""The piggy bank: an example of a provider that is no part of vienphi.

It makes a VietQR offline and is called back by POST:

    {"id": "P1", "amount": 136000, "memo": "K7ABCDEFR VIEN PHI", "status": "paid", "at": 1793611800}
    x-piggy-signature: <hex of HMAC-SHA256 over the whole body>

Status words: `paid` is money; every other word is UNKNOWN. Answers are `{"ok": true}`; `{"ok": false}` with 503 asks to
come again, with 401 says that the signature is wrong.
"""

import hashlib
import json
from datetime import UTC, datetime
from typing import ClassVar

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from providers.contract import (
    BadSignature,
    Callback,
    Callbacks,
    Notice,
    Notices,
    Outcome,
    PaymentInstruction,
    PaymentRefused,
    PaymentRequest,
    Provider,
    Reply,
    Unreadable,
    Verdict,
)
from providers.emvqr import Particulars, QrError, VietQr, build_vietqr, check_payee
from providers.settings import AccountSettings, Secrets, active_secrets
from providers.signing import hmac_sha256_hex, is_same_secret, read_json_object
from providers.strict_json import NotStrictJson

_HEADER = "x-piggy-signature"
_TRY_LATER = Reply(status=503, body=b'{"ok": false}', headers={"Retry-After": "5"})


class PiggySettings(AccountSettings):
    """An account at the piggy bank; how old a message may be, in seconds."""

    bank_bin: str = Field(pattern=r"^[0-9]{6}$")
    account_number: str = Field(pattern=r"^[0-9A-Za-z]{1,19}$")
    account_holder: str = Field(min_length=1, max_length=70)
    age_max_s: int = Field(default=86_400, ge=60)
    secrets: Secrets


class _Message(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")

    id: str = Field(pattern=r"^[0-9A-Za-z]{1,40}$")
    amount: int = Field(gt=0, le=10**12)
    memo: str = Field(max_length=200)
    status: str = Field(pattern=r"^[a-z]{1,20}$")
    at: int = Field(gt=0, le=4_000_000_000)


class Piggybank(Provider, Callbacks):
    """One account at the piggy bank. Calls nobody."""

    signed_part: ClassVar[str] = "the whole body"
    settings_type: ClassVar[type[BaseModel]] = PiggySettings
    evidence_headers: ClassVar[frozenset[str]] = frozenset({_HEADER})

    def __init__(self, settings: PiggySettings, client: httpx.AsyncClient) -> None:
        self._settings = settings
        self._client = client

    async def create_payment(self, request: PaymentRequest) -> PaymentInstruction:
        """A VietQR for our account, read back before it is given out. Raises PaymentRefused."""
        payee = {"bank_bin": self._settings.bank_bin, "account_number": self._settings.account_number}
        try:
            code = VietQr(**payee, amount=request.amount, particulars=Particulars(purpose=request.purpose))
            payload = build_vietqr(code)
            check_payee(payload, **payee)
        except QrError as error:
            raise PaymentRefused(str(error)) from error
        return PaymentInstruction(qr_payload=payload, account_holder=self._settings.account_holder, **payee)

    def read_callback(self, callback: Callback) -> Notices:
        """Verify the raw body under every secret that is alive, then read it."""
        signature = callback.header(_HEADER)
        secrets = active_secrets(self._settings.secrets)
        if not any(is_same_secret(hmac_sha256_hex(secret, callback.body), signature) for secret in secrets):
            raise BadSignature(Reply(status=401, body=b'{"ok": false}'))
        try:
            message = _Message.model_validate(read_json_object(callback.body))
        except (NotStrictJson, ValidationError):
            raise Unreadable("not what a message of the piggy bank is", Reply(status=422, body=b"{}")) from None
        if abs(callback.received_at.timestamp() - message.at) > self._settings.age_max_s:
            raise BadSignature(Reply(status=401, body=b'{"ok": false}'))
        return Notices((_notice(message),))

    def answer_callback(self, callback: Callback, verdict: Verdict, receipt_id: str) -> Reply:
        """Whatever was taken is ok, whatever became of it."""
        return _TRY_LATER if verdict is Verdict.TRY_LATER else Reply(status=200, body=b'{"ok": true}')


def _notice(message: _Message) -> Notice:
    meaningful = json.dumps([message.id, message.amount, message.memo, message.status, message.at])
    return Notice(
        event_key=f"{message.id}:{message.status}",
        outcome=Outcome.SUCCEEDED if message.status == "paid" else Outcome.UNKNOWN,
        provider_status=message.status,
        occurred_at=datetime.fromtimestamp(message.at, UTC),
        amount=message.amount,
        movement_keys=frozenset({f"transaction:{message.id}"}),
        fingerprint=hashlib.sha256(meaningful.encode()).digest(),
        transfer_text=message.memo,
        provider_reference=message.id,
    )

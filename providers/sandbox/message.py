"""Messages between the sandbox bank and its provider: settings, message format and signature.

A message is a JSON object in the body of a POST. The header `x-sandbox-signature: t=<unix seconds>,v1=<hex>` carries
HMAC-SHA256 over `<unix seconds>.<body>` with the secret of the account; every delivery has a new signature.
"""

import re
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from providers.emvqr import AMOUNT_MAX
from providers.settings import AccountSettings
from providers.signing import hmac_sha256_hex, is_same_secret

SIGNATURE_HEADER = "x-sandbox-signature"
CONTENT_LENGTH_MAX = 500
_YEARS = range(2000, 2101)
_SIGNATURE = re.compile(r"t=([0-9]{1,12}),v1=([0-9a-f]{64})")


class SandboxSettings(AccountSettings):
    """One account at the sandbox bank. `tolerance_s` is how old or early a signature may be.

    `query_url` is the address of status queries; empty if there are none.
    """

    bank_bin: str = Field(pattern=r"^[0-9]{6}$")
    account_number: str = Field(pattern=r"^[0-9A-Za-z]{1,19}$")
    account_holder: str = Field(min_length=1, max_length=70)
    merchant_id: str = Field(pattern=r"^[0-9A-Za-z_-]{1,40}$")
    secret: SecretStr = Field(min_length=16)
    tolerance_s: int = Field(default=300, ge=1, le=3600)
    query_url: str = Field(default="", pattern=r"^(https?://[!-~]{1,500})?$")

    @property
    def key(self) -> bytes:
        """The secret as the signing bytes."""
        return self.secret.get_secret_value().encode("utf-8")


def _parse_timestamp(value: object) -> object:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def _within_reason(timestamp: datetime) -> datetime:
    if timestamp.year not in _YEARS:
        raise ValueError("a year from 2000 to 2100 is needed")
    return timestamp.astimezone(UTC)


class SandboxPayer(BaseModel):
    """The payer, as far as the bank reports it."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    name: str = Field(default="", max_length=200)
    account: str = Field(default="", max_length=40)


class SandboxMessage(BaseModel):
    """One message of the sandbox bank about one transaction. Amounts are whole đồng and never signed.

    `status` is the bank's word; new words are not refused. `content` is the transfer text,
    `reference` our code if the bank carries it in a separate field. A debit may name the transaction
    that it refunds in `original_transaction_id`.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    transaction_id: str = Field(pattern=r"^[0-9A-Za-z._-]{1,64}$")
    bank_reference: str = Field(default="", pattern=r"^[0-9A-Za-z._-]{0,64}$")
    merchant_id: str | None = Field(default=None, max_length=40)
    account_number: str = Field(min_length=1, max_length=40)
    amount: int = Field(ge=1, le=AMOUNT_MAX)
    currency: Literal["VND"] = "VND"
    status: str = Field(pattern=r"^[A-Z_]{1,32}$")
    direction: Literal["credit", "debit"]
    content: str = Field(default="", max_length=CONTENT_LENGTH_MAX)
    reference: str | None = Field(default=None, max_length=40)
    occurred_at: Annotated[AwareDatetime, BeforeValidator(_parse_timestamp), AfterValidator(_within_reason)]
    payer: SandboxPayer | None = None
    original_transaction_id: str = Field(default="", pattern=r"^[0-9A-Za-z._-]{0,64}$")


def signature_of(key: bytes, timestamp: str, body: bytes) -> str:
    """The hex signature of a body at a timestamp in unix seconds."""
    return hmac_sha256_hex(key, timestamp.encode("ascii") + b"." + body)


def signature_header(key: bytes, signed_at: datetime, body: bytes) -> str:
    """The value of the signature header of one delivery."""
    timestamp = str(int(signed_at.timestamp()))
    return f"t={timestamp},v1={signature_of(key, timestamp, body)}"


def is_signed(settings: SandboxSettings, signature: str | None, body: bytes, *, at: datetime) -> bool:
    """Whether the signature header is that of a body, by the secret of the account, and of this time."""
    found = _SIGNATURE.fullmatch(signature or "")
    if found is None:
        return False
    timestamp, received = found.groups()
    if not is_same_secret(signature_of(settings.key, timestamp, body), received):
        return False
    return abs(at.timestamp() - int(timestamp)) <= settings.tolerance_s

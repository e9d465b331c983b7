"""Settings of a bank account that SePay watches, and of a merchant of its payment gateway."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from providers.settings import CredentialSettings, Secrets

_ADDRESS = r"https?://[!-~]{1,500}"


class Auth(StrEnum):
    """The authentication of SePay's webhook; only `hmac` signs the content."""

    HMAC = "hmac"
    APIKEY = "apikey"
    OAUTH2 = "oauth2"
    NONE = "none"


class FeedFields(BaseModel):
    """The field names of the transactions list; the documents that we have do not contain them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: str = "transactions"
    id: str = "id"
    timestamp: str = "transaction_date"
    account_number: str = "account_number"
    sub_account: str = "sub_account"
    amount_in: str = "amount_in"
    amount_out: str = "amount_out"
    code: str = "code"
    content: str = "transaction_content"
    bank_reference: str = "reference_number"


class SepaySettings(CredentialSettings):
    """One bank account. `secrets` sign (`hmac`), are the key (`apikey`) or the client's secret (`oauth2`).

    `qr_account_number` is the number in our codes if it is not the account's own (a virtual account that SePay
    resolves to it). `api_token` permits reading the list of transactions; without it there is no feed.
    """

    auth: Auth = Auth.HMAC
    secrets: Secrets | tuple[()] = ()
    oauth2_client_id: str = Field(default="", pattern=r"^[!-~]{0,100}$")
    token_life_s: int = Field(default=300, ge=30, le=3600)
    unsafe_for_tests: bool = False
    bank_bin: str = Field(pattern=r"^[0-9]{6}$")
    account_number: str = Field(pattern=r"^[0-9A-Za-z]{1,19}$")
    qr_account_number: str = Field(default="", pattern=r"^[0-9A-Za-z]{0,19}$")
    account_holder: str = Field(default="", max_length=70)
    tolerance_s: int = Field(default=300, ge=1, le=3600)
    api_url: str = Field(default="https://my.sepay.vn", pattern=rf"^{_ADDRESS}[^/]$")
    api_token: SecretStr | None = None
    feed_fields: FeedFields = FeedFields()
    feed_rows_max: int = Field(default=500, ge=1, le=5000)
    feed_first_days: int = Field(default=3, ge=1, le=31)
    feeds_per_minute: int = Field(default=6, ge=0, le=120)

    def find_problems(self) -> Iterator[tuple[str, str]]:
        """See the base: the authentication of the webhook, and its required fields."""
        if self.auth is Auth.NONE and not self.unsafe_for_tests:
            yield "auth", "a webhook that proves itself by nothing is refused outside tests; use hmac, apikey or oauth2"
        if self.auth is not Auth.NONE and not self.secrets:
            yield "secrets", f"missing; auth is {self.auth.value}"
        if self.auth is Auth.OAUTH2 and not self.oauth2_client_id:
            yield "oauth2_client_id", "missing; auth is oauth2"

    @property
    def payee(self) -> str:
        """The number in our codes."""
        return self.qr_account_number or self.account_number


class SepayGatewaySettings(CredentialSettings):
    """One merchant of the gateway. Its messages carry a static key and are not signed."""

    merchant_id: str = Field(pattern=r"^[!-~]{1,60}$")
    secret_key: SecretStr = Field(min_length=8)
    ipn_keys: Secrets
    checkout_url: str = Field(default="https://pay-sandbox.sepay.vn/v1/checkout/init", pattern=rf"^{_ADDRESS}$")
    api_url: str = Field(default="https://pgapi-sandbox.sepay.vn/v1", pattern=rf"^{_ADDRESS}[^/]$")
    payment_method: Literal["BANK_TRANSFER", "NAPAS_BANK_TRANSFER", "CARD"] = "BANK_TRANSFER"
    return_url: str = Field(default="", pattern=rf"^({_ADDRESS})?$")
    queries_per_minute: int = Field(default=30, ge=0, le=600)

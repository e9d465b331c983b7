"""Settings of a bank account that is paid by VietQR, with or without reports of vietqr.vn."""

from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from providers.settings import CredentialSettings, Secrets

_ADDRESS = r"https?://[!-~]{1,500}"
_ACCOUNT = r"[0-9A-Za-z]"
AMOUNT_MAX_DEFAULT = 499_999_999
"""Fast transfers stay below 500 million đồng; confirm each bank's own limit with the bank."""


class OrderFields(BaseModel):
    """The field names of check-order's answer; the document that we have names only the first six."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    status: str = "status"
    kind: str = "type"
    refund_count: str = "refundCount"
    amount_refunded: str = "amountRefunded"
    bank_reference: str = "referenceNumber"
    order_id: str = "orderId"
    amount: str = "amount"
    direction: str = "transType"
    content: str = "content"
    timestamp: str = "timePaid"


class VietqrSettings(CredentialSettings):
    """One bank account.

    `username` and `passwords` are issued by us, for vietqr.vn to fetch a token; without them no callback is accepted.
    `api_username` and `api_password` are issued by vietqr.vn; without them no call is made. `qr_account_number` is the
    number in our codes if it is not the account's own. `amount_max` is in đồng, for one transfer.
    `creates_orders`: vietqr.vn creates the codes under our reference, so that they can be queried.
    `refund_secret`: refunds use vietqr.vn; `refund_multi_times` is sent with the first refund of a payment, and
    without it no part of a payment can be refunded later.
    """

    bank_bin: str = Field(pattern=r"^[0-9]{6}$")
    bank_code: str = Field(default="", pattern=r"^[0-9A-Za-z]{0,20}$")
    account_number: str = Field(pattern=rf"^{_ACCOUNT}{{1,19}}$")
    qr_account_number: str = Field(default="", pattern=rf"^{_ACCOUNT}{{0,19}}$")
    account_holder: str = Field(default="", pattern=r"^[0-9A-Za-z .,&-]{0,70}$")
    amount_max: int = Field(default=AMOUNT_MAX_DEFAULT, ge=1, le=9_999_999_999_999)
    username: str = Field(default="", pattern=r"^[!-9;-~]{0,100}$")
    passwords: Secrets | tuple[()] = ()
    token_life_s: int = Field(default=300, ge=30, le=3600)
    api_url: str = Field(default="https://dev.vietqr.org/vqr", pattern=rf"^{_ADDRESS}[^/]$")
    api_username: str = Field(default="", pattern=r"^[!-9;-~]{0,100}$")
    api_password: SecretStr | None = Field(default=None, min_length=8)
    terminal_code: str = Field(default="", pattern=r"^[!-~]{0,60}$")
    order_fields: OrderFields = OrderFields()
    creates_orders: bool = False
    refund_secret: SecretStr | None = Field(default=None, min_length=8)
    refund_multi_times: bool = True
    queries_per_minute: int = Field(default=30, ge=0, le=600)

    def find_problems(self) -> Iterator[tuple[str, str]]:
        """See the base: names and passwords are set together, and orders and refunds require the API credentials."""
        if self.username and not self.passwords:
            yield "passwords", "missing; username and passwords go together"
        if self.passwords and not self.username:
            yield "username", "missing; username and passwords go together"
        if self.api_username and self.api_password is None:
            yield "api_password", "missing; api_username and api_password go together"
        queries = self.creates_orders or self.refund_secret is not None
        if not self.api_username and (queries or self.api_password is not None):
            yield "api_username", "missing; orders, refunds and api_password need it"
        if queries and not self.bank_code:
            yield "bank_code", "missing; orders and refunds need it"
        if self.creates_orders and not self.account_holder:
            yield "account_holder", "missing; orders need it"

    @property
    def can_query(self) -> bool:
        """Whether vietqr.vn may be called."""
        return self.api_password is not None

    @property
    def payee(self) -> str:
        """The number in our codes."""
        return self.qr_account_number or self.account_number

"""Settings of one payOS channel."""

from typing import Literal

from pydantic import Field, SecretStr

from providers.settings import AccountSettings, Secrets

_ADDRESS = r"https?://[!-~]{1,500}"


class PayosSettings(AccountSettings):
    """One channel. Every code payOS makes is held against the approved account before it is shown.

    `virtual_account_prefixes` are those of the numbers that payOS collects under for this account; empty where the
    account itself is paid. `description_length` is 25 where the bank account was linked through payOS, else 9.
    `existing_code` is what payOS answers for an order it has already (reported, not documented).
    """

    client_id: str = Field(pattern=r"^[!-~]{1,100}$")
    api_key: SecretStr = Field(min_length=8)
    checksum_keys: Secrets
    bank_bin: str = Field(pattern=r"^[0-9]{6}$")
    account_number: str = Field(pattern=r"^[0-9A-Za-z]{1,19}$")
    account_holder: str = Field(default="", max_length=70)
    virtual_account_prefixes: tuple[str, ...] = ()
    base_url: str = Field(default="https://api-merchant.payos.vn", pattern=rf"^{_ADDRESS}[^/]$")
    checkout_url: str = Field(default="https://pay.payos.vn/web/", pattern=rf"^{_ADDRESS}/$")
    return_url: str = Field(default="", pattern=rf"^({_ADDRESS})?$")
    cancel_url: str = Field(default="", pattern=rf"^({_ADDRESS})?$")
    description_length: Literal[9, 25] = 9
    existing_code: str = "231"
    timeout_s: float = Field(default=60.0, gt=0, le=120)  # what payOS's own clients wait
    queries_per_minute: int = Field(default=30, ge=0, le=600)

    def is_ours(self, account_number: str) -> bool:
        """Whether an account number is that of the approved account, or one collected under for it."""
        return account_number == self.account_number or any(
            account_number.startswith(prefix) for prefix in self.virtual_account_prefixes if prefix
        )

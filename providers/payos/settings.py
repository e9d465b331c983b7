"""Settings of one payOS channel."""

from typing import Literal

from pydantic import Field, SecretStr

from providers.settings import AccountSettings, Secrets

_ADDRESS = r"https?://[!-~]{1,500}"


class PayosSettings(AccountSettings):
    """One channel. Every code of payOS is checked against the approved account before it is shown.

    `virtual_account_prefixes` are the prefixes of payOS's collection numbers for this account; empty if the account
    itself is paid. `description_length` is 25 if the bank account was linked through payOS, else 9.
    `existing_code` is payOS's code for an existing order (reported, not documented).
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
    timeout_s: float = Field(default=60.0, gt=0, le=120)  # the timeout of payOS's own clients
    queries_per_minute: int = Field(default=30, ge=0, le=600)

    def is_ours(self, account_number: str) -> bool:
        """Whether an account number is the approved account or one of its collection numbers."""
        return account_number == self.account_number or any(
            account_number.startswith(prefix) for prefix in self.virtual_account_prefixes if prefix
        )

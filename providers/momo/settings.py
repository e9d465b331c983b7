"""Settings of one MoMo partner account."""

from typing import Literal

from pydantic import Field, SecretStr

from providers.csv_report import ReportColumns
from providers.settings import AccountSettings, Secrets

_ADDRESS = r"https?://[!-~]{1,500}"


class MomoSettings(AccountSettings):
    """One partner account. `access_key` is part of every signed text and of no message: it is a secret.

    `callback_url` and `return_url` are used if the service does not know its own public address. `report` describes
    the columns of the portal's export, whose layout is not public.
    """

    partner_code: str = Field(pattern=r"^[0-9A-Za-z_-]{1,50}$")
    access_key: SecretStr = Field(min_length=8)
    secret_keys: Secrets
    base_url: str = Field(default="https://test-payment.momo.vn", pattern=rf"^{_ADDRESS}[^/]$")
    callback_url: str = Field(default="", pattern=rf"^({_ADDRESS})?$")
    return_url: str = Field(default="", pattern=rf"^({_ADDRESS})?$")
    language: Literal["vi", "en"] = "vi"
    timeout_s: float = Field(default=30.0, gt=0, le=120)  # MoMo requires at least 30 s
    queries_per_minute: int = Field(default=30, ge=0, le=600)
    report: ReportColumns | None = None

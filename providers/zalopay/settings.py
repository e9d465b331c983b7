"""Settings of one ZaloPay application."""

from pydantic import Field

from providers.csv_report import ReportColumns
from providers.settings import AccountSettings, Secrets

_ADDRESS = r"https?://[!-~]{1,500}"


class ZalopaySettings(AccountSettings):
    """One application. `key1` signs our requests, `key2` ZaloPay's callbacks; each may be two during a rotation.

    `payment_methods` are offered first on ZaloPay's page (`vietqr`, `zalopay_wallet` …); empty offers all.
    `callback_url` and `return_url` are used if the service does not know its own public address. `report` describes
    the columns of the merchant portal's export, whose layout is not public.
    """

    app_id: int = Field(ge=1, le=2**31 - 1)
    key1: Secrets
    key2: Secrets
    base_url: str = Field(default="https://sb-openapi.zalopay.vn", pattern=rf"^{_ADDRESS}[^/]$")
    app_user: str = Field(default="hospital", pattern=r"^[0-9A-Za-z_-]{1,50}$")
    callback_url: str = Field(default="", pattern=rf"^({_ADDRESS})?$")
    return_url: str = Field(default="", pattern=rf"^({_ADDRESS})?$")
    payment_methods: tuple[str, ...] = ()
    life_seconds: int = Field(default=900, ge=300, le=2_592_000)
    queries_per_minute: int = Field(default=30, ge=0, le=600)
    report: ReportColumns | None = None

"""Settings of one VNPAY terminal."""

from ipaddress import IPv4Address, IPv6Address
from typing import Literal

from pydantic import Field

from providers.csv_report import ReportColumns
from providers.settings import AccountSettings, Secrets

_ADDRESS = r"^https?://[!-~]{1,500}$"


class VnpaySettings(AccountSettings):
    """One terminal. The contract names the production hosts: the public documents name only the sandbox's.

    `server_address` is sent as our address in queries and refunds, and as the payer's if that is unknown.
    `bank_code` chooses a method for the payer (`VNPAYQR`, `VNBANK`, `INTCARD`); if empty, the payer chooses.
    `return_url` is used if the service does not know its own public address. `report` describes the columns of the
    daily file, whose layout is agreed with each merchant.
    """

    tmn_code: str = Field(pattern=r"^[0-9A-Za-z]{8}$")
    hash_secrets: Secrets
    server_address: IPv4Address | IPv6Address
    pay_url: str = Field(default="https://sandbox.vnpayment.vn/paymentv2/vpcpay.html", pattern=_ADDRESS)
    api_url: str = Field(default="https://sandbox.vnpayment.vn/merchant_webapi/api/transaction", pattern=_ADDRESS)
    return_url: str = Field(default="", pattern=rf"^$|{_ADDRESS}")
    bank_code: str = Field(default="", pattern=r"^[0-9A-Za-z]{0,20}$")
    order_type: str = Field(default="270000", pattern=r"^[0-9a-z]{1,20}$")
    locale: Literal["vn", "en"] = "vn"
    life_minutes: int = Field(default=15, ge=5, le=1440)
    queries_per_minute: int = Field(default=30, ge=0, le=600)
    report: ReportColumns | None = None

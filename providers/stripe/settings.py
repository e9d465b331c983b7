"""Settings of one account at Stripe or at a compatible server."""

from typing import Literal

from pydantic import Field

from providers.settings import AccountSettings, Secrets

_ADDRESS = r"https?://[!-~]{1,500}"


class StripeSettings(AccountSettings):
    """One account. `secret_key` authenticates API calls (`sk_…`), `endpoint_secret` signs webhooks (`whsec_…`).

    `mode` states the object created for the payer: a `checkout` session, whose hosted page the patient opens and which
    needs a return address; or a bare `payment_intent`, for a caller that collects the card itself: the patient's page
    then has no way to pay. `payment_method_types` is sent only if it is set. `payment_method` and `confirm` charge the
    named method immediately: for test servers, never for patients.
    `livemode` and `account`, if set, refuse events of the other mode or of another connected account.
    `tolerance_s` bounds the age of an event, `future_s` the lead of its clock over ours.
    """

    secret_key: Secrets
    endpoint_secret: Secrets
    base_url: str = Field(default="https://api.stripe.com", pattern=rf"^{_ADDRESS}[^/]$")
    api_version: str = Field(default="2024-06-20", pattern=r"^[0-9A-Za-z.;_=-]{0,60}$")
    mode: Literal["payment_intent", "checkout"] = "checkout"
    payment_method_types: tuple[str, ...] = ()
    payment_method: str = Field(default="", pattern=r"^[0-9A-Za-z_-]{0,255}$")
    confirm: bool = False
    return_url: str = Field(default="", pattern=rf"^({_ADDRESS})?$")
    livemode: bool | None = None
    account: str = Field(default="", pattern=r"^[0-9A-Za-z_-]{0,255}$")
    tolerance_s: int = Field(default=300, ge=1, le=3600)
    future_s: int = Field(default=300, ge=0, le=3600)
    list_pages_max: int = Field(default=5, ge=1, le=50)
    queries_per_minute: int = Field(default=60, ge=0, le=1500)

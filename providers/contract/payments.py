"""Payments: started, queried, paid by a locally built code, and listed by their provider."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar

import httpx
from pydantic import BaseModel

from providers.contract.callbacks import Notices

PURPOSE_LENGTH_MAX = 25
"""Longest transfer text that every bank carries unshortened (NAPAS field 62-08)."""


class PaymentRefused(Exception):
    """The provider, or the form of its code, cannot carry this request; nothing was started."""


class ProviderUnreachable(PaymentRefused):
    """The provider could not be reached; nothing was sent, so the same request may be retried."""


class PaymentUnknown(Exception):
    """No authentic answer: the payment may have been started. It is queried, never started again blindly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentRequest:
    """A request to collect. `purpose` begins with `reference`, is ASCII and has at most 25 characters.

    `requested_at` is the time at which the intent was created and is the same for each retry; dates in the provider's
    request derive from it. `return_url` is the address to which the payer's browser returns, `callback_url` the address
    of callbacks; either is empty if unknown. `payer_address` is the payer's network address, for providers that
    require it.
    """

    reference: str
    amount: int
    purpose: str
    expires_at: datetime | None
    requested_at: datetime
    return_url: str = ""
    callback_url: str = ""
    payer_address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentInstruction:
    """The payer's way to pay: a VietQR payload to draw, an address to open, or an account to transfer to.

    If there are `form_fields`, the payer's browser posts them to the address, in exactly this order.
    """

    qr_payload: str = ""
    redirect_url: str = ""
    form_fields: tuple[tuple[str, str], ...] = ()
    bank_bin: str = ""
    account_number: str = ""
    account_holder: str = ""
    provider_reference: str = ""


class Provider(ABC):
    """Starts payments. Built from its account's settings and HTTP client; holds no other state."""

    signed_part: ClassVar[str]
    """The bytes of a delivery that the signature covers, as text; `none` if nothing is signed."""

    settings_type: ClassVar[type[BaseModel]]
    """The model its account's settings are read with; secrets in it are SecretStr."""

    @abstractmethod
    def __init__(self, settings: Any, client: httpx.AsyncClient) -> None:
        """Accept settings of `settings_type` and the account's own client."""

    @abstractmethod
    async def create_payment(self, request: PaymentRequest) -> PaymentInstruction:
        """Prepare one payment. May be repeated with the same request. Raises PaymentRefused (ProviderUnreachable if
        nothing could be sent) and PaymentUnknown.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingPayment:
    """A payment that was started and has no final outcome; `provider_reference` is its instruction's, if any."""

    reference: str
    amount: int
    provider_reference: str
    created_at: datetime
    queried_at: datetime


@dataclass(frozen=True, slots=True)
class PollSchedule:
    """The poll intervals of an open payment, counted from its creation.

    The first poll is due after `first`, then one every `every`; the interval grows for payments open for hours.
    """

    first: timedelta
    every: timedelta


class Queries(ABC):
    """Answers status queries about payments.

    `queries_per_minute` limits the queries of one account, over all our processes; 0 if this account cannot be
    queried. `polls_open` is the poll schedule of an open payment without a notice: it finds a lost callback within
    minutes.
    """

    queries_per_minute: int = 60
    polls_open: ClassVar[PollSchedule] = PollSchedule(timedelta(minutes=3), timedelta(minutes=5))

    @abstractmethod
    async def query_payment(self, known: PendingPayment) -> Notices:
        """Query a payment; return the notices that its callbacks would carry: same event keys, movement keys and
        fingerprints, so that a status query and a callback are one event.

        A payment that the provider does not know is one notice NOT_FOUND. A timeout, a 5xx or an unauthentic answer is
        one notice UNKNOWN: never a failure, never an exception.
        """


class LocalQr(ABC):
    """Builds its QR code locally, so a code for another amount under the same reference needs no call."""

    @abstractmethod
    def qr_for(self, request: PaymentRequest) -> PaymentInstruction:
        """Build the code of a payment without a call to the provider. Raises PaymentRefused.

        An amount of 0 is a standing code: the payer types the amount, any number of times.
        """


class Feeds(ABC):
    """Lists its transactions after a cursor: for accounts whose callbacks may be lost.

    `feeds_per_minute` limits the reads of one account, over all our processes; 0 if it has no feed.
    """

    feeds_per_minute: int = 12

    @abstractmethod
    async def read_since(self, cursor: str, *, now: datetime) -> tuple[Notices, str]:
        """Read the notices after `cursor` (empty: as far back as the provider permits), as its callbacks would carry
        them, oldest first, and the cursor after the last notice.

        One page at most; the same cursor is returned if there are no further notices. Raises FeedUnavailable.
        """


class FeedUnavailable(Exception):
    """The list could not be read, or its answer is invalid: nothing was read, and the cursor is unchanged."""

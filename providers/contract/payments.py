"""Payments: started, asked about, paid by a code made here, and listed by their provider."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar

import httpx
from pydantic import BaseModel

from providers.contract.callbacks import Notices

PURPOSE_LENGTH_MAX = 25
"""Longest transfer text every bank carries whole (NAPAS field 62-08)."""


class PaymentRefused(Exception):
    """The provider, or the form of its code, cannot carry this request; nothing was started."""


class ProviderUnreachable(PaymentRefused):
    """The provider could not be reached now; nothing was sent, so the same request may be made again later."""


class PaymentUnknown(Exception):
    """No answer to trust: the payment may have been started. It is asked about, never begun again blindly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentRequest:
    """What to collect. `purpose` begins with `reference`, is ASCII and has at most 25 characters.

    `requested_at` is when the intent was made and is the same each time the request is repeated: what a provider wants
    dated is dated by it. `return_url` is where the payer's browser goes afterwards, `callback_url` where the provider
    tells us; either is empty where it is not known. `payer_address` is the payer's network address where a provider
    insists on one.
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
    """How the payer pays: a VietQR payload to draw, an address to open, or an account to transfer to.

    Where `form_fields` stand, the payer's browser posts them to the address, in exactly this order.
    """

    qr_payload: str = ""
    redirect_url: str = ""
    form_fields: tuple[tuple[str, str], ...] = ()
    bank_bin: str = ""
    account_number: str = ""
    account_holder: str = ""
    provider_reference: str = ""


class Provider(ABC):
    """Starts payments. Made anew from its account's settings and HTTP client; holds nothing else."""

    signed_part: ClassVar[str]
    """Which bytes of a delivery the signature covers, in words; `none` where nothing is signed."""

    settings_type: ClassVar[type[BaseModel]]
    """The model its account's settings are read with; secrets in it are SecretStr."""

    @abstractmethod
    def __init__(self, settings: Any, client: httpx.AsyncClient) -> None:
        """Take settings of `settings_type` and the account's own client."""

    @abstractmethod
    async def create_payment(self, request: PaymentRequest) -> PaymentInstruction:
        """Prepare one payment. May be repeated with the same request. Raises PaymentRefused (ProviderUnreachable where
        nothing could be sent) and PaymentUnknown.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingPayment:
    """A payment that was begun and whose end is not known; `provider_reference` is its instruction's, if any."""

    reference: str
    amount: int
    provider_reference: str
    created_at: datetime
    queried_at: datetime


@dataclass(frozen=True, slots=True)
class PollSchedule:
    """When a payment is asked about while it is open, counted from when it was made.

    The first time after `first`, then every `every`; ever more rarely for one that stays open for hours.
    """

    first: timedelta
    every: timedelta


class Queries(ABC):
    """Can be asked what became of a payment.

    `queries_per_minute` is how often one account may be asked, all our processes together; 0 where this account cannot
    be asked at all. `polls_open` is when an open payment of which nothing was heard is asked about: a lost callback is
    then found within minutes.
    """

    queries_per_minute: int = 60
    polls_open: ClassVar[PollSchedule] = PollSchedule(timedelta(minutes=3), timedelta(minutes=5))

    @abstractmethod
    async def query_payment(self, known: PendingPayment) -> Notices:
        """All that is known of a payment, in the notices its callbacks would carry: same event keys, movement keys and
        fingerprints, so that asked and called back is one fact.

        A payment that is not known there is one notice NOT_FOUND. A timeout, a 5xx or an answer that is not authentic
        is one notice UNKNOWN: never a failure, never an exception.
        """


class LocalQr(ABC):
    """Pays by a code that is made here, so the same reference may at any time ask for another amount."""

    @abstractmethod
    def qr_for(self, request: PaymentRequest) -> PaymentInstruction:
        """The code of a payment, with nobody asked and nothing begun. Raises PaymentRefused."""


class Feeds(ABC):
    """Tells what happened since a place in its list: for accounts whose callbacks may be lost.

    `feeds_per_minute` is how often one account may be read, all our processes together; 0 where it cannot be read.
    """

    feeds_per_minute: int = 12

    @abstractmethod
    async def read_since(self, cursor: str, *, now: datetime) -> tuple[Notices, str]:
        """What happened after `cursor` (empty: as far back as the provider lets us), in the notices its callbacks would
        carry, oldest first, and the cursor after the last of them.

        One page at most; the same cursor comes back where there is nothing more. Raises FeedUnavailable.
        """


class FeedUnavailable(Exception):
    """The list could not be read, or its answer makes no sense: nothing was read, and the cursor stays."""

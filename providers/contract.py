"""The contract between vienphi and a payment provider: values both sides speak and the abilities a provider may have.

A provider is one class whose bases are its abilities. It is given its account's settings and HTTP client, keeps no
state between calls, sees no invoice and imports nothing of billing. It verifies raw bytes before it reads a field.
Amounts are whole đồng; moments carry a zone. Source: docs/design.md §5 and §7.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar

import httpx
from pydantic import BaseModel

PURPOSE_LENGTH_MAX = 25
"""Longest transfer text every bank carries whole (NAPAS field 62-08)."""


class Movement(StrEnum):
    """What money did."""

    RECEIVED = "received"
    REFUNDED = "refunded"
    REVERSED = "reversed"


class Outcome(StrEnum):
    """What a provider's status means; whatever is not mapped explicitly is UNKNOWN."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REVIEW = "review"
    NOT_FOUND = "not_found"
    UNKNOWN = "unknown"


class Verdict(StrEnum):
    """What became of a delivery; each provider says it in its own words."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    UNKNOWN_REFERENCE = "unknown_reference"
    AMOUNT_DIFFERS = "amount_differs"
    STORED = "stored"
    TRY_LATER = "try_later"


@dataclass(frozen=True, slots=True)
class Callback:
    """A delivery exactly as it came in. Header names are lower-case."""

    method: str
    tail: str
    raw_query: str
    query: Sequence[tuple[str, str]]
    headers: Sequence[tuple[str, str]]
    body: bytes
    source_address: str
    received_at: datetime

    def header(self, name: str) -> str | None:
        """The one value of a header; None where it is absent or stands more than once."""
        values = [value for key, value in self.headers if key == name]
        return values[0] if len(values) == 1 else None


@dataclass(frozen=True, slots=True)
class Reply:
    """What the provider is answered, in its own words."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Payer:
    """Who paid, as far as told: personal data, stored apart."""

    name: str = ""
    account: str = ""
    bank: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One fact a provider tells.

    `event_key` names the telling (it includes the provider's status); `fact_keys` name the money itself, one for each
    way to recognise it, without the account and movement, which billing adds: `transaction:<provider's id>`, or
    `transfer:<all that makes it distinct>` where the provider has no id, and, where known, `bank:<bank's reference>`.
    The first two are strong names: inside one account two of them are two movements. A bank reference is weak, since
    banks restart and repeat them. A placeholder (`references.is_placeholder`) is neither. `fingerprint` covers the
    meaningful fields: same key with another fingerprint is a disagreement. `aliases` are further names of the money, by
    which its refund may name it. `reverses` names, in the form of
    `fact_keys`, the payment whose money has left, where the provider says which: then no other payment is taken for
    it, and a payment still to come is waited for. `reference` is our reference code where the provider carries it in a
    field of its own. `names_order`: this field says what is paid, so no text is searched for a code; an order that is
    not ours is money of another. `transfer_text` is what the payer's bank sent. `names_other_account` marks an
    authentic message about a merchant or bank account that is not this one: nothing of it may be booked, unless what
    it names, `payee`, was this organization's before: pairs of the setting and the value that the message has for it.
    """

    event_key: str
    outcome: Outcome
    provider_status: str
    occurred_at: datetime
    amount: int
    movement: Movement = Movement.RECEIVED
    fact_keys: frozenset[str] = frozenset()
    aliases: frozenset[str] = frozenset()
    reverses: frozenset[str] = frozenset()
    fingerprint: bytes = b""
    reference: str | None = None
    names_order: bool = False
    transfer_text: str = ""
    virtual_account: str = ""
    provider_reference: str = ""
    bank_reference: str = ""
    fee: int = 0
    payer: Payer | None = None
    names_other_account: bool = False
    payee: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Notices:
    """What one delivery says; may be empty (a provider's test call).

    `evidence` is the raw answer where we asked; a delivery is its own evidence.
    """

    notices: tuple[Notice, ...]
    evidence: bytes = b""


class BadSignature(Exception):
    """The delivery is not authentic; `reply` is the provider's own wording of that."""

    def __init__(self, reply: Reply) -> None:
        super().__init__("signature or credential does not hold")
        self.reply = reply


class PaymentRefused(Exception):
    """The provider, or the form of its code, cannot carry this request; nothing was started."""


class ProviderUnreachable(PaymentRefused):
    """The provider could not be reached now; nothing was sent, so the same request may be made again later."""


class PaymentUnknown(Exception):
    """No answer to trust: the payment may have been started. It is asked about, never begun again blindly."""


class Unreadable(Exception):
    """Authentic, but not what its document promises (wrong type, duplicate key, no whole đồng)."""

    def __init__(self, reason: str, reply: Reply) -> None:
        super().__init__(reason)
        self.reason = reason
        self.reply = reply


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


class Callbacks(ABC):
    """Receives deliveries.

    `evidence_headers` (lower-case) are kept with a delivery because they prove it, as a signature over its body does. A
    standing credential is none: it would open the next delivery too.

    `said_once` are verdicts that this provider would answer by delivering again for ever: they are said of the first
    delivery of an event, and DUPLICATE of every later one, since it is recorded all the same.
    """

    evidence_headers: ClassVar[frozenset[str]] = frozenset()
    said_once: ClassVar[frozenset[Verdict]] = frozenset()

    id_scope: ClassVar[str] = ""
    """Inside what a transaction's id is unique at the provider, besides our account: the provider's name alone, or with
    `payee`, as in `vnpay/payee`. Two accounts on one merchant then book its money once. Empty: the account alone."""

    @abstractmethod
    def read_callback(self, callback: Callback) -> "Notices | BillInquiry | Reply":
        """Verify, then read. A Reply ends the matter without a notice (a handshake, a token, a test call).

        A BillInquiry comes only from a provider that has the ability Inquiries.

        Raises BadSignature before any field is read, Unreadable for an authentic message that makes no sense.
        """

    @abstractmethod
    def answer_callback(self, callback: Callback, verdict: Verdict, receipt_id: str) -> Reply:
        """Say the verdict in the provider's words. `receipt_id` is the same for every delivery of one event."""


class BillState(StrEnum):
    """What a payer who asks for a bill is told of it."""

    OPEN = "open"
    PAID = "paid"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class BillInquiry:
    """A bank asks what is to be paid under a code, on behalf of a payer who typed or scanned it."""

    reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What a bank may show of a bill: what remains to be paid under a reference, and nothing about the patient."""

    reference: str
    remaining: int
    state: BillState
    created_at: datetime
    expires_at: datetime | None


class Inquiries(Callbacks):
    """Is asked by its bank what is to be paid. An inquiry changes nothing."""

    @abstractmethod
    def answer_inquiry(self, callback: Callback, inquiry: BillInquiry, bill: Bill | None) -> Reply:
        """Say in the provider's words what is to be paid; None where there is no bill of that reference."""

    @abstractmethod
    def answer_inquiry_later(self, callback: Callback, inquiry: BillInquiry) -> Reply:
        """Say that we cannot tell just now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPayment:
    """A payment that was begun and whose end is not known; `provider_reference` is its instruction's, if any."""

    reference: str
    amount: int
    provider_reference: str
    created_at: datetime
    asked_at: datetime


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
    async def query_payment(self, known: KnownPayment) -> Notices:
        """All that is known of a payment, in the notices its callbacks would carry: same event keys, fact keys and
        fingerprints, so that asked and called back is one fact.

        A payment that is not known there is one notice NOT_FOUND. A timeout, a 5xx or an answer that is not authentic
        is one notice UNKNOWN: never a failure, never an exception.
        """


class AnyAmount(ABC):
    """Pays by a code that is made here, so the same reference may at any time ask for another amount."""

    @abstractmethod
    def code_for(self, request: PaymentRequest) -> PaymentInstruction:
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

        One page at most; the same cursor comes back where there is nothing more. Raises FeedUnknown.
        """


class FeedUnknown(Exception):
    """The list could not be read, or its answer makes no sense: nothing was read, and the cursor stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundRequest:
    """Money to send back of one payment.

    `reference` is our own code of this refund, never used for another; `payment` is what the money came by, with the
    provider's transaction number in `provider_reference`; `paid` is what came by it in all.
    """

    reference: str
    amount: int
    paid: int
    payment: KnownPayment
    transaction: str
    reason: str
    requested_at: datetime
    requested_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a provider said of a call that moves money: the outcome, its own word for it, and its number.

    UNKNOWN where no answer came that can be trusted: it is asked about, and never sent again blindly.
    """

    outcome: Outcome
    provider_status: str
    provider_reference: str = ""
    evidence: bytes = b""


class Refunds(ABC):
    """Sends money back the way it came. Without it money goes back by a transfer that people make."""

    partial_refunds: ClassVar[bool]
    """Whether a part of a payment may be sent back, and another part later."""

    @abstractmethod
    async def refund(self, request: RefundRequest) -> Told:
        """Send money back once for each reference. FAILED and SUCCEEDED are final; PENDING and UNKNOWN are asked about.

        Never raises for what the network or the provider does.
        """

    @abstractmethod
    async def query_refund(self, request: RefundRequest, *, provider_reference: str, asked_at: datetime) -> Told:
        """What became of a refund. NOT_FOUND where the provider never had it; it is not sent again for that."""


class Cancellations(ABC):
    """Can stop asking for a payment. A payer who has already scanned may pay all the same: that money is booked."""

    @abstractmethod
    async def cancel_payment(self, known: KnownPayment, *, reason: str) -> Told:
        """Stop asking: CANCELLED, SUCCEEDED where it is paid already, UNKNOWN, or what the provider says instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlementLine:
    """One movement in a provider's own report of a day. `number` is the line of the file, from 1.

    `transaction` is what the provider calls it, as in the fact keys of its notices; `fee` is what it keeps.
    """

    number: int
    transaction: str
    reference: str | None
    amount: int
    movement: Movement
    occurred_at: datetime | None
    settled_on: date | None = None
    fee: int = 0
    bank_reference: str = ""
    provider_status: str = ""


class SettlementUnreadable(Exception):
    """A report that is not what its document promises; nothing of it counts. `line` is where, None for the whole."""

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason if line is None else f"line {line}: {reason}")
        self.line = line


class SettlementFiles(ABC):
    """Reports what it collected, in files."""

    @abstractmethod
    def read_settlement(self, content: bytes) -> Iterable[SettlementLine]:
        """The movements of a report, checked as a whole before the first is given. Raises SettlementUnreadable."""

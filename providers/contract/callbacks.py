"""Messages of a provider: callbacks verified and read into notices, their answers, and inquiries of a bank."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import ClassVar


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
    path_suffix: str
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

    `event_key` names the telling (it includes the provider's status); `movement_keys` name the money itself, one for
    each way to recognise it, without the account and movement, which billing adds: `transaction:<provider's id>`, or
    `transfer:<all that makes it distinct>` where the provider has no id, and, where known, `bank:<bank's reference>`.
    The first two are strong names: inside one account two of them are two movements. A bank reference is weak, since
    banks restart and repeat them. A placeholder (`references.is_placeholder`) is neither. `fingerprint` covers the
    meaningful fields: same key with another fingerprint is a disagreement. `aliases` are further names of the money, by
    which its refund may name it. `reverses` names, in the form of `movement_keys`, the payment whose money has left,
    where the provider says which: then no other payment is taken for it, and a payment still to come is waited for.
    `reference` is our reference code where the provider carries it in a field of its own. `names_order`: this field
    says what is paid, so no text is searched for a code; an order that is not ours is money of another. `transfer_text`
    is what the payer's bank sent. `names_other_account` marks an authentic message about a merchant or bank account
    that is not this one: nothing of it may be booked, unless what it names, `payee`, was this organization's before:
    pairs of the setting and the value that the message has for it.
    """

    event_key: str
    outcome: Outcome
    provider_status: str
    occurred_at: datetime
    amount: int
    movement: Movement = Movement.RECEIVED
    movement_keys: frozenset[str] = frozenset()
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


class Unreadable(Exception):
    """Authentic, but not what its document promises (wrong type, duplicate key, no whole đồng)."""

    def __init__(self, reason: str, reply: Reply) -> None:
        super().__init__(reason)
        self.reason = reason
        self.reply = reply


class Callbacks(ABC):
    """Receives deliveries.

    `evidence_headers` (lower-case) are kept with a delivery because they prove it, as a signature over its body does. A
    standing credential is none: it would open the next delivery too.

    `first_delivery_verdicts` are verdicts that this provider would answer by delivering again for ever: they are said
    of the first delivery of an event, and DUPLICATE of every later one, since it is recorded all the same.
    """

    evidence_headers: ClassVar[frozenset[str]] = frozenset()
    first_delivery_verdicts: ClassVar[frozenset[Verdict]] = frozenset()

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

"""Messages of a provider: callbacks, verified and parsed into notices, their replies, and bill inquiries of a bank."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import ClassVar


class Movement(StrEnum):
    """The kind of a movement of money."""

    RECEIVED = "received"
    REFUNDED = "refunded"
    REVERSED = "reversed"


class Outcome(StrEnum):
    """The meaning of a provider's status; every status that is not mapped explicitly is UNKNOWN."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REVIEW = "review"
    NOT_FOUND = "not_found"
    UNKNOWN = "unknown"


class Verdict(StrEnum):
    """The result of a delivery; each provider replies it in its own format."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    UNKNOWN_REFERENCE = "unknown_reference"
    AMOUNT_DIFFERS = "amount_differs"
    STORED = "stored"
    TRY_LATER = "try_later"


@dataclass(frozen=True, slots=True)
class Callback:
    """A delivery exactly as received. Header names are lower-case."""

    method: str
    path_suffix: str
    raw_query: str
    query: Sequence[tuple[str, str]]
    headers: Sequence[tuple[str, str]]
    body: bytes
    source_address: str
    received_at: datetime

    def header(self, name: str) -> str | None:
        """The value of a header; None if it is absent or occurs more than once."""
        values = [value for key, value in self.headers if key == name]
        return values[0] if len(values) == 1 else None


@dataclass(frozen=True, slots=True)
class Reply:
    """The reply to the provider, in the provider's format."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Payer:
    """The payer, as far as the provider reports it: personal data, stored separately."""

    name: str = ""
    account: str = ""
    bank: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A provider's message about one payment.

    `event_key` identifies the message (it includes the provider's status); `movement_keys` identify the movement, one
    for each known identifier, without the account and movement, which billing adds: `transaction:<provider's id>`, or
    `transfer:<the distinguishing fields>` if the provider has no id, and, if known, `bank:<bank's reference>`.
    The first two are strong keys: inside one account two of them are two movements. A bank reference is weak, since
    banks restart and repeat them. A placeholder (`references.is_placeholder`) is neither. `fingerprint` covers the
    meaningful fields: the same key with another fingerprint is a mismatch. `aliases` are further names of the movement,
    by which its refund may identify it. `reverses` names, in the form of `movement_keys`, the reversed payment, if the
    provider reports it: then no other payment is reversed, and a payment that is not recorded yet is waited for.
    `reference` is our reference code if the provider carries it in a separate field. `names_order`: this field
    identifies the order, so no text is searched for a code; an order that is not ours belongs to another payee.
    `transfer_text` is the text from the payer's bank. `names_other_account` marks an authentic message about another
    merchant or bank account: it is not booked, unless the account that it names belonged to this organization before.
    `payee` are the pairs of setting and value in the message that name that account.
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
    """The notices of one delivery; may be empty (a provider's test call).

    `evidence` is the raw answer of a status query; a callback is its own evidence.
    """

    notices: tuple[Notice, ...]
    evidence: bytes = b""


class BadSignature(Exception):
    """The delivery is not authentic; `reply` reports it in the provider's format."""

    def __init__(self, reply: Reply) -> None:
        super().__init__("signature or credential does not hold")
        self.reply = reply


class Unreadable(Exception):
    """Authentic, but not in the documented form (wrong type, duplicate key, no whole đồng)."""

    def __init__(self, reason: str, reply: Reply) -> None:
        super().__init__(reason)
        self.reason = reason
        self.reply = reply


class Callbacks(ABC):
    """Receives deliveries.

    `evidence_headers` (lower-case) are stored with a delivery because they prove it, as a signature over its body does.
    A static credential is not evidence: it would authenticate the next delivery too.

    `first_delivery_verdicts` are verdicts after which this provider delivers again without end: the first delivery of
    an event is answered with them, every later delivery with DUPLICATE, since the event is recorded.
    """

    evidence_headers: ClassVar[frozenset[str]] = frozenset()
    first_delivery_verdicts: ClassVar[frozenset[Verdict]] = frozenset()

    id_scope: ClassVar[str] = ""
    """The scope in which a transaction id is unique at the provider, beyond our account: the provider's name, or with
    `payee`, as in `vnpay/payee`. Two accounts of one merchant then book its money once. Empty: the account only."""

    @abstractmethod
    def read_callback(self, callback: Callback) -> "Notices | BillInquiry | Reply":
        """Verify, then parse. A Reply ends the request without a notice (a handshake, a token, a test call).

        A BillInquiry comes only from a provider that has the ability Inquiries.

        Raises BadSignature before any field is read, Unreadable for an authentic message that is invalid.
        """

    @abstractmethod
    def answer_callback(self, callback: Callback, verdict: Verdict, receipt_id: str) -> Reply:
        """Return the reply for a verdict. `receipt_id` is the same for every delivery of one event."""


class BillState(StrEnum):
    """The result of a bill inquiry."""

    OPEN = "open"
    PAID = "paid"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class BillInquiry:
    """A bank's query of the amount due under a code, on behalf of a payer who typed or scanned it."""

    reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """The data of a bill that a bank may show: the amount due under a reference, and no data of the patient."""

    reference: str
    remaining: int
    state: BillState
    created_at: datetime
    expires_at: datetime | None


class Inquiries(Callbacks):
    """Receives bill inquiries of its bank. An inquiry changes nothing."""

    @abstractmethod
    def answer_inquiry(self, callback: Callback, inquiry: BillInquiry, bill: Bill | None) -> Reply:
        """Return the reply with the amount due; `bill` is None if no bill has that reference."""

    @abstractmethod
    def answer_inquiry_later(self, callback: Callback, inquiry: BillInquiry) -> Reply:
        """Return the reply for a temporary failure."""

"""Payment events, and how events about the same money are linked.

A *payment event* is one notice of one delivery. Two layers of keys prevent that money is booked twice: the event key
identifies the payment event (the provider's status included), the movement keys identify the money by every strong name
it has. Neither expires. A bank reference is a weak name: `reference_links.py` decides which payment it may link.
`service/event_names.py` computes the keys of a notice; `apply_events.py` decides whether an event is a duplicate.
Source: docs/design.md §5, Duplicates.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from billing.core.ids import DeliveryId, PaymentId, ProviderAccountId
from billing.core.money import Dong
from providers.contract import Callback, Movement, Notice, Outcome, Verdict


class EventKey(NamedTuple):
    """One payment event of one provider account."""

    account_id: UUID
    key: str


class MovementKey(NamedTuple):
    """One strong name of money that moved on a provider account."""

    account_id: UUID
    movement: Movement
    key: str


WEAK = "bank:"
"""Prefix of a movement key that is a bank reference, and so a weak name."""

OWN_WEAK = "own:"
"""Prefix of a trace that is the outflow's own bank reference, and no name of the payment that it reverses."""


class ReferenceKey(NamedTuple):
    """A bank's reference of money that moved on a bank account, or on a provider account if the former is unknown."""

    account_id: UUID
    movement: Movement
    reference: str

    @property
    def as_trace(self) -> MovementKey:
        """The reference as one of the names that lead an outflow to its payment."""
        return MovementKey(self.account_id, self.movement, f"{WEAK}{self.reference}")

    @property
    def as_own_trace(self) -> MovementKey:
        """The reference of the outflow itself, which leads only to a payment of equal amount and day."""
        return MovementKey(self.account_id, self.movement, f"{OWN_WEAK}{self.reference}")


class Source(StrEnum):
    """The channel of a notice: callback, status poll, feed, or a line of a bank statement."""

    CALLBACK = "callback"
    QUERY = "query"
    FEED = "feed"
    STATEMENT = "statement"


def answer_as_evidence(source: Source, answer: bytes, *, at: datetime) -> Callback:
    """The provider's answer to a poll or a feed, stored like a delivery; the method names the source."""
    return Callback(
        method=source.name,
        path_suffix="",
        raw_query="",
        query=(),
        headers=(),
        body=answer,
        source_address="",
        received_at=at,
    )


@dataclass(frozen=True, slots=True)
class Codes:
    """Reference codes of a payment event, in order of confidence.

    `field` is the code of a field of its own, `direct` are the codes in the unchanged transfer text, `rejoined` those
    found only after spaces and signs were removed.
    """

    field: tuple[str, ...] = ()
    direct: tuple[str, ...] = ()
    rejoined: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentEvent:
    """One notice of one delivery. `bank_account_id` is the bank account of the provider account, if any.

    `notice` is the provider's message, with a usable time and without placeholders; `amount` is its checked amount.

    `movement_keys` contain strong names only; `reference_key` is the bank reference, None if there is none. `reverses`
    are the names of the payment whose money left, if the provider reports them.
    """

    delivery_id: DeliveryId
    account_id: ProviderAccountId
    bank_account_id: UUID | None
    event: EventKey
    notice: Notice
    amount: Dong
    movement_keys: frozenset[MovementKey] = frozenset()
    reverses: frozenset[MovementKey] = frozenset()
    reference_key: ReferenceKey | None = None
    source: Source = Source.CALLBACK
    codes: Codes = Codes()

    @property
    def moves_money(self) -> bool:
        """Whether the event is booked: a success with a name for the money, about this account."""
        return (
            self.notice.outcome is Outcome.SUCCEEDED
            and bool(self.movement_keys)
            and not self.notice.names_other_account
        )

    @property
    def takes_money_out(self) -> bool:
        """Whether the event is an outflow to book."""
        return self.moves_money and self.notice.movement is not Movement.RECEIVED

    @property
    def name(self) -> str:
        """The strong name that is stored with the bank reference of this event; the event has one."""
        return min(self.movement_keys).key

    @property
    def traces(self) -> frozenset[MovementKey]:
        """All names that lead an outflow to this money: the strong ones and the bank reference."""
        return self.movement_keys if self.reference_key is None else self.movement_keys | {self.reference_key.as_trace}

    @property
    def own_traces(self) -> frozenset[MovementKey]:
        """Names by which an outflow without a named payment may reverse money that was booked under them."""
        return (
            self.movement_keys if self.reference_key is None else self.movement_keys | {self.reference_key.as_own_trace}
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceUse:
    """One event with a bank reference: the payment it belongs to, and the values that distinguish it from others.

    `name` is the event's strong name inside `account_id`; empty if it was booked before names were stored. `booked_on`
    is the business date of the money, `codes` are our issued reference codes.
    """

    key: ReferenceKey
    payment_id: PaymentId
    account_id: UUID
    source: str
    name: str
    amount: Dong
    booked_on: date
    codes: frozenset[str]


@dataclass(frozen=True, slots=True)
class SeenEvent:
    """A payment event that was handled earlier: its content, its verdict and its receipt."""

    fingerprint: bytes
    verdict: Verdict
    receipt_id: DeliveryId


@dataclass(frozen=True, slots=True)
class BookedMovement:
    """Money that was booked earlier under one of its names."""

    movement_id: PaymentId
    amount: Dong


def without_altered_repeats(payment_events: Sequence[PaymentEvent]) -> list[PaymentEvent]:
    """The payment events with the same content as the first payment event of their event key.

    A later one with other content identifies nothing: it must neither reserve nor link money, or it would hide money
    that is still to come.
    """
    first = {payment_event.event: payment_event.notice.fingerprint for payment_event in reversed(payment_events)}
    return [
        payment_event
        for payment_event in payment_events
        if payment_event.notice.fingerprint == first[payment_event.event]
    ]


def link_movements(
    payment_events: Sequence[PaymentEvent], new_id: Callable[[], PaymentId]
) -> Mapping[MovementKey, PaymentId]:
    """Assign one payment id to all strong names that belong to the same money.

    Two payment events with a common name identify one movement, also through a third event. Works on the payment events
    of one batch, before a key is reserved: inserting {a} and {a, b} separately would leave b without a payment.
    """
    ids: dict[MovementKey, PaymentId] = {}
    keys_of: dict[PaymentId, list[MovementKey]] = {}
    for payment_event in payment_events:
        if not payment_event.moves_money:
            continue
        known = {ids[key] for key in payment_event.movement_keys if key in ids}
        movement_id = min(known) if known else new_id()
        kept = keys_of.setdefault(movement_id, [])
        for other in known - {movement_id}:
            kept += keys_of.pop(other)
        kept += payment_event.movement_keys
        for key in kept if len(known) > 1 else payment_event.movement_keys:
            ids[key] = movement_id
    return ids


def relink_movements(
    new: Sequence[PaymentEvent], reserved_ids: Mapping[MovementKey, PaymentId], new_id: Callable[[], PaymentId]
) -> Mapping[MovementKey, PaymentId]:
    """Link the payment events received for the first time, under the ids that their names were reserved under.

    Works like `link_movements`. A repeat may have linked two events that are two payments without it: only the first
    keeps that id.
    """
    ids: dict[PaymentId, PaymentId] = {}
    taken: set[PaymentId] = set()
    joined = link_movements(new, new_id)
    for key, movement_id in joined.items():
        if movement_id not in ids:
            reserved_id = reserved_ids[key]
            ids[movement_id] = movement_id if reserved_id in taken else reserved_id
            taken.add(reserved_id)
    return {key: ids[movement_id] for key, movement_id in joined.items()}

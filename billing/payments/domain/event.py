"""Notices as billing sees them, and how those that speak of the same money are joined.

A *payment event* is one notice of one delivery. Two layers of keys keep money from being booked twice: the event key
names the payment event (the provider's status included), the movement keys name the money by every strong name it is
known under. Neither expires. A bank reference is a weak name: `reference_links.py` decides which payment it may link.
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
from providers.contract import Movement, Outcome, Payer, Verdict


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
"""Begins a movement key that is a bank reference, and so a weak name."""

OWN_WEAK = "own:"
"""Begins a trace of an outflow that is its own bank reference, and no name of the payment that it reverses."""


class ReferenceKey(NamedTuple):
    """A bank's reference of money that moved on a bank account, or on a provider account where none is known."""

    account_id: UUID
    movement: Movement
    reference: str

    @property
    def as_trace(self) -> MovementKey:
        """The reference among names that lead an outflow to its payment."""
        return MovementKey(self.account_id, self.movement, f"{WEAK}{self.reference}")

    @property
    def as_own_trace(self) -> MovementKey:
        """The same where it is the outflow's own reference, which leads to a payment alike in amount and day alone."""
        return MovementKey(self.account_id, self.movement, f"{OWN_WEAK}{self.reference}")


class Source(StrEnum):
    """How a notice reached us: the provider called, answered a status poll, or listed it in a feed."""

    CALLBACK = "callback"
    QUERY = "query"
    FEED = "feed"


@dataclass(frozen=True, slots=True)
class Codes:
    """Reference codes a payment event may carry, in the order in which they are believed.

    `field` is the code of a field of its own, `direct` those in the transfer text as they stand, `rejoined` those found
    only after spaces and signs were taken out.
    """

    field: tuple[str, ...] = ()
    direct: tuple[str, ...] = ()
    rejoined: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentEvent:
    """One notice of one delivery. `bank_account_id` is the account row behind the provider account, if any.

    `movement_keys` hold strong names alone; `reference_key` is the bank reference, None where there is none. `reverses`
    are the names of the payment whose money has left, where the provider gives them.
    """

    delivery_id: DeliveryId
    account_id: ProviderAccountId
    bank_account_id: UUID | None
    event: EventKey
    fingerprint: bytes
    outcome: Outcome
    movement: Movement
    amount: Dong
    occurred_at: datetime
    movement_keys: frozenset[MovementKey] = frozenset()
    reverses: frozenset[MovementKey] = frozenset()
    reference_key: ReferenceKey | None = None
    source: Source = Source.CALLBACK
    codes: Codes = Codes()
    transfer_text: str = ""
    provider_reference: str = ""
    bank_reference: str = ""
    payer: Payer | None = None
    names_other_account: bool = False

    @property
    def moves_money(self) -> bool:
        """Only a success with a name for the money, and about this account, is booked."""
        return self.outcome is Outcome.SUCCEEDED and bool(self.movement_keys) and not self.names_other_account

    @property
    def takes_money_out(self) -> bool:
        """Money that left and is booked."""
        return self.moves_money and self.movement is not Movement.RECEIVED

    @property
    def name(self) -> str:
        """The strong name that stands with a bank reference for this event; the payment event has one."""
        return min(self.movement_keys).key

    @property
    def traces(self) -> frozenset[MovementKey]:
        """All names that lead an outflow to this money: the strong ones and the bank reference."""
        return self.movement_keys if self.reference_key is None else self.movement_keys | {self.reference_key.as_trace}

    @property
    def own_traces(self) -> frozenset[MovementKey]:
        """Names by which an outflow that names no payment may have left from money booked under them."""
        return (
            self.movement_keys if self.reference_key is None else self.movement_keys | {self.reference_key.as_own_trace}
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceUse:
    """One event that carried a bank reference: which payment it belongs to, and what tells it from others.

    `name` is the event's strong name inside `account_id`; empty where it was booked before names were kept.
    `booked_on` is the business date of the money, `codes` are reference codes of ours that were issued.
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
    """A payment event that was handled before: what it said, how it was answered, and under which receipt."""

    fingerprint: bytes
    verdict: Verdict
    receipt_id: DeliveryId


@dataclass(frozen=True, slots=True)
class BookedMovement:
    """Money that was booked before under one of its names."""

    movement_id: PaymentId
    amount: Dong


def without_altered_repeats(payment_events: Sequence[PaymentEvent]) -> list[PaymentEvent]:
    """The payment events that say what the first payment event of their event says.

    A later one with other content names nothing: it must neither claim nor link money, or it would shadow money still
    to come.
    """
    first = {payment_event.event: payment_event.fingerprint for payment_event in reversed(payment_events)}
    return [
        payment_event for payment_event in payment_events if payment_event.fingerprint == first[payment_event.event]
    ]


def link_movements(
    payment_events: Sequence[PaymentEvent], new_id: Callable[[], PaymentId]
) -> Mapping[MovementKey, PaymentId]:
    """Give one id to all strong names that belong to the same money.

    Two payment events that share any name identify one movement, and so do two that are linked through a third. Works
    on the payment events of one batch, before a key is claimed: a bare insert of {a} and {a, b} would leave b on
    nothing.
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
    """Join the payment events told for the first time, as `link_movements` does, under the ids their names were claimed
    under.

    A repeat may have joined two of them that are two payments without it: only the first keeps that id.
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

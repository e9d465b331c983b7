"""Links an event to a payment by bank reference: the rule of strong and weak names.

A provider's own id is strong: inside one provider account two ids are always two movements. A bank reference is weak,
because banks restart, repeat and abbreviate references. It links only events of different channels of one bank account:
on the same business date or the next, with equal amount, and never if both carry different codes of ours. Every
contradiction becomes an exception. Pure; `apply_events.py` calls it. Source: docs/design.md §5, Strong and weak names.
"""

import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from billing.core.clock import business_date
from billing.core.ids import PaymentId
from billing.core.money import Dong
from billing.payments.domain.event import BookedMovement, MovementKey, PaymentEvent, ReferenceKey, ReferenceUse

REFERENCE_WINDOW = timedelta(days=1)
"""Two channels may date one transfer on two sides of midnight. Source: docs/design.md §5, Strong and weak names."""

STRONG = "transaction:"
"""Prefix of a name that is the provider's own id."""


@dataclass(frozen=True, slots=True)
class Link:
    """The payment that an event belongs to, None if it is a new payment.

    `is_coded`: an event of the payment carried a code of ours. `is_ambiguous`: another payment fits as well.
    `is_contradictory`: no payment is linked, although one nearly fits: a bank reference and a strong name, an amount or
    a code contradict each other.
    """

    payment: BookedMovement | None = None
    is_coded: bool = True
    is_ambiguous: bool = False
    is_contradictory: bool = False


_BLANKS = " \t\n\x0b\f\r\x1c\x1d\x1e\x1f\x85\u1680\u2028\u2029"
_CAPITALS = str.maketrans("abcdefghijklmnopqrstuvwxyzđ", "ABCDEFGHIJKLMNOPQRSTUVWXYZĐ", _BLANKS)


def normal_reference(text: str) -> str:
    """A bank reference normalized for comparison: compatible characters as one, no blanks, Latin letters in capitals.

    The database has the same function, `vienphi_normal_reference` (migration 0084); every comparison of bank references
    uses one of the two.
    """
    if text.isascii():
        return text.translate(_CAPITALS)
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKD", text).translate(_CAPITALS))


def link(event: ReferenceUse, known: Iterable[ReferenceUse]) -> Link:
    """Find the payment that an event with a bank reference belongs to, among the uses of that reference so far."""
    uses_of: dict[PaymentId, list[ReferenceUse]] = {}
    for use in known:
        if abs(use.booked_on - event.booked_on) <= REFERENCE_WINDOW:
            uses_of.setdefault(use.payment_id, []).append(use)
    fitting: list[tuple[bool, timedelta, PaymentId, Dong]] = []
    is_contradictory = False
    for payment_id, uses in uses_of.items():
        has_amount = any(use.amount == event.amount for use in uses)
        has_other_code = any(_differ(event.codes, use.codes) for use in uses)
        if any(_is_other_movement(event, use) for use in uses):
            is_contradictory |= has_amount and not has_other_code
        elif has_amount and not has_other_code:
            has_same_code = any(event.codes & use.codes for use in uses)
            nearest = min(abs(use.booked_on - event.booked_on) for use in uses)
            fitting.append((not has_same_code, nearest, payment_id, event.amount))
        else:
            is_contradictory |= has_amount or not has_other_code
    if not fitting:
        return Link(is_contradictory=is_contradictory)
    fitting.sort()
    _, _, payment_id, amount = fitting[0]
    rivals = [one for one in fitting if one[0] == fitting[0][0]]
    is_coded = any(use.codes for use in uses_of[payment_id])
    return Link(BookedMovement(payment_id, amount), is_coded=is_coded, is_ambiguous=len(rivals) > 1)


def _is_other_movement(event: ReferenceUse, use: ReferenceUse) -> bool:
    """Whether the strong names show that two events are two movements.

    Inside one provider account two ids always do. An event without an id has a name computed from its content: two such
    names differ inside one source, while a status poll may describe the transfer that a callback identified by its id.
    """
    if event.account_id != use.account_id or event.name == use.name or not use.name:
        return False
    are_ids = event.name.startswith(STRONG) and use.name.startswith(STRONG)
    return are_ids or event.source == use.source


def _differ(first: frozenset[str], second: frozenset[str]) -> bool:
    return bool(first) and bool(second) and first.isdisjoint(second)


@dataclass(frozen=True, slots=True)
class KnownReferences:
    """Earlier uses of the bank references of a batch, and the account and name that reserved new ones in the batch."""

    uses: Sequence[ReferenceUse] = ()
    reserved: Mapping[ReferenceKey, tuple[UUID, str]] = field(default_factory=dict)


class ReferenceLinks:
    """The bank references of one batch: the known uses, overlaid with the uses that the batch has added so far.

    Events of the batch that share a strong name share their references: `movement_ids` identifies these events.
    """

    def __init__(
        self,
        new: Sequence[PaymentEvent],
        known: KnownReferences,
        movement_ids: Mapping[MovementKey, PaymentId],
        issued: Callable[[Sequence[str]], Sequence[str]],
    ) -> None:
        self.added: list[ReferenceUse] = []
        self._known = known
        self._issued = issued
        self._reserved: list[tuple[PaymentEvent, ReferenceUse]] = []
        self._uses: dict[ReferenceKey, list[ReferenceUse]] = {}
        for use in known.uses:
            self._uses.setdefault(use.key, []).append(use)
        self._together: dict[PaymentId, list[PaymentEvent]] = {}
        for payment_event in new:
            if payment_event.reference_key is not None and min(payment_event.movement_keys) in movement_ids:
                self._together.setdefault(movement_ids[min(payment_event.movement_keys)], []).append(payment_event)

    def find(self, payment_event: PaymentEvent, movement_id: PaymentId) -> Link:
        """The link of an event that no strong name identifies; `movement_id` is its own in this batch."""
        is_contradictory = False
        for one in (payment_event, *self._together.get(movement_id, ())):
            known = self._uses.get(one.reference_key) if one.reference_key is not None else None
            if one.reference_key is None or not known:
                continue
            found = link(self._use(one, one.reference_key, movement_id), known)
            if found.payment is not None:
                return found
            is_contradictory |= found.is_contradictory
        return Link(is_contradictory=is_contradictory)

    def name(self, payment_id: PaymentId) -> None:
        """Record that the references of the events that share a strong name identify this new payment."""
        for one in self._together.get(payment_id, ()):
            if one.reference_key is not None:
                self._note(one, self._use(one, one.reference_key, payment_id))

    def attach(self, payment_event: PaymentEvent, payment_id: PaymentId) -> bool:
        """Record the reference of an event of a known payment; True if it fits another payment and not this one."""
        if payment_event.reference_key is None:
            return False
        use = self._use(payment_event, payment_event.reference_key, payment_id)
        known = self._uses.get(use.key, [])
        is_new = all(one.payment_id != payment_id for one in known)
        is_of_another = is_new and link(use, known).payment is not None
        self._note(payment_event, use)
        return is_of_another

    def has_name_of(self, account_id: UUID, payment_id: PaymentId) -> bool:
        """Whether a payment already has a name of this provider account, according to the references of the batch."""
        return any(
            (use.account_id, use.payment_id) == (account_id, payment_id) for uses in self._uses.values() for use in uses
        )

    def moved(self, reserved_ids: Mapping[MovementKey, PaymentId]) -> list[ReferenceUse]:
        """Uses that were reserved under the id of another payment than the one they belong to."""
        return [
            use
            for payment_event, use in self._reserved
            if reserved_ids[min(payment_event.movement_keys)] != use.payment_id
        ]

    def _note(self, payment_event: PaymentEvent, use: ReferenceUse) -> None:
        known = self._uses.setdefault(use.key, [])
        if any((one.account_id, one.name) == (use.account_id, use.name) for one in known):
            return
        known.append(use)
        if self._known.reserved.get(use.key) == (use.account_id, use.name):
            self._reserved.append((payment_event, use))
        else:
            self.added.append(use)

    def _use(self, payment_event: PaymentEvent, key: ReferenceKey, payment_id: PaymentId) -> ReferenceUse:
        codes = payment_event.codes
        return ReferenceUse(
            key=key,
            payment_id=payment_id,
            account_id=payment_event.account_id,
            source=payment_event.source.value,
            name=payment_event.name,
            amount=payment_event.amount,
            booked_on=business_date(payment_event.notice.occurred_at),
            codes=frozenset(self._issued((*codes.field, *codes.direct, *codes.rejoined))),
        )

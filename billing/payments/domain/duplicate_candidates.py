"""Payments of one bank account that two channels may have reported: candidates of one duplicate.

Source: docs/design.md §5, Duplicates.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from billing.core.money import Dong
from billing.payments.domain.event import PaymentEvent
from billing.payments.domain.payment import Payment

DUPLICATE_WINDOW = timedelta(hours=24)
"""Two channels of one bank account may report one transfer; equal money within this time is held.

Source: docs/design.md §5.
"""


@dataclass(frozen=True, slots=True)
class DuplicateCandidate:
    """A payment that was booked earlier on the same bank account through another channel."""

    payment: Payment
    bank_account_id: UUID
    codes: frozenset[str]
    is_unallocated: bool


class DuplicateCandidates:
    """The candidates of a batch: those booked earlier, and the payments that the batch books."""

    def __init__(self, known: Sequence[DuplicateCandidate]) -> None:
        self._candidates: dict[tuple[UUID, Dong], list[DuplicateCandidate]] = {}
        for candidate in known:
            self.add(candidate)

    def add(self, candidate: DuplicateCandidate) -> None:
        """Add a payment that a later event may report again."""
        self._candidates.setdefault((candidate.bank_account_id, candidate.payment.amount), []).append(candidate)

    def remove(self, candidate: DuplicateCandidate) -> None:
        """Remove a payment that is in a hold: it is no candidate for a third."""
        self._candidates[candidate.bank_account_id, candidate.payment.amount].remove(candidate)

    def find(
        self, payment_event: PaymentEvent, codes: frozenset[str], *, is_named: Callable[[Payment], bool]
    ) -> DuplicateCandidate | None:
        """A payment of equal amount within the window, from another channel, that this event may report again.

        `codes` are the issued codes of the event; `is_named` is whether the event's channel has a strong name of the
        payment.
        """
        if payment_event.bank_account_id is None:
            return None
        for candidate in self._candidates.get((payment_event.bank_account_id, payment_event.amount), ()):
            if (
                candidate.payment.account_id != payment_event.account_id
                and not is_named(candidate.payment)
                and abs(candidate.payment.occurred_at - payment_event.notice.occurred_at) <= DUPLICATE_WINDOW
                and not (codes and candidate.codes and codes != candidate.codes)
                and not _differ(payment_event.notice.bank_reference, candidate.payment.bank_reference)
            ):
                return candidate
        return None


def _differ(first: str, second: str) -> bool:
    return bool(first) and bool(second) and first != second

"""Payments of one bank account that two channels may have reported: candidates of one duplicate.

A channel is another provider account, or the statement of the bank: a payment that only a statement line states, since
its provider was silent, may be what a late notice of the provider reports. Source: docs/design.md §5, Duplicates.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from billing.core.money import Dong
from billing.payments.domain.event import PaymentEvent, Source
from billing.payments.domain.payment import Payment
from billing.payments.domain.reference_links import normal_reference

DUPLICATE_WINDOW = timedelta(hours=24)
"""Two channels of one bank account may report one transfer; equal money within this time is held.

Source: docs/design.md §5.
"""

STATEMENT_WINDOW_BEFORE = timedelta(days=1)
STATEMENT_WINDOW_AFTER = timedelta(days=4)
"""How much earlier and later than the transfer the bank may date its line, as for matching by bank reference."""


@dataclass(frozen=True, slots=True)
class DuplicateCandidate:
    """A payment that was booked earlier on the same bank account through another channel.

    `is_of_statement`: only a statement line states it; its provider may still report it.
    """

    payment: Payment
    bank_account_id: UUID
    codes: frozenset[str]
    is_unallocated: bool
    is_of_statement: bool = False


class DuplicateCandidates:
    """The candidates of a batch: those booked earlier, and the payments that the batch books."""

    def __init__(self, known: Sequence[DuplicateCandidate]) -> None:
        self._candidates: dict[tuple[UUID, Dong], list[DuplicateCandidate]] = {}
        self._of_statement = [candidate for candidate in known if candidate.is_of_statement]
        for candidate in known:
            if not candidate.is_of_statement:
                self.add(candidate)

    def add(self, candidate: DuplicateCandidate) -> None:
        """Add a payment that a later event may report again."""
        self._candidates.setdefault((candidate.bank_account_id, candidate.payment.amount), []).append(candidate)

    def remove(self, candidate: DuplicateCandidate) -> None:
        """Remove a payment that is in a hold: it is no candidate for a third."""
        if candidate.is_of_statement:
            self._of_statement.remove(candidate)
        else:
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

    def find_of_statement(self, payment_event: PaymentEvent, codes: frozenset[str]) -> DuplicateCandidate | None:
        """The payment of a statement line that a late notice under its only code may report, by day and amount.

        The bank may have kept a charge: the amounts differ by a tenth at most.
        """
        if payment_event.source is Source.STATEMENT or len(codes) != 1:
            return None
        occurred_at = payment_event.notice.occurred_at
        for candidate in self._of_statement:
            payment = candidate.payment
            if (
                candidate.bank_account_id == payment_event.bank_account_id
                and candidate.codes == codes
                and abs(payment.amount - payment_event.amount) * 10 <= payment.amount
                and -STATEMENT_WINDOW_BEFORE <= payment.occurred_at - occurred_at <= STATEMENT_WINDOW_AFTER
            ):
                return candidate
        return None


def _differ(first: str, second: str) -> bool:
    return bool(first) and bool(second) and normal_reference(first) != normal_reference(second)

"""The sweep: the entry that moves matched money from clearing (113) to the bank account (1121).

One posting for each pair of accounts sums all lines of a day. A fee that the provider kept goes to the fees, and a
difference within the tolerance to its own account. Source: docs/design.md §4, Accounts; docs/reconciliation.md.
"""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple
from uuid import UUID

from billing.core.ids import EntryId
from billing.core.money import Dong
from billing.ledger.domain.accounts import AccountKey, AccountRole, Posting, account_subject

_FEES = AccountKey(AccountRole.PAYMENT_FEES)


class Sweep(NamedTuple):
    """One confirmed statement line whose money leaves clearing. `amount` is that of the line, positive for money in.

    `expected` is the net amount of the item, `fee` what the provider kept of its gross amount.
    """

    booked_on: date
    bank_account_id: UUID
    clearing_subject: UUID
    amount: int
    expected: int
    fee: int = 0

    @property
    def difference(self) -> int:
        """What the bank shows beyond the expected amount."""
        return self.amount - self.expected

    @property
    def group(self) -> tuple[date, UUID, UUID]:
        """Sweeps of one day and one pair of accounts share an entry."""
        return self.booked_on, self.bank_account_id, self.clearing_subject


class SweepTotal(NamedTuple):
    """The sweeps of received money of one group, summed, and the entry that their matches name.

    `amount` is what the bank shows, `more` and `less` how much more and less than expected its lines are.
    """

    booked_on: date
    bank_account_id: UUID
    clearing_subject: UUID
    amount: int
    more: int
    less: int
    entry_id: EntryId


def sweep_postings(sweeps: Sequence[Sweep], *, is_reversed: bool = False) -> list[Posting]:
    """The postings of sweeps of one group: D 1121, D fees, D or C tolerance difference · C 113; outflows the other way.

    `is_reversed` takes them back.
    """
    return _postings(
        sweeps[0].group,
        fee=sum(sweep.fee for sweep in sweeps),
        received=_sum(sweeps, is_received=True),
        paid=_sum(sweeps, is_received=False),
        is_reversed=is_reversed,
    )


def total_postings(total: SweepTotal) -> list[Posting]:
    """The postings of a group of received money: D 1121, D or C tolerance difference · C 113."""
    group = (total.booked_on, total.bank_account_id, total.clearing_subject)
    return _postings(group, fee=0, received=_Sum(total.amount, total.more, total.less), paid=_Sum(0, 0, 0))


def _postings(
    group: tuple[date, UUID, UUID], *, fee: int, received: "_Sum", paid: "_Sum", is_reversed: bool = False
) -> list[Posting]:
    _, bank_account_id, clearing_subject = group
    bank = AccountKey(AccountRole.BANK, account_subject(bank_account_id))
    clearing = AccountKey(AccountRole.CLEARING, account_subject(clearing_subject))
    tolerance = AccountKey(AccountRole.TOLERANCE_DIFFERENCE, account_subject(bank_account_id))
    parts = (
        (_FEES, clearing, fee),
        (bank, clearing, received.amount - received.more),
        (bank, tolerance, received.more),
        (tolerance, clearing, received.less),
        (clearing, bank, paid.amount - paid.less),
        (tolerance, bank, paid.less),
        (clearing, tolerance, paid.more),
    )
    return [
        Posting(debit=credit, credit=debit, amount=Dong(amount))
        if is_reversed
        else Posting(debit=debit, credit=credit, amount=Dong(amount))
        for debit, credit, amount in parts
        if amount > 0
    ]


class _Sum(NamedTuple):
    """Sweeps of one direction: what the bank shows without its sign, and how much more and less than expected it is."""

    amount: int
    more: int
    less: int


def _sum(sweeps: Sequence[Sweep], *, is_received: bool) -> _Sum:
    amount = more = less = 0
    for sweep in sweeps:
        if (sweep.amount > 0) is is_received:
            amount += abs(sweep.amount)
            more += max(sweep.amount - sweep.expected, 0)
            less += max(sweep.expected - sweep.amount, 0)
    return _Sum(amount, more, less)

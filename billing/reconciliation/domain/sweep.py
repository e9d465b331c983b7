"""The sweep: the entry that moves matched money from clearing (113) to the bank account (1121).

One posting for each pair of accounts sums all lines of a day. A fee that the provider kept goes to the fees, and a
difference within the tolerance to its own account. Source: docs/design.md §4, Accounts; docs/reconciliation.md.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from billing.core.money import Dong
from billing.ledger.domain.accounts import AccountKey, AccountRole, Posting, account_subject

_FEES = AccountKey(AccountRole.PAYMENT_FEES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
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


def sweep_postings(sweeps: Iterable[Sweep], *, is_reversed: bool = False) -> list[Posting]:
    """The postings of sweeps of one group: D 1121, D fees, D or C tolerance difference · C 113; outflows the other way.

    `is_reversed` takes them back.
    """
    sums: dict[tuple[AccountKey, AccountKey], int] = defaultdict(int)
    for sweep in sweeps:
        bank = AccountKey(AccountRole.BANK, account_subject(sweep.bank_account_id))
        clearing = AccountKey(AccountRole.CLEARING, account_subject(sweep.clearing_subject))
        tolerance = AccountKey(AccountRole.TOLERANCE_DIFFERENCE, account_subject(sweep.bank_account_id))
        for debit, credit, amount in _parts(sweep, bank, clearing, tolerance):
            sums[debit, credit] += amount
    return [
        Posting(debit=credit, credit=debit, amount=Dong(amount))
        if is_reversed
        else Posting(debit=debit, credit=credit, amount=Dong(amount))
        for (debit, credit), amount in sums.items()
        if amount > 0
    ]


def _parts(
    sweep: Sweep, bank: AccountKey, clearing: AccountKey, tolerance: AccountKey
) -> Iterable[tuple[AccountKey, AccountKey, int]]:
    difference = sweep.difference
    yield _FEES, clearing, sweep.fee
    if sweep.amount > 0:
        yield bank, clearing, sweep.amount - max(difference, 0)
        yield bank, tolerance, max(difference, 0)
        yield tolerance, clearing, max(-difference, 0)
    else:
        yield clearing, bank, -sweep.amount - max(-difference, 0)
        yield tolerance, bank, max(-difference, 0)
        yield clearing, tolerance, max(difference, 0)

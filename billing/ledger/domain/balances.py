"""Balances, statements of account, entries as read, and movements of locked rows.

`store/balances.py` reads balances; `posting_rules.py` of each package defines the postings of a business event.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from billing.core.errors import Refused
from billing.core.ids import EntryId, InvoiceId, LedgerAccountId, PaymentId, VisitId
from billing.core.money import Dong
from billing.ledger.domain.accounts import CHART, AccountKey, AccountKind, Posting, Side


class BalanceBelowFloor(Refused):
    """The balance of the account is too low."""

    code = "balance_below_floor"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountBalance:
    """The sums debited and credited to one account, with the number and name in its chart."""

    account_id: LedgerAccountId
    role: str
    subject: str
    kind: AccountKind
    normal_side: Side
    number: str
    name: str
    debit: int
    credit: int

    @property
    def balance(self) -> int:
        """The balance on the account's normal side; negative if it is on the other side."""
        return self.debit - self.credit if self.normal_side is Side.DEBIT else self.credit - self.debit


@dataclass(frozen=True, slots=True, kw_only=True)
class PostingView:
    """One posting as read."""

    line: int
    debit: AccountKey
    credit: AccountKey
    amount: Dong
    visit_id: VisitId | None
    invoice_id: InvoiceId | None
    payment_id: PaymentId | None
    payer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryView:
    """One journal entry as read. `reversed_by` and `reverses` name the entry that corrects or is corrected."""

    id: EntryId
    kind: str
    effective_at: datetime
    recorded_at: datetime
    accounting_date: date
    actor_kind: str
    actor_id: UUID | None
    acting_for: UUID | None
    reverses: EntryId | None
    reversed_by: EntryId | None
    postings: tuple[PostingView, ...]


@dataclass(frozen=True, slots=True, order=True)
class StatementCursor:
    """The last position of a page of a statement of account."""

    accounting_date: date
    entry_id: EntryId
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementLine:
    """One movement of an account; `other` is the account on the other side."""

    place: StatementCursor
    kind: str
    effective_at: datetime
    other: AccountKey
    debit: Dong
    credit: Dong
    visit_id: VisitId | None
    invoice_id: InvoiceId | None
    payment_id: PaymentId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementOfAccount:
    """The opening balance of an account in a period, its movements and its closing balance.

    Opening and closing are the balances of the whole period, on the account's normal side, for every page of `lines`;
    `next` is the `after` of the next page, None on the last page.
    """

    account: AccountBalance
    first_day: date
    last_day: date
    opening: int
    closing: int
    lines: tuple[StatementLine, ...]
    next: StatementCursor | None


@dataclass(frozen=True, slots=True, order=True)
class InlineMovement:
    """The amount that one entry moves on an account with a locked row: on its normal side, negative for a decrease."""

    account_id: LedgerAccountId
    amount: int


def inline_movements(
    postings: Iterable[Posting], accounts: Mapping[AccountKey, LedgerAccountId]
) -> tuple[InlineMovement, ...]:
    """Sum the postings on inline accounts: one movement for each account, in lock order.

    The role of an account decides whether it is inline. Accounts on which the postings cancel out are omitted.
    """
    moved: dict[LedgerAccountId, int] = {}
    for posting in postings:
        for key, side in ((posting.debit, Side.DEBIT), (posting.credit, Side.CREDIT)):
            terms = CHART[key.role]
            if terms.kind is AccountKind.INLINE:
                amount = posting.amount if side is terms.normal_side else -posting.amount
                moved[accounts[key]] = moved.get(accounts[key], 0) + amount
    return tuple(InlineMovement(account_id, amount) for account_id, amount in sorted(moved.items()) if amount)

"""The result of a day for one account: a bridge between two balances, and the items that explain their difference.

Bank account: statement closing − ledger balance (1121) = the items + the residual. Provider account, card terminal and
clearing of a bank account: the ledger balance (113) = what the bank has not shown yet + the residual. The statement
closing is computed by `domain/statement_balance.py`.
Source: docs/reconciliation.md, Result of a day.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from billing.core.errors import Refused
from billing.core.money import Dong
from billing.ledger.domain.day_blocker import DayBlocker


class DayResult(StrEnum):
    """The state of one account on one day. Only an incomplete day cannot be closed."""

    INCOMPLETE = "incomplete"
    BREAKS = "breaks"
    RECONCILED_WITH_PENDING = "reconciled_with_pending"
    RECONCILED = "reconciled"


class AccountKind(StrEnum):
    """The account that has a result: a bank account (1121), or the 113 of a provider account, terminal or bank account.

    The 113 of a bank account holds confirmed transfers, card batches, bank deposits and transfers of refunds; that of a
    card terminal holds card payments until a batch states them.
    """

    BANK_ACCOUNT = "bank_account"
    BANK_CLEARING = "bank_clearing"
    CARD_TERMINAL = "card_terminal"
    PROVIDER_ACCOUNT = "provider_account"


class ItemKind(StrEnum):
    """Why two balances of a day differ.

    Bank account: a statement line without a match; one that is posted on a later day; one that is posted before the
    bank booked it; an entry of the bank account without a statement line, and the line of such an entry; the opening
    balance; a gap between two statements. Clearing account: a payment or another entry that is not swept yet; what a
    card batch states beyond our slips; a settlement line without a match, which is no part of the bridge.
    """

    LINE_UNMATCHED = "line_unmatched"
    LINE_POSTED_LATER = "line_posted_later"
    LINE_POSTED_EARLIER = "line_posted_earlier"
    LINE_OF_DIRECT_ENTRY = "line_of_direct_entry"
    DIRECT_ENTRY = "direct_entry"
    OPENING_DIFFERENCE = "opening_difference"
    STATEMENT_GAP = "statement_gap"
    PAYMENT_HELD = "payment_held"
    ENTRY_HELD = "entry_held"
    CARD_BATCH_DIFFERENCE = "card_batch_difference"
    SETTLEMENT_LINE_UNMATCHED = "settlement_line_unmatched"


_BREAKS = frozenset(
    {
        ItemKind.LINE_UNMATCHED,
        ItemKind.OPENING_DIFFERENCE,
        ItemKind.STATEMENT_GAP,
        ItemKind.CARD_BATCH_DIFFERENCE,
        ItemKind.SETTLEMENT_LINE_UNMATCHED,
    }
)


@dataclass(frozen=True, slots=True)
class BridgeItem:
    """One item of a bridge, in đồng. `item_id`: the statement line, settlement line, payment, entry or card batch."""

    kind: ItemKind
    item_id: UUID | None
    amount: Dong

    @property
    def is_break(self) -> bool:
        """Whether a person must decide it; the others are only late."""
        return self.kind in _BREAKS

    @property
    def is_bridging(self) -> bool:
        """Whether it is part of the difference of the two balances."""
        return self.kind is not ItemKind.SETTLEMENT_LINE_UNMATCHED


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountDay:
    """One account on one day. `statement_closing` is None for a clearing account and for a missing statement.

    `blockers` are the reasons why this account is incomplete.
    """

    kind: AccountKind
    account_id: UUID
    name: str
    statement_closing: Dong | None
    ledger_balance: Dong
    items: tuple[BridgeItem, ...]
    open_exceptions: int
    blockers: tuple[DayBlocker, ...] = ()

    @property
    def residual(self) -> Dong:
        """The part of the difference that no item explains; 0 where a statement is missing."""
        listed = sum(item.amount for item in self.items if item.is_bridging)
        if self.kind is not AccountKind.BANK_ACCOUNT:
            return Dong(self.ledger_balance - listed)
        if self.statement_closing is None:
            return Dong(0)
        return Dong(self.statement_closing - self.ledger_balance - listed)

    @property
    def is_compared(self) -> bool:
        """Whether the residual states anything: a bank account without a statement is compared with nothing."""
        return self.kind is not AccountKind.BANK_ACCOUNT or self.statement_closing is not None

    @property
    def result(self) -> DayResult:
        """The result of the account, without what keeps the whole day incomplete."""
        if self.blockers:
            return DayResult.INCOMPLETE
        if self.residual or self.open_exceptions or any(item.is_break for item in self.items):
            return DayResult.BREAKS
        return DayResult.RECONCILED_WITH_PENDING if self.items else DayResult.RECONCILED


class ExceptionsWithoutOwner(Refused):
    """Open exceptions of the day have no owner: a day may close with breaks only if somebody answers for each."""

    code = "exceptions_without_owner"


class MonthOpen(Refused):
    """A month is closed by the closing of each of its days; one of them is open, or the month is not over."""

    code = "month_open"


def remove_direct_pairs(items: Iterable[BridgeItem]) -> tuple[BridgeItem, ...]:
    """Remove each direct entry with a statement line of a direct entry of the same amount: they cancel each other.

    Such an entry moved the bank account itself (a confirmed transfer), so the match of its line posts nothing.
    """
    listed = list(items)
    lines = Counter(item.amount for item in listed if item.kind is ItemKind.LINE_OF_DIRECT_ENTRY)
    entries = Counter(Dong(-item.amount) for item in listed if item.kind is ItemKind.DIRECT_ENTRY)
    pairs = lines & entries
    left = {ItemKind.LINE_OF_DIRECT_ENTRY: Counter(pairs), ItemKind.DIRECT_ENTRY: Counter(pairs)}
    kept = []
    for item in listed:
        sign = -1 if item.kind is ItemKind.DIRECT_ENTRY else 1
        waiting = left.get(item.kind)
        if waiting is not None and waiting[Dong(sign * item.amount)] > 0:
            waiting[Dong(sign * item.amount)] -= 1
        else:
            kept.append(item)
    return tuple(kept)


def combine_results(accounts: Sequence[AccountDay], blockers: Sequence[DayBlocker]) -> DayResult:
    """The result of the whole day: the worst of its accounts; incomplete where the day itself is."""
    if blockers:
        return DayResult.INCOMPLETE
    order = list(DayResult)
    return min((each.result for each in accounts), key=order.index, default=DayResult.RECONCILED)

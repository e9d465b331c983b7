"""Likely causes of a difference between counted and expected cash, the most likely first.

Likely causes for a person who looks for the money; nothing is booked by them. Source: docs/ux.md, Shift closing.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from billing.core.ids import ReceiptId
from billing.visit_accounts.domain.receipt import Direction, PartMethod
from billing.visit_accounts.domain.shift import DENOMINATIONS

_CAUSES_MAX = 5
_SAME_TIME = timedelta(minutes=15)
_TRANSPOSED = 9
"""Two digits that changed places differ by a multiple of 9."""


class CauseKind(StrEnum):
    """What may have happened."""

    OTHER_MONEY_RECORDED_AS_CASH = "other_money_recorded_as_cash"
    CASH_RECORDED_AS_OTHER = "cash_recorded_as_other"
    RECEIPT_WITHOUT_CASH = "receipt_without_cash"
    CASH_WITHOUT_RECEIPT = "cash_without_receipt"
    TOO_MUCH_CHANGE = "too_much_change"
    CHANGE_NOT_GIVEN = "change_not_given"
    NOTE_MISCOUNTED = "note_miscounted"
    AMOUNT_RECORDED_TWICE = "amount_recorded_twice"
    DIGITS_EXCHANGED = "digits_exchanged"


@dataclass(frozen=True, slots=True, kw_only=True)
class CashReceipt:
    """A valid receipt of the shift. `cash` is its cash part in đồng, `change` what was given back."""

    id: ReceiptId
    number: str
    direction: Direction
    issued_at: datetime
    methods: frozenset[PartMethod]
    amount: int
    cash: int
    change: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherMoney:
    """Money of a provider that belongs to nobody yet, in đồng."""

    amount: int
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One likely cause. `receipts` are those to look at; `note` is the denomination, `notes` their counted number."""

    kind: CauseKind
    receipts: Sequence[CashReceipt] = ()
    note: int = 0
    notes: int = 0
    has_unallocated_money: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferenceFacts:
    """A difference (negative: short) with what happened in the shift."""

    difference: int
    counted: Mapping[str, int]
    receipts: Sequence[CashReceipt]
    unallocated: Sequence[OtherMoney] = ()


def find_causes(facts: DifferenceFacts) -> list[Cause]:
    """The likely causes of a difference; none where there is no difference."""
    if facts.difference == 0:
        return []
    rules = _SHORT_RULES if facts.difference < 0 else _OVER_RULES
    found = [cause for rule in rules for cause in rule(facts)]
    return sorted(found, key=lambda cause: not cause.has_unallocated_money)[:_CAUSES_MAX]


def _recorded_as_cash(facts: DifferenceFacts) -> Iterator[Cause]:
    for receipt in facts.receipts:
        if receipt.direction is Direction.IN and receipt.cash == -facts.difference:
            has_money = any(
                money.amount == receipt.cash and abs(money.received_at - receipt.issued_at) <= _SAME_TIME
                for money in facts.unallocated
            )
            yield Cause(
                kind=CauseKind.OTHER_MONEY_RECORDED_AS_CASH, receipts=(receipt,), has_unallocated_money=has_money
            )


def _recorded_as_other(facts: DifferenceFacts) -> Iterator[Cause]:
    for receipt in facts.receipts:
        if receipt.direction is Direction.IN and not receipt.cash and receipt.amount == facts.difference:
            yield Cause(kind=CauseKind.CASH_RECORDED_AS_OTHER, receipts=(receipt,))


def _not_paid_out(facts: DifferenceFacts) -> Iterator[Cause]:
    for receipt in facts.receipts:
        if receipt.direction is Direction.OUT and receipt.cash == facts.difference:
            yield Cause(kind=CauseKind.RECEIPT_WITHOUT_CASH, receipts=(receipt,))


def _too_much_change(facts: DifferenceFacts) -> Iterator[Cause]:
    if -facts.difference in DENOMINATIONS:
        changed = tuple(each for each in facts.receipts if each.change >= -facts.difference)
        if changed:
            yield Cause(kind=CauseKind.TOO_MUCH_CHANGE, receipts=changed, note=-facts.difference)


def _change_not_given(facts: DifferenceFacts) -> Iterator[Cause]:
    for receipt in facts.receipts:
        if receipt.change == facts.difference:
            yield Cause(kind=CauseKind.CHANGE_NOT_GIVEN, receipts=(receipt,))


def _miscounted(facts: DifferenceFacts) -> Iterator[Cause]:
    size = abs(facts.difference)
    if size in DENOMINATIONS:
        yield Cause(kind=CauseKind.NOTE_MISCOUNTED, note=size, notes=facts.counted.get(str(size), 0))


def _recorded_twice(facts: DifferenceFacts) -> Iterator[Cause]:
    """Two receipts of the same cash, one of which would explain a shortage."""
    same = tuple(each for each in facts.receipts if each.direction is Direction.IN and each.cash == -facts.difference)
    if len(same) > 1:
        yield Cause(kind=CauseKind.AMOUNT_RECORDED_TWICE, receipts=same)


def _exchanged(facts: DifferenceFacts) -> Iterator[Cause]:
    size = abs(facts.difference)
    while size % 10 == 0:
        size //= 10
    if size % _TRANSPOSED == 0:
        yield Cause(kind=CauseKind.DIGITS_EXCHANGED)


def _without_receipt(_facts: DifferenceFacts) -> Iterator[Cause]:
    yield Cause(kind=CauseKind.CASH_WITHOUT_RECEIPT)


_Rule = Callable[[DifferenceFacts], Iterator[Cause]]
_SHORT_RULES: Sequence[_Rule] = (_recorded_as_cash, _recorded_twice, _too_much_change, _miscounted, _exchanged)
_OVER_RULES: Sequence[_Rule] = (
    _recorded_as_other,
    _not_paid_out,
    _change_not_given,
    _miscounted,
    _exchanged,
    _without_receipt,
)

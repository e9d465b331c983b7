"""Rows of the work list as pages show them: the marked text, the proposal with its reasons, and one button.

A button accepts a proposal only where no reason is against it; every other row leads to its form. Nothing here
computes money. Source: docs/ux.md, Finance.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from billing.core.text import upper_without_marks
from billing.payments.domain.exception import ExceptionReason, ExceptionState
from billing.payments.domain.refund import RefundWay
from billing.reconciliation.domain.exception_case import DecisionAction
from billing.reconciliation.domain.target_proposals import TargetProposal, TargetReason
from billing.reconciliation.domain.work_list import WorkRow
from billing.reconciliation.service.work_list import ProposedRow

SCORE_ACCEPTED = 70
"""From this score on a proposal has a button that accepts it; below it, a person chooses among the candidates."""

ITEM_SCORE_ACCEPTED = 55
"""The same for items of the ledger: equal amount and day, or equal amount and one more."""

_AT_ONCE = frozenset({DecisionAction.BOOK_CHARGE, DecisionAction.ACCEPT_FEE, DecisionAction.BOOK_PAYMENT})
"""Proposed actions that need no further statement of a person; each is recorded with its sentence as reason."""

_BOOKABLE = frozenset({ExceptionReason.BANK_ONLY, ExceptionReason.CALLBACK_MISSING, ExceptionReason.DUPLICATE_TRANSFER})
_FEES = frozenset({ExceptionReason.FEE_WITHHELD, ExceptionReason.FEE_VARIANCE, ExceptionReason.FEE_DATA_MISSING})
_DIFFERENCES = frozenset({ExceptionReason.AMOUNT_LOW, ExceptionReason.AMOUNT_HIGH})

_TONES: dict[TargetReason, tuple[str, str]] = {
    TargetReason.AMOUNT: ("good", "check"),
    TargetReason.CODE: ("good", "check"),
    TargetReason.PAYER: ("good", "check"),
    TargetReason.NEAR_TIME: ("good", "check"),
    TargetReason.CLOSE_TIME: ("attention", "clock"),
    TargetReason.SHARED: ("stop", "alert"),
}
_ATTENTION = ("attention", "alert")


class Press(StrEnum):
    """What the button of a row does."""

    ACCEPT_TARGET = "accept_target"
    ACCEPT_ITEM = "accept_item"
    AT_ONCE = "at_once"
    CHOOSE = "choose"
    FORM = "form"


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a text; `is_marked`: it is a payment code, or the word that resembles one."""

    text: str
    is_marked: bool = False


@dataclass(frozen=True, slots=True)
class Because:
    """A reason of a proposal: tone and sign of its chip, its text by key, and the number in it."""

    tone: str
    sign: str
    key: str
    number: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRow:
    """A row as it is shown. `actions` are the further decisions that its menu offers."""

    proposed: ProposedRow
    pieces: Sequence[Piece]
    because: Sequence[Because]
    score: int | None
    press: Press
    actions: Sequence[DecisionAction]

    @property
    def row(self) -> WorkRow:
        """The row itself."""
        return self.proposed.row


def show_row(proposed: ProposedRow) -> ShownRow:
    """A row with its marked text and its button."""
    row, target, item = proposed.row, proposed.best_target, proposed.best_item
    because: list[Because] = []
    score: int | None = None
    if target is not None:
        because, score = [*_target_because(target, proposed.targets)], target.score
    elif item is not None:
        because = [Because(*_tone_of(each), f"finance.item_reason.{each}") for each in item.reasons]
        score = item.score
    return ShownRow(
        proposed=proposed,
        pieces=mark(row.text, [*row.codes, "" if target is None else target.read_code]),
        because=because,
        score=score,
        press=_press(proposed),
        actions=tuple(offered_actions(row)),
    )


def offered_actions(row: WorkRow) -> Iterator[DecisionAction]:
    """The decisions that fit an open row, in the order of the menu."""
    if row.state is not ExceptionState.OPEN:
        return
    is_line = row.is_statement_line
    may_assign = row.free > 0 or (is_line and row.signed_amount > 0 and row.reason in _BOOKABLE)
    if is_line:
        yield DecisionAction.MATCH
    if may_assign:
        yield DecisionAction.ASSIGN
        yield DecisionAction.REFUND
    if row.free > 0:
        yield DecisionAction.ASSIGN_TO_PAYER
    if row.reason is ExceptionReason.PROBABLE_DUPLICATE:
        yield DecisionAction.DECLARE_DUPLICATE
        yield DecisionAction.RELEASE_HOLD
    if is_line and row.signed_amount > 0 and row.reason in _BOOKABLE:
        yield DecisionAction.BOOK_PAYMENT
    if is_line and row.signed_amount < 0:
        yield DecisionAction.BOOK_CHARGE
    if row.reason is ExceptionReason.RETURNED_TRANSFER:
        yield DecisionAction.BOOK_RETURN
    if row.reason in _FEES:
        yield DecisionAction.ACCEPT_FEE
    if row.reason in _DIFFERENCES:
        yield DecisionAction.ACCEPT_DIFFERENCE
    yield DecisionAction.OPEN_TRACE
    yield DecisionAction.NO_ACTION


def mark(text: str, words: Sequence[str]) -> Sequence[Piece]:
    """A text in pieces, each place of one of the words marked; capitals and marks of letters do not count."""
    searched = upper_without_marks(text)
    if len(searched) != len(text):
        return (Piece(text),)
    places: list[tuple[int, int]] = []
    for word in sorted({each for each in words if each}, key=len, reverse=True):
        at = searched.find(word)
        if at >= 0 and all(at >= end or at + len(word) <= start for start, end in places):
            places.append((at, at + len(word)))
    pieces: list[Piece] = []
    last = 0
    for start, end in sorted(places):
        pieces += [Piece(text[last:start]), Piece(text[start:end], is_marked=True)]
        last = end
    return tuple(each for each in (*pieces, Piece(text[last:])) if each.text)


def refund_ways() -> Sequence[RefundWay]:
    """The ways in which money of an exception leaves."""
    return tuple(RefundWay)


def _press(proposed: ProposedRow) -> Press:
    row, target, item = proposed.row, proposed.best_target, proposed.best_item
    if row.state is not ExceptionState.OPEN:
        return Press.FORM
    if item is not None and item.score >= ITEM_SCORE_ACCEPTED and not _is_tied(proposed):
        return Press.ACCEPT_ITEM
    if target is not None and DecisionAction.ASSIGN in tuple(offered_actions(row)):
        is_clear = target.score >= SCORE_ACCEPTED and TargetReason.AMOUNT in target.reasons
        return Press.ACCEPT_TARGET if is_clear else Press.CHOOSE
    if item is not None:
        return Press.CHOOSE
    return Press.AT_ONCE if row.proposed_action in _AT_ONCE else Press.FORM


def _is_tied(proposed: ProposedRow) -> bool:
    """Whether two items of the ledger are equally likely: neither is then accepted by one press."""
    best = proposed.best_item
    return best is not None and sum(each.score == best.score and each.difference == 0 for each in proposed.items) > 1


def _target_because(target: TargetProposal, all_targets: Sequence[TargetProposal]) -> Iterator[Because]:
    for reason in target.reasons:
        tone, sign = _TONES.get(reason, _ATTENTION)
        number = 0
        if reason is TargetReason.SHARED:
            number = sum(each.target.owed == target.target.owed for each in all_targets)
        elif reason in (TargetReason.NEAR_TIME, TargetReason.CLOSE_TIME):
            number = abs(target.minutes or 0)
        yield Because(tone, sign, f"finance.target_reason.{reason}", number)


def _tone_of(reason: str) -> tuple[str, str]:
    return _ATTENTION if reason.startswith("similar") else ("good", "check")

"""Ranked proposals for received money: open payment codes that it may be for, with the reasons. Nothing is booked.

A code of the text may have one wrong, missing, further or exchanged character. `proposals.py` ranks the other side:
items of the ledger that a statement line may be. Source: docs/ux.md, Finance; docs/design.md §8, Extraction.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from billing.core.ids import DepositRequestId, InvoiceId, VisitId
from billing.core.money import Dong
from billing.core.reference_code import ALPHABET, CODE_LENGTH, TRANSFER_TEXT_LENGTH_MAX, is_reference_code
from billing.core.text import upper_without_marks

WORDS_MAX = 20
"""Words of a text that may be a code; a text with more is no transfer text."""

NEAR_MINUTES, CLOSE_MINUTES = 15, 120
_NOT_ALPHANUMERIC = re.compile(r"[^0-9A-Z]+")
_LETTERS = frozenset(ALPHABET)


class TargetReason(StrEnum):
    """A reason for a target, or against it: `shared` and `no_code` warn."""

    AMOUNT = "amount"
    CODE = "code"
    WRONG_CHARACTER = "wrong_character"
    MISSING_CHARACTER = "missing_character"
    FURTHER_CHARACTER = "further_character"
    EXCHANGED_CHARACTERS = "exchanged_characters"
    NO_CODE = "no_code"
    PAYER = "payer"
    NEAR_TIME = "near_time"
    CLOSE_TIME = "close_time"
    SHARED = "shared"


_POINTS: Mapping[TargetReason, int] = {
    TargetReason.AMOUNT: 40,
    TargetReason.CODE: 45,
    TargetReason.WRONG_CHARACTER: 35,
    TargetReason.MISSING_CHARACTER: 35,
    TargetReason.FURTHER_CHARACTER: 35,
    TargetReason.EXCHANGED_CHARACTERS: 35,
    TargetReason.NO_CODE: 0,
    TargetReason.PAYER: 10,
    TargetReason.NEAR_TIME: 8,
    TargetReason.CLOSE_TIME: 4,
    TargetReason.SHARED: -15,
}
_SCORE_MAX = 99


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedMoney:
    """Money whose payer is not known: a statement line or a payment. `occurred_at` None: only its day is known."""

    id: UUID
    amount: Dong
    day: date
    occurred_at: datetime | None
    text: str
    payer_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentTarget:
    """An open payment code: the visit, its invoice or deposit request, and the amount that is still owed.

    `patient` and `birth_year` are empty once they are erased.
    """

    intent_id: UUID
    code: str
    visit_id: VisitId
    ma_lk: str
    invoice_id: InvoiceId | None
    deposit_request_id: DepositRequestId | None
    owed: Dong
    opened_at: datetime
    patient: str
    birth_year: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedTarget:
    """What a visit that a person named still owes, in đồng: an invoice, a deposit request, or its deposit without one.

    `number` is that of the invoice, empty for a deposit; `owed` is 0 for a deposit without a request.
    """

    visit_id: VisitId
    ma_lk: str
    invoice_id: InvoiceId | None
    deposit_request_id: DepositRequestId | None
    number: str
    owed: Dong
    opened_at: datetime
    patient: str
    birth_year: str

    @property
    def is_deposit(self) -> bool:
        """Whether money for it is held as deposit."""
        return self.invoice_id is None


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetProposal:
    """A target that money may be for; `score` is 0 to 99. `minutes` lie between the code and the money, None unknown.

    `read_code` is the word of the text that resembles the code, empty where none does.
    """

    target: PaymentTarget
    score: int
    reasons: Sequence[TargetReason]
    read_code: str
    minutes: int | None


def similar_codes(text: str) -> Mapping[str, tuple[str, TargetReason]]:
    """Every valid code that differs from a word of the text in one character, with the word and the difference.

    Most words of eight to ten characters lead to one code for each place, since the check character refuses the rest.
    """
    found: dict[str, tuple[str, TargetReason]] = {}
    for word in code_words(text):
        for code, reason in _variants(word):
            if is_reference_code(code):
                found.setdefault(code, (word, reason))
    return found


def code_words(text: str) -> Sequence[str]:
    """The words of a text that may be a code with one fault: eight to ten characters of the alphabet of codes."""
    if len(text) > TRANSFER_TEXT_LENGTH_MAX:
        return ()
    words = dict.fromkeys(_NOT_ALPHANUMERIC.split(upper_without_marks(text)))
    fitting = [each for each in words if abs(len(each) - CODE_LENGTH) <= 1 and _LETTERS.issuperset(each)]
    return fitting[:WORDS_MAX]


def rank_targets(money: ReceivedMoney, targets: Iterable[PaymentTarget], *, at_most: int = 5) -> list[TargetProposal]:
    """The targets that agree in amount or code, the best first; a target whose amount others owe too is worth less."""
    codes = similar_codes(money.text)
    listed = list(targets)
    owing = Counter(each.owed for each in listed)
    found = []
    for target in listed:
        word, likeness = codes.get(target.code, ("", TargetReason.NO_CODE))
        reasons = [TargetReason.AMOUNT] if target.owed == money.amount else []
        if not reasons and not word:
            continue
        reasons.append(likeness)
        minutes = _minutes_between(money, target)
        reasons += _further_reasons(money, target, minutes)
        if not word and owing[target.owed] > 1:
            reasons.append(TargetReason.SHARED)
        score = min(_SCORE_MAX, max(0, sum(_POINTS[each] for each in reasons)))
        found.append(
            TargetProposal(target=target, score=score, reasons=tuple(reasons), read_code=word, minutes=minutes)
        )
    found.sort(key=lambda each: (-each.score, each.minutes is None, abs(each.minutes or 0), each.target.code))
    return found[:at_most]


def _further_reasons(money: ReceivedMoney, target: PaymentTarget, minutes: int | None) -> Iterator[TargetReason]:
    if minutes is not None and 0 <= minutes <= NEAR_MINUTES:
        yield TargetReason.NEAR_TIME
    elif minutes is not None and 0 <= minutes <= CLOSE_MINUTES:
        yield TargetReason.CLOSE_TIME
    name = upper_without_marks(target.patient).split()
    if len(name) > 1 and _is_named(name, f"{money.text} {money.payer_name}"):
        yield TargetReason.PAYER


def _minutes_between(money: ReceivedMoney, target: PaymentTarget) -> int | None:
    """Minutes from the opening of the code to the money; negative where the money came first."""
    if money.occurred_at is None:
        return None
    return round((money.occurred_at - target.opened_at).total_seconds() / 60)


def _is_named(name: Sequence[str], text: str) -> bool:
    return f" {' '.join(name)} " in f" {' '.join(_NOT_ALPHANUMERIC.split(upper_without_marks(text)))} "


def _variants(word: str) -> Iterator[tuple[str, TargetReason]]:
    """The word itself and every word that one character makes of it, of the length of a code."""
    places = range(len(word))
    if len(word) == CODE_LENGTH:
        yield word, TargetReason.CODE
        for place in places:
            for letter in ALPHABET:
                yield word[:place] + letter + word[place + 1 :], TargetReason.WRONG_CHARACTER
        for place in places[1:]:
            exchanged = word[: place - 1] + word[place] + word[place - 1] + word[place + 1 :]
            yield exchanged, TargetReason.EXCHANGED_CHARACTERS
    elif len(word) == CODE_LENGTH - 1:
        for place in range(CODE_LENGTH):
            for letter in ALPHABET:
                yield word[:place] + letter + word[place:], TargetReason.MISSING_CHARACTER
    else:
        for place in places:
            yield word[:place] + word[place + 1 :], TargetReason.FURTHER_CHARACTER

"""Find money (tìm tiền về): rank payments and statement lines by what a person knows about a transfer.

A result is a proposal with its reasons, never a booking. Names and accounts are compared whole and shown shortened.
Source: docs/reconciliation.md, Find money; docs/personal-data.md.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from billing.core.clock import known_time
from billing.core.errors import InvalidValue
from billing.core.money import Dong
from billing.core.text import upper_without_marks

WINDOW_MAX = timedelta(days=31)
_FRAGMENT_MIN, _SIMILAR_MIN = 4, 6
_ACCOUNT_MIN = 4
_TEXT_MAX = 100
_COMPACT = re.compile(r"[^A-Z0-9]")
_CLOSE = timedelta(hours=1)


class Why(StrEnum):
    """What of a result agrees with the question."""

    AMOUNT = "amount"
    CODE = "code"
    SIMILAR_CODE = "similar_code"
    PAYER = "payer"
    PART_OF_PAYER = "part_of_payer"
    ACCOUNT = "account"
    TIME = "time"


_POINTS: Mapping[Why, int] = {
    Why.AMOUNT: 40,
    Why.CODE: 40,
    Why.SIMILAR_CODE: 25,
    Why.PAYER: 30,
    Why.PART_OF_PAYER: 10,
    Why.ACCOUNT: 30,
    Why.TIME: 10,
}


class MoneyKind(StrEnum):
    """Where a result was found: booked money, or a line of a statement that nothing of ours matches."""

    PAYMENT = "payment"
    STATEMENT_LINE = "statement_line"


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyQuestion:
    """What a person knows: amount, a piece of a code or text, name or account of the payer, and about when.

    One of the four is needed; the time limits what is searched. Raises InvalidValue.
    """

    since: datetime
    until: datetime
    amount: Dong | None = None
    paid_at: datetime | None = None
    fragment: str = ""
    payer: str = ""
    account: str = ""

    def __post_init__(self) -> None:
        if not timedelta(0) < self.until - self.since <= WINDOW_MAX:
            raise InvalidValue(f"search at most {WINDOW_MAX.days} days, the first day first", field="first_day")
        if max(len(self.fragment), len(self.payer), len(self.account)) > _TEXT_MAX:
            raise InvalidValue(f"a search text has at most {_TEXT_MAX} characters", field="code")
        if self.fragment and len(compact(self.fragment)) < _FRAGMENT_MIN:
            raise InvalidValue(f"a piece of a code has at least {_FRAGMENT_MIN} letters or digits", field="code")
        if self.account and len(compact(self.account)) < _ACCOUNT_MIN:
            raise InvalidValue(f"state at least the last {_ACCOUNT_MIN} digits of the account", field="account")
        if self.payer and not words(self.payer):
            raise InvalidValue("a name has letters", field="payer")
        if self.amount is None and not (self.fragment or self.payer or self.account):
            raise InvalidValue("state an amount, a piece of the code, a payer or an account", field="amount")


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """Money that may be the searched one. `reference_code` is that of the intent under which it was booked."""

    kind: MoneyKind
    id: UUID
    amount: Dong
    occurred_at: datetime
    bank_reference: str
    text: str
    payer_name: str
    payer_account: str
    reference_code: str
    unallocated: Dong
    exception_id: UUID | None

    @property
    def is_time_known(self) -> bool:
        """Whether the time is known, not the day alone."""
        return known_time(self.occurred_at) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundMoney:
    """A ranked result: the higher the score, the more agrees."""

    money: Money
    score: int
    why: Sequence[Why]


def rank_money(question: MoneyQuestion, candidates: Iterable[Money], *, at_most: int) -> list[FoundMoney]:
    """The candidates that agree in more than their time, the best first, the newest of equal ones first."""
    found = []
    for money in candidates:
        why = _reasons(question, money)
        if set(why) - {Why.TIME}:
            found.append(FoundMoney(money=money, score=sum(_POINTS[each] for each in why), why=why))
    found.sort(key=lambda each: (each.score, each.money.occurred_at, each.money.id), reverse=True)
    return found[:at_most]


def _reasons(question: MoneyQuestion, money: Money) -> list[Why]:
    why: list[Why] = []
    if question.amount is not None and question.amount == money.amount:
        why.append(Why.AMOUNT)
    if question.fragment:
        code = _compare_code(compact(question.fragment), money)
        why += [] if code is None else [code]
    if question.payer:
        why += _compare_payer(words(question.payer), money)
    if question.account and compact(money.payer_account).endswith(compact(question.account)):
        why.append(Why.ACCOUNT)
    if question.paid_at is not None and money.is_time_known and abs(money.occurred_at - question.paid_at) <= _CLOSE:
        why.append(Why.TIME)
    return why


def _compare_code(fragment: str, money: Money) -> Why | None:
    """Whether the piece is in the text, the references or the code; else whether one letter of it differs there."""
    texts = [compact(text) for text in (money.text, money.bank_reference, money.reference_code)]
    if any(fragment in text for text in texts):
        return Why.CODE
    if len(fragment) >= _SIMILAR_MIN and any(_has_similar(text, fragment) for text in texts):
        return Why.SIMILAR_CODE
    return None


def _has_similar(text: str, fragment: str) -> bool:
    length = len(fragment)
    return any(
        sum(one != other for one, other in zip(text[start : start + length], fragment, strict=True)) <= 1
        for start in range(len(text) - length + 1)
    )


def _compare_payer(name: frozenset[str], money: Money) -> list[Why]:
    known = words(money.payer_name) | words(money.text)
    if name <= known:
        return [Why.PAYER]
    return [Why.PART_OF_PAYER] if len(name & known) >= 2 else []


def compact(text: str) -> str:
    """Letters and digits alone, in upper case without marks."""
    return _COMPACT.sub("", upper_without_marks(text))


def words(text: str) -> frozenset[str]:
    """The words of a text, in upper case without marks."""
    return frozenset(re.findall(r"[A-Z]+", upper_without_marks(text)))

"""Ranked proposals for an open line: items that resemble it, with the reasons. A proposal is never booked.

The score is a sum of points: equal amount, similar code, equal or similar bank reference, near day. Texts are compared
by rapidfuzz (decision 0023). Source: docs/design.md §8, Extraction; docs/reconciliation.md, Matching.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from uuid import UUID

from rapidfuzz import fuzz, process

from billing.core.text import upper_without_marks
from billing.reconciliation.domain.match_rules import ItemKind, OpenLine

SIMILAR = 0.7
"""Two texts are similar from this ratio on: a code of nine characters with two wrong ones."""

_AMOUNT, _CODE, _REFERENCE, _DAY = 50, 30, 15, 5
_LENGTHS_DIFFER_MAX = 3
_NOT_ALPHANUMERIC = re.compile(r"[^0-9A-Z]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedItem:
    """An item of the ledger whose line has not come."""

    item_kind: ItemKind
    item_id: UUID
    expected: int
    day: date
    bank_reference: str
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """An item that a line may be; `score` is 0 to 100, `reasons` name what agrees."""

    item: ProposedItem
    score: int
    difference: int
    reasons: Sequence[str]


def rank_proposals(line: OpenLine, text: str, items: Iterable[ProposedItem]) -> list[Proposal]:
    """The items that agree with the line in something, the best first; equal scores by day and id."""
    found = [proposal for item in items if (proposal := _propose(line, _words(text), item)) is not None]
    return sorted(found, key=lambda each: (-each.score, abs(each.item.day - line.booked_on), each.item.item_id.bytes))


def _propose(line: OpenLine, words: Sequence[str], item: ProposedItem) -> Proposal | None:
    points: list[tuple[str, float]] = []
    if item.expected == line.amount:
        points.append(("amount", _AMOUNT))
    code = _likeness(item.code, (*line.codes, *words))
    if code:
        points.append(("code" if code == 1 else "similar_code", _CODE * code))
    reference = _likeness(item.bank_reference, (line.bank_reference, *words))
    if reference:
        points.append(("reference" if reference == 1 else "similar_reference", _REFERENCE * reference))
    if not points:
        return None
    distance = abs((line.booked_on - item.day).days)
    if distance <= 1:
        points.append(("day", _DAY))
    return Proposal(
        item=item,
        score=round(sum(value for _, value in points)),
        difference=line.amount - item.expected,
        reasons=tuple(name for name, _ in points),
    )


def _words(text: str) -> list[str]:
    """The words of a text in capitals without marks, and each two neighbours as one: a code may be split by a space."""
    words = [each for each in _NOT_ALPHANUMERIC.split(upper_without_marks(text)) if each]
    return words + [first + second for first, second in pairwise(words)]


def _likeness(name: str, texts: Sequence[str]) -> float:
    """How much the text that is most like a name resembles it: 0, or `SIMILAR` to 1."""
    if not name:
        return 0.0
    texts = [each.upper() for each in texts if abs(len(name) - len(each)) <= _LENGTHS_DIFFER_MAX]
    best = process.extractOne(name.upper(), texts, scorer=fuzz.ratio, score_cutoff=100 * SIMILAR)
    return 0.0 if best is None else best[1] / 100

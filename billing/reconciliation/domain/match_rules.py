"""The rules of matching: their order, their terms in versions, and the choice among candidates.

A rule proposes candidates: a statement line and an item of the ledger that agree in what the rule compares. The choice
here is the same for every rule: a pair is matched only if each of the two is the best of the other and no second
candidate is as good. Nothing is guessed; the lines that remain are open. Source: docs/reconciliation.md, Matching.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import date, time, timedelta
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from billing.core.errors import InvalidValue, Refused, Unavailable
from billing.core.money import NOTHING, Dong

_ONE = Dong(1)

CUT_OFF = time(23, 0)
"""The default of `RuleSet.cut_off`. No bank and no provider publishes its own; each organization sets it."""

CHUNK = 5_000
"""Statement lines that one transaction matches."""

JOINED_WITHIN = timedelta(days=10)
"""How far apart the days of joined lines may be: a transfer that the bank splits over a weekend or a long holiday."""


class ItemKind(StrEnum):
    """An item of a match: of the bank, of a provider, or of the ledger."""

    STATEMENT_LINE = "statement_line"
    SETTLEMENT_LINE = "settlement_line"
    PAYOUT = "payout"
    PAYMENT = "payment"
    OUTFLOW = "outflow"
    REFUND = "refund"
    CARD_BATCH = "card_batch"
    BANK_DEPOSIT = "bank_deposit"


class MatchRule(StrEnum):
    """What linked the items of a match, in the order in which the rules are applied."""

    BANK_REFERENCE = "bank_reference"
    TRANSACTION = "transaction"
    PAYOUT = "payout"
    CARD_BATCH = "card_batch"
    NAMED = "named"  # a bank deposit by its slip, a refund by our code or the bank's reference
    REFERENCE_CODE = "reference_code"
    VIRTUAL_ACCOUNT = "virtual_account"
    BANK_CONFIRMED = "bank_confirmed"  # booked from the line, since no callback came
    MANUAL = "manual"
    BANK_CHARGE = "bank_charge"  # a fee or tax of the bank, booked by the decision on its exception
    RETURNED = "returned"  # money that left and came back, or money received that went back, by such a decision


PERSONS_RULES = (MatchRule.MANUAL, MatchRule.BANK_CHARGE, MatchRule.RETURNED)
"""Matches that a person made: no run ends them."""

OWN_ENTRY_RULES = (MatchRule.BANK_CHARGE, MatchRule.RETURNED)
"""Matches whose entry is that of a decision and no sweep: only the decision takes it back."""


class MatchRunState(StrEnum):
    """The state of a run of the rules. Abandoned: its process ended before it did; its matches stay."""

    RUNNING = "running"
    DONE = "done"
    ABANDONED = "abandoned"


class MatchState(StrEnum):
    """Whether a match counts, or who ended it: a person, or a later run."""

    LIVE = "live"
    REVERTED = "reverted"
    SUPERSEDED = "superseded"


class MatchingUnderWay(Unavailable):
    """Another run of the organization is under way; nothing was written."""

    code = "matching_under_way"


class AlreadyMatched(Refused):
    """An item is in another live match."""

    code = "already_matched"


class MatchEnded(Refused):
    """The match was reverted or superseded before."""

    code = "match_ended"


class MatchOfDecision(Refused):
    """The match belongs to the decision on an exception, which is reverted instead."""

    code = "match_of_decision"


class MatchOnClosedDay(Refused):
    """The day of the match's entry is closed: its lines stay matched."""

    code = "match_on_closed_day"


class AmountsDiffer(Refused):
    """The items of a match by hand differ by more than the tolerance."""

    code = "amounts_differ"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSet:
    """The tolerances and terms of one version. Amounts are đồng, never a share of the amount.

    `tolerance` is the largest difference of a line and its item that is matched and posted to its own account.
    `fee_tolerance` is that of a provider's fee and its contract. `reference_days`, `code_days` and `payout_days` are
    how many days later than the item the bank may book the line. `terms` are working days by item kind, after which
    an item without its line is missing. A payment at `cut_off` or later, in Vietnam, may be booked on the next day.
    """

    version: int
    tolerance: Dong = NOTHING
    fee_tolerance: Dong = _ONE
    reference_days: int = 4
    code_days: int = 10
    payout_days: int = 7
    terms: Mapping[str, int] = field(default_factory=dict)
    cut_off: time = CUT_OFF

    def __post_init__(self) -> None:
        days = (self.reference_days, self.code_days, self.payout_days, *self.terms.values())
        if not all(0 <= each <= 60 for each in days):
            raise InvalidValue("the terms of matching are 0 to 60 days", field="terms")
        if not set(self.terms) <= {kind.value for kind in ItemKind}:
            raise InvalidValue(f"terms name a kind: {', '.join(ItemKind)}", field="terms")
        if self.tolerance > 100_000 or self.fee_tolerance > 100_000:
            raise InvalidValue("a tolerance is at most 100,000 đồng", field="tolerance")

    def as_json(self) -> dict[str, object]:
        """The document of `match_rule_set.rules`."""
        return {
            "tolerance": self.tolerance,
            "fee_tolerance": self.fee_tolerance,
            "reference_days": self.reference_days,
            "code_days": self.code_days,
            "payout_days": self.payout_days,
            "terms": dict(self.terms),
            "cut_off": self.cut_off.isoformat("minutes"),
        }


def rule_set_of(version: int, document: Mapping[str, Any]) -> RuleSet:
    """A rule set from the document of `match_rule_set.rules`; what an earlier version did not have is the default."""
    default = RuleSet(version=version)
    return RuleSet(
        version=version,
        tolerance=Dong(document.get("tolerance", default.tolerance)),
        fee_tolerance=Dong(document.get("fee_tolerance", default.fee_tolerance)),
        reference_days=document.get("reference_days", default.reference_days),
        code_days=document.get("code_days", default.code_days),
        payout_days=document.get("payout_days", default.payout_days),
        terms=document.get("terms", default.terms),
        cut_off=time.fromisoformat(document["cut_off"]) if "cut_off" in document else default.cut_off,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSetChange:
    """What a person changes of the rules; None leaves a rule as it is. `terms` replaces the terms that it names."""

    tolerance: Dong | None = None
    fee_tolerance: Dong | None = None
    reference_days: int | None = None
    code_days: int | None = None
    payout_days: int | None = None
    terms: Mapping[str, int] | None = None
    cut_off: time | None = None

    def applied_to(self, rules: RuleSet) -> RuleSet:
        """The next version. Raises InvalidValue."""
        given = {each.name: getattr(self, each.name) for each in fields(self)}
        changed = {name: value for name, value in given.items() if value is not None}
        if self.terms is not None:
            changed["terms"] = {**rules.terms, **self.terms}
        return replace(rules, version=rules.version + 1, **changed)


class OpenLine(NamedTuple):
    """A statement line without a live match. `amount` is positive for money into the account.

    A named tuple: a run builds one for each line and rule, and a frozen dataclass is slower to build.
    """

    id: UUID
    bank_account_id: UUID
    key: UUID
    booked_on: date
    amount: int
    bank_reference: str
    virtual_account: str
    codes: Sequence[str]
    is_tentative: bool


class Candidate(NamedTuple):
    """An item that fits a line by one rule; `rank` 0 is the best.

    `expected` is the amount that the bank should show, `fee` the part that the provider kept. `match_id` is the live
    match of the item that waits for its line, None if the item has none.
    """

    line_id: UUID
    item_kind: ItemKind
    item_id: UUID
    expected: int
    clearing_subject: UUID
    rank: int
    fee: int = 0
    match_id: UUID | None = None


def choose(candidates: Iterable[Candidate]) -> list[Candidate]:
    """The candidates that are decided: the one best of their line, and the one best of their item.

    Two equally good candidates of a line or of an item decide nothing.
    """
    given = list(candidates)
    lines = {each.line_id for each in given}
    items = {(each.item_kind, each.item_id) for each in given}
    if len(lines) == len(items) == len(given):  # nothing competes, as in almost every chunk
        return given
    by_line: dict[UUID, list[Candidate]] = {}
    by_item: dict[tuple[ItemKind, UUID], list[Candidate]] = {}
    for candidate in given:
        by_line.setdefault(candidate.line_id, []).append(candidate)
        by_item.setdefault((candidate.item_kind, candidate.item_id), []).append(candidate)
    best_of_item = {key: _only_best(of_item) for key, of_item in by_item.items()}
    decided = []
    for of_line in by_line.values():
        best = _only_best(of_line)
        if best is not None and best_of_item[best.item_kind, best.item_id] is best:
            decided.append(best)
    return decided


def _only_best(candidates: Sequence[Candidate]) -> Candidate | None:
    if len(candidates) == 1:
        return candidates[0]
    first, second = sorted(candidates, key=lambda each: each.rank)[:2]
    return first if first.rank < second.rank else None

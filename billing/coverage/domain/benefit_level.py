"""The card that counts for each line, and the percentage of in-scope cost that it pays.

Rules B-010, B-013 (groups raised by date), B-014 (several cards, by line time), B-015 (a card that ends inside a
treatment), B-016 (a card shown late), B-020 and B-021 (small visits, each tested by itself: B-065), B-022 (commune
care), B-045 (levels with a fraction). The threshold of small visits is computed in `parameters.py` from the base salary
and the percentage in `parameters.toml`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal

from billing.core.clock import business_date
from billing.core.money import HUNDRED, ZERO, percent
from billing.coverage.domain.care_route import NOT_INSURED, RouteFactor
from billing.coverage.domain.parameters import Parameters
from billing.coverage.domain.policy import CardChoice, Policy
from billing.coverage.domain.price_result import AppliedRule
from billing.visits.domain.card import Card
from billing.visits.domain.visit import ChargeItem, Visit

_EMERGENCY = "2"
_BY_WORTH = {"5": 2, "1": 1}
"""Order of cards of 100 %: digit 5 covers cost outside the lists (B-012), digit 1 removes ratios (B-011)."""
_Key = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Level:
    """Percent of in-scope cost the fund pays [MUC_HUONG], after the route factor.

    `reason` is the rule that set it; `notes` name rules that did not apply (cost not below the 15 % threshold). For
    commune care the rule is that of the route.
    """

    percent: Decimal
    reason: AppliedRule
    notes: tuple[AppliedRule, ...] = ()

    @property
    def reasons(self) -> tuple[AppliedRule, ...]:
        return (*self.notes, self.reason)


@dataclass(frozen=True, slots=True)
class Entitlement:
    """The entitlement of a line: the digit that counts, its level and rule; without a card level 0 and digit `""`.

    `notes` are further rules of the line: the card had ended (B-015), or was supplied without its code (B-002).
    """

    digit: str
    level: Decimal
    reason: AppliedRule
    notes: tuple[AppliedRule, ...] = ()

    @property
    def is_insured(self) -> bool:
        return bool(self.digit)


def visit_days(visit: Visit) -> tuple[date, date]:
    """First and last known day of a visit, its orders included; an open visit ends on its last known day."""
    times = [item.ordered_at for item in visit.items if item.ordered_at is not None]
    times.append(visit.admitted_at)
    if visit.discharged_at is not None:
        times.append(visit.discharged_at)
    return business_date(min(times)), business_date(max(times))


def find_entitlements(
    visit: Visit, items: list[ChargeItem], *, parameters: Parameters, policy: Policy
) -> list[Entitlement]:
    """The entitlement of each item, in order: by the cards valid at the time of its order [NGAY_YL].

    Source: Decree 188/2025/NĐ-CP Art. 21 (several cards), Art. 37 (shown late), Art. 50 cl. 4 (expired).
    """
    if visit.category_code == NOT_INSURED:
        nothing = Entitlement("", ZERO, AppliedRule("B-049", {"code": visit.category_code}, "not_insured"))
        return [nothing] * len(items)
    if not visit.cards:
        return [Entitlement("", ZERO, AppliedRule("B-016", {}, "no_card"))] * len(items)
    known: dict[datetime | None, Entitlement] = {}
    same: dict[_Key, Entitlement] = {}
    result = []
    for item in items:
        entitlement = known.get(item.ordered_at)
        if entitlement is None:
            entitlement = _entitlement_at(visit, item.ordered_at or visit.admitted_at, parameters, policy)
            entitlement = same.setdefault(_key(entitlement), entitlement)
            known[item.ordered_at] = entitlement
        result.append(entitlement)
    return result


def same_day_note(visit: Visit, others: Iterable[Visit]) -> AppliedRule | None:
    """The note that a visit has its own 15 % test although its person had another visit that day; None without one.

    Source: Circular 35/2016/TT-BYT Art. 4 cl. 7 as added by Circular 39/2024/TT-BYT (B-065).
    """
    day = business_date(visit.admitted_at)
    if all(business_date(other.admitted_at) != day for other in others if other is not visit):
        return None
    return AppliedRule("B-065", {"day": day.isoformat()})


def _key(entitlement: Entitlement) -> _Key:
    """The key that identifies an entitlement; its rules hold mappings and cannot be keys."""
    reasons = (entitlement.reason, *entitlement.notes)
    return entitlement.digit, *((reason.rule, reason.variant, *reason.operands.values()) for reason in reasons)


def _entitlement_at(visit: Visit, ordered_at: datetime, parameters: Parameters, policy: Policy) -> Entitlement:
    day = business_date(ordered_at)
    valid = [card for card in visit.cards if card.covers(day)]
    if valid:
        shown = [card for card in valid if _is_shown(card, visit, ordered_at)]
        if not shown:
            return Entitlement("", ZERO, AppliedRule("B-016", {"day": day.isoformat()}, "shown_late"))
        return _choose([(card, _of_card(card, day, parameters)) for card in shown], policy)[1]
    ended = [card for card in visit.cards if _counts_after_its_end(card, visit, day, parameters)]
    if ended:
        card, entitlement = _choose([(card, _of_card(card, day, parameters)) for card in ended], policy)
        assert card.valid_to is not None, "only a card with an end has ended"
        days = parameters.expired_days_on(card.valid_to)
        why = AppliedRule("B-015", {"valid_to": card.valid_to.isoformat(), "days": str(days)})
        return replace(entitlement, notes=(why, *entitlement.notes))
    return Entitlement("", ZERO, AppliedRule("B-015", {"day": day.isoformat()}, "not_valid"))


def _choose(cards: Sequence[tuple[Card, Entitlement]], policy: Policy) -> tuple[Card, Entitlement]:
    """The card that the facility's policy selects of several valid ones; adds a note where their levels differ.

    The highest counts in any order of the file (Decree 188/2025/NĐ-CP Art. 21 cl. 1; B-014); under
    `CardChoice.LAST` the last in the file.
    """
    card, chosen = cards[-1]
    if policy.card_choice is CardChoice.HIGHEST:
        card, chosen = max(reversed(cards), key=lambda each: _worth(each[1]))
    if len({_worth(each) for _, each in cards}) == 1:
        return card, chosen
    operands = {"groups": ", ".join(dict.fromkeys(card.group for card, _ in cards)), "chosen": card.group}
    return card, replace(chosen, notes=(AppliedRule("B-014", operands, "choice"), *chosen.notes))


def _worth(entitlement: Entitlement) -> tuple[Decimal, int]:
    return entitlement.level, _BY_WORTH.get(entitlement.digit, 0)


def _is_shown(card: Card, visit: Visit, ordered_at: datetime) -> bool:
    """Whether the card had been shown by then; in an emergency any time before the end is sufficient (B-016)."""
    return card.shown_at is None or card.shown_at <= ordered_at or visit.category_code == _EMERGENCY


def _counts_after_its_end(card: Card, visit: Visit, day: date, parameters: Parameters) -> bool:
    """Whether an ended card still counts: valid at admission, within a treatment and the days allowed (B-015)."""
    if card.valid_to is None or visit.care_kind not in parameters.treatment_kinds:
        return False
    if not card.covers(business_date(visit.admitted_at)) or day <= card.valid_to:
        return False
    return day - card.valid_to <= timedelta(days=parameters.expired_days_on(card.valid_to))


def _of_card(card: Card, day: date, parameters: Parameters) -> Entitlement:
    """The level of a card on a day: by its digit, or by the digit its group was raised to (B-010, B-013)."""
    notes = () if card.is_full else (AppliedRule("B-002", {"group": card.group}),)
    for raised in parameters.raised_groups:
        if raised.group == card.group and raised.since <= day:
            level = parameters.levels[raised.as_digit]
            operands = {"group": card.group, "since": raised.since.isoformat(), "level": format(level, "f")}
            return Entitlement(raised.as_digit, level, AppliedRule("B-013", operands), notes)
    level = parameters.levels[card.benefit_digit]
    operands = {"group": card.group, "digit": card.benefit_digit, "level": format(level, "f")}
    return Entitlement(card.benefit_digit, level, AppliedRule("B-010", operands), notes)


def find_level(
    entitlement: Entitlement,
    route: RouteFactor,
    *,
    insured_amount: Decimal,
    threshold: Decimal,
    parameters: Parameters,
    policy: Policy,
) -> Level:
    """The level of a line: of its card, or 100 for commune care (B-022) and small visits (B-020), times the route.

    `insured_amount` is T_TONGCHI_BH; it must be strictly below `threshold` (15 % of the base salary) to be small.
    Source: Health Insurance Law Art. 22 cl. 1; Decree 188/2025/NĐ-CP Art. 18 cl. 1; Decision 1351/QĐ-BHXH.
    """
    if not entitlement.is_insured:
        return Level(ZERO, entitlement.reason)
    if route.is_flat:
        return Level(HUNDRED, route.reason)
    of_card = percent(entitlement.level, route.percent)
    reason = _by_route(entitlement, route, of_card)
    if entitlement.level == HUNDRED:
        return Level(of_card, reason)
    operands = {
        "insured_amount": format(insured_amount, "f"),
        "share": format(parameters.small_visit_percent, "f"),
        "threshold": format(threshold, "f"),
        "factor": format(route.percent, "f"),
    }
    fraction = () if of_card == int(of_card) else (AppliedRule("B-045", {"level": format(of_card, "f")}),)
    if insured_amount >= threshold:
        return Level(of_card, reason, (AppliedRule("B-020", operands, "not_below"), *fraction))
    if not route.is_in_route and not policy.out_of_route_small_visit_at_full_rate:
        return Level(of_card, reason, (AppliedRule("B-021", operands, "card_level"), *fraction))
    rule = "B-020" if route.is_in_route else "B-021"
    return Level(percent(HUNDRED, route.percent), AppliedRule(rule, operands))


def _by_route(entitlement: Entitlement, route: RouteFactor, result: Decimal) -> AppliedRule:
    """The rule of the card's level; out of route with the share that the route leaves of it."""
    reason = entitlement.reason
    if route.is_in_route:
        return reason
    operands = {**reason.operands, "factor": format(route.percent, "f"), "result": format(result, "f")}
    return AppliedRule(reason.rule, operands, "by_route")

"""Whose card counts and which percentage of in-scope cost it pays (rules B-010, B-020, B-022; refusals B-013 … B-016).

A visit is priced with one level. Cards of one digit that leave no day of the stay uncovered are as one; where several
cards, or a card that begins or ends inside the stay, would give lines different levels, the visit is refused by the
rule's name.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from billing.domain.coverage.figures import Figures, vietnam_day
from billing.domain.coverage.priced import Reason
from billing.domain.coverage.refusals import RuleNotBuilt
from billing.domain.coverage.route import NOT_INSURED, RouteFactor
from billing.domain.money import HUNDRED, percent
from billing.domain.visit import Card, Visit

_RAISED_TO_HUNDRED_SINCE = date(2026, 1, 1)
_RAISED_TO_HUNDRED = frozenset({("CN", "3"), ("LH", "4")})


@dataclass(frozen=True, slots=True)
class Level:
    """Percent of in-scope cost the fund pays [MUC_HUONG], after the route factor.

    `reason` is the rule that set it; `beside` says why it is not another one (not below the 15 % line). For commune
    care the rule is the route's own.
    """

    percent: Decimal
    reason: Reason
    beside: tuple[Reason, ...] = ()

    @property
    def reasons(self) -> tuple[Reason, ...]:
        return (*self.beside, self.reason)


def visit_days(visit: Visit) -> tuple[date, date]:
    """First and last known day of a visit, its orders included; an open visit ends with what is known so far."""
    moments = [item.ordered_at for item in visit.items if item.ordered_at is not None]
    moments.append(visit.admitted_at)
    if visit.discharged_at is not None:
        moments.append(visit.discharged_at)
    return vietnam_day(min(moments)), vietnam_day(max(moments))


def find_card(visit: Visit) -> Card | Reason:
    """The card that counts for the whole visit, or the reason why nothing is insured.

    Of several that give the same level without a gap, the last one valid on the last day. Raises RuleNotBuilt where a
    card expires inside the visit (B-015), or cards of different level meet inside it or one begins after the first day
    (B-014).
    """
    if visit.object_code == NOT_INSURED:
        return Reason("B-049", {"code": visit.object_code}, "not_insured")
    first, last = visit_days(visit)
    if not visit.cards:
        return Reason("B-016", {}, "no_card")
    seen = [
        card for card in visit.cards if card.valid_from <= last and (card.valid_to is None or card.valid_to >= first)
    ]
    if not seen:
        return Reason("B-015", {"day": vietnam_day(visit.admitted_at).isoformat()}, "not_valid")
    if len({(card.benefit_digit, _is_raised(card, last)) for card in seen}) > 1:
        raise RuleNotBuilt("B-014", field="MA_THE_BHYT", found=";".join(_group(card) for card in seen))
    if not _cover_together(seen, first, last):
        _refuse_part_of_stay(seen, last)
    return [card for card in seen if card.covers(last)][-1]


def find_level(
    card: Card, route: RouteFactor, *, insured_amount: Decimal, threshold: Decimal, last: date, figures: Figures
) -> Level:
    """The level of the visit: of the card, or 100 for commune care (B-022) and small visits (B-020), times the route.

    `insured_amount` is T_TONGCHI_BH; it must be strictly below `threshold` (15 % of the base salary) to be small.
    `last` is the last day of the visit. Raises RuleNotBuilt where the level of the card would count and its group was
    raised to 100 % by then (B-013).
    Source: Health Insurance Law Art. 22 cl. 1; Decree 188/2025/NĐ-CP Art. 18 cl. 1; Decision 1351/QĐ-BHXH.
    """
    if route.is_flat:
        return Level(HUNDRED, route.reason)
    level = figures.levels[card.benefit_digit]
    of_card = Reason("B-010", {"group": _group(card), "digit": card.benefit_digit, "level": format(level, "f")})
    after_route = percent(level, route.percent)
    if level == HUNDRED:
        return Level(after_route, of_card)
    operands = {
        "insured_amount": format(insured_amount, "f"),
        "share": format(figures.small_visit_percent, "f"),
        "threshold": format(threshold, "f"),
    }
    if insured_amount < threshold:
        return Level(percent(HUNDRED, route.percent), Reason("B-020", operands))
    if _is_raised(card, last):
        raise RuleNotBuilt("B-013", field="MA_THE_BHYT", found=_group(card))
    return Level(after_route, of_card, (Reason("B-020", operands, "not_below"),))


def _is_raised(card: Card, last: date) -> bool:
    """Whether the card's group gets 100 % by the last day of a visit, whatever its digit says (B-013)."""
    return last >= _RAISED_TO_HUNDRED_SINCE and (card.object_code, card.benefit_digit) in _RAISED_TO_HUNDRED


def _cover_together(cards: list[Card], first: date, last: date) -> bool:
    """Whether the cards leave no day from first to last uncovered."""
    uncovered = first
    for card in sorted(cards, key=lambda card: card.valid_from):
        if card.valid_from > uncovered:
            return False
        if card.valid_to is None or card.valid_to >= last:
            return True
        uncovered = max(uncovered, card.valid_to + timedelta(days=1))
    return False


def _refuse_part_of_stay(seen: list[Card], last: date) -> None:
    expired = all(card.valid_to is not None and card.valid_to < last for card in seen)
    days = "; ".join(f"{card.valid_from} … {card.valid_to or ''}" for card in seen)
    if expired and len(seen) == 1:
        raise RuleNotBuilt("B-015", field="GT_THE_DEN", found=days)
    raise RuleNotBuilt("B-014", field="GT_THE_TU", found=days)


def _group(card: Card) -> str:
    return card.object_code + card.benefit_digit

"""One charge item: what the hospital charges, what of it is in insurance scope, and who pays which part.

Rules B-011, B-012, B-050, B-051, B-060 (scope and ratio), B-052, B-061 … B-063 (the service ratio a line states),
B-070 (ceiling a unit), B-075 (other funds), B-080 (rounding). Ratios are taken as stated, never chosen here.
"""

from dataclasses import dataclass
from decimal import Decimal, Inexact

from billing.domain.coverage.level import Level
from billing.domain.coverage.policy import Policy
from billing.domain.coverage.priced import PricedLine, Reason
from billing.domain.coverage.refusals import ImpossibleItem
from billing.domain.money import HUNDRED, ZERO, hundredths, percent, product, total
from billing.domain.visit import NO_OTHER_FUNDS, Card, ChargeItem, Scope, Table

_NO_RATIO_DIGIT = "1"
_ARMED_FORCES_DIGIT = "5"
_OUT_OF_SCOPE = Reason("B-050", {})
_ARMED_FORCES = Reason("B-012", {})
_NOT_COVERED = Reason("B-060", {}, "not_covered")
_SERVICE_RATIO_RULES = {13: "B-061", 8: "B-062", 18: "B-062", 14: "B-063", 15: "B-063", 16: "B-063"}
"""The rule behind a service ratio below 100, by cost group [MA_NHOM]; any other group falls under B-052."""


@dataclass(frozen=True, slots=True)
class ScopedLine:
    """An item before the level is known: both amounts with two decimals, and the rules that made them."""

    item: ChargeItem
    hospital_amount: Decimal  # THANH_TIEN_BV
    insured_amount: Decimal  # THANH_TIEN_BH
    reasons: tuple[Reason, ...]


def scope_line(item: ChargeItem, card: Card, policy: Policy) -> ScopedLine:
    """Find both amounts of an item, each rounded once to two decimals; the insured one never exceeds the hospital's.

    Source: Decision 130/QĐ-BYT as amended by 4750/QĐ-BYT, formulae of THANH_TIEN_BV and THANH_TIEN_BH.
    """
    reasons: list[Reason] = []
    hospital = _hospital_amount(item, reasons)
    ratio = _covered_ratio(item, card, policy, reasons)
    if not ratio:
        return ScopedLine(item, hospital, ZERO, tuple(reasons))
    insured = _amount(item, _covered_price(item, reasons), ratio)
    if insured > hospital:
        operands = {"insured_amount": format(insured, "f"), "hospital_amount": format(hospital, "f")}
        reasons.append(Reason("B-051", operands, "capped"))
        insured = hospital
    return ScopedLine(item, hospital, insured, tuple(reasons))


def scope_line_without_card(item: ChargeItem, why: Reason) -> ScopedLine:
    """An item of a visit for which no card counts: nothing is in scope."""
    reasons: list[Reason] = []
    hospital = _hospital_amount(item, reasons)
    return ScopedLine(item, hospital, ZERO, (*reasons, why))


def share_line(line: ScopedLine, level: Level) -> PricedLine:
    """Share a line between fund, patient and other funds; the fund's part is rounded once and the rest follows.

    Other funds are taken off self-pay first, then the co-payment, then the fund's part (B-075).
    Raises ImpossibleItem where other funds give more than the line costs.
    """
    item, hospital, insured = line.item, line.hospital_amount, line.insured_amount
    fund = hundredths(percent(insured, level.percent))
    copay = insured - fund
    self_pay = hospital - insured
    reasons = (*line.reasons, level.reason) if insured else line.reasons
    given = ZERO if item.other_funds is NO_OTHER_FUNDS else hundredths(item.other_funds.total)
    if given:
        if given > hospital:
            detail = f"other funds give {given} for an item that costs {hospital} (B-075)"
            raise ImpossibleItem(detail, field="T_NGUONKHAC", found=format(given, "f"), item=item)
        off_self_pay = min(given, self_pay)
        off_copay = min(given - off_self_pay, copay)
        self_pay -= off_self_pay
        copay -= off_copay
        fund -= given - off_self_pay - off_copay
        reasons = (*reasons, Reason("B-075", {"other_funds": format(given, "f")}))
    return PricedLine(
        item=item,
        hospital_amount=hospital,
        insured_amount=insured,
        level=level.percent,
        other_funds=given,
        self_pay=self_pay,
        copay=copay,
        fund=fund,
        reasons=reasons,
    )


def insured_total(lines: list[ScopedLine]) -> Decimal:
    """T_TONGCHI_BH: the sum of rounded lines (B-020, B-080)."""
    return total(line.insured_amount for line in lines)


def _hospital_amount(item: ChargeItem, reasons: list[Reason]) -> Decimal:
    if item.service_ratio != HUNDRED:
        rule = _SERVICE_RATIO_RULES.get(item.group, "B-052")
        reasons.append(Reason(rule, {"ratio": format(item.service_ratio, "f")}))
    return _amount(item, item.hospital_price, HUNDRED)


def _amount(item: ChargeItem, unit_price: Decimal, ratio: Decimal) -> Decimal:
    """quantity × price × service ratio × ratio, exact until the one rounding."""
    try:
        amount = product(item.quantity, unit_price)
        if item.service_ratio != HUNDRED:
            amount = percent(amount, item.service_ratio)
        if ratio != HUNDRED:
            amount = percent(amount, ratio)
    except Inexact as cause:
        detail = "quantity times price has more than 50 digits"
        raise ImpossibleItem(detail, field="SO_LUONG", found=format(item.quantity, "f"), item=item) from cause
    return hundredths(amount)


def _covered_ratio(item: ChargeItem, card: Card, policy: Policy, reasons: list[Reason]) -> Decimal:
    """Percent of an item that is in scope for this card; 0 where all of it is self-pay."""
    if item.scope is Scope.INSURED:
        return item.payment_ratio if item.payment_ratio == HUNDRED else _limited_ratio(item, card, policy, reasons)
    if item.scope is Scope.PATIENT:
        reasons.append(_OUT_OF_SCOPE)
        return ZERO
    if card.benefit_digit != _ARMED_FORCES_DIGIT:
        reasons.append(Reason("B-012", {"digit": card.benefit_digit}, "other_card"))
        return ZERO
    if not item.payment_ratio:
        reasons.append(_NOT_COVERED)
        return ZERO
    reasons.append(_ARMED_FORCES)
    if item.payment_ratio != HUNDRED:
        reasons.append(Reason("B-060", {"ratio": format(item.payment_ratio, "f")}))
    return item.payment_ratio


def _limited_ratio(item: ChargeItem, card: Card, policy: Policy, reasons: list[Reason]) -> Decimal:
    """The payment ratio of an item in scope, or 100 where the card or a war wound lifts it (B-011, B-060).

    A ratio of 0 means "not covered" in the data standard and is no limit that could be lifted.
    """
    ratio = item.payment_ratio
    if not ratio:
        reasons.append(_NOT_COVERED)
        return ZERO
    operands = {"ratio": format(ratio, "f")}
    if card.benefit_digit == _NO_RATIO_DIGIT and policy.digit_1_lifts_ratios:
        reasons.append(Reason("B-011", operands))
        return HUNDRED
    if card.benefit_digit == _ARMED_FORCES_DIGIT and policy.digit_5_lifts_ratios:
        reasons.append(Reason("B-011", operands, "digit_5"))
        return HUNDRED
    if item.is_war_wound:
        reasons.append(Reason("B-060", operands, "war_wound"))
        return HUNDRED
    reasons.append(Reason("B-060", operands))
    return ratio


def _covered_price(item: ChargeItem, reasons: list[Reason]) -> Decimal:
    """The price a unit the fund reckons with: the insurance price, at most the ceiling (B-051, B-070)."""
    price = item.insurance_price
    if item.ceiling is not None and item.table is Table.SERVICES and item.ceiling < price:
        price = item.ceiling
    if price < item.hospital_price:
        operands = {"hospital_price": format(item.hospital_price, "f"), "covered_price": format(price, "f")}
        rule = "B-070" if price == item.ceiling else "B-051"
        reasons.append(Reason(rule, operands))
    return price

"""The price of one charge item: hospital amount, in-scope amount, and the share of each payer.

Rules B-011, B-012, B-050, B-051, B-060 (scope and ratio), B-052, B-061 … B-063 (the service ratio a line states),
B-080 (rounding). `supplies` owns ceilings, `other_funds` other funds. Ratios are applied as stated, never chosen here.
"""

from decimal import Decimal, Inexact

from billing.core.money import HUNDRED, ZERO, percent, product, round_2dp, total
from billing.coverage.domain.benefit_level import Entitlement, Level
from billing.coverage.domain.other_funds import pool_first, take_off
from billing.coverage.domain.policy import HospitalAmountMode, OtherFundsMode, Policy
from billing.coverage.domain.price_result import AppliedRule, PricedLine, ScopedLine
from billing.coverage.domain.refusals import InvalidItem
from billing.coverage.domain.supplies import covered_units
from billing.visits.domain.visit import NO_OTHER_FUNDS, ChargeItem, PayerClass, Scope

_NO_RATIO_DIGIT = "1"
_ARMED_FORCES_DIGIT = "5"
_DOUBTFUL_DIGITS = frozenset({_NO_RATIO_DIGIT, _ARMED_FORCES_DIGIT})
"""Digits of cards for which no text states whether ratios apply: a policy option decides (B-011)."""
_INSURANCE_PAYS = "1"
_OUT_OF_SCOPE = AppliedRule("B-050", {})
_ON_DEMAND = AppliedRule("B-051", {}, "on_demand")
_ARMED_FORCES = AppliedRule("B-012", {})
_NOT_COVERED = AppliedRule("B-060", {}, "not_covered")
_NOT_INSURED_CLASSES = {
    PayerClass.FEE: AppliedRule("B-050", {}, "fee"),
    PayerClass.CONTRACT: AppliedRule("B-050", {}, "contract"),
    PayerClass.FREE: AppliedRule("B-050", {}, "free"),
}
_SERVICE_RATIO_RULES = {13: "B-061", 8: "B-062", 18: "B-062", 14: "B-063", 15: "B-063", 16: "B-063"}
"""The rule behind a service ratio below 100, by cost group [MA_NHOM]; any other group falls under B-052."""


def scope_line(item: ChargeItem, entitlement: Entitlement, policy: Policy, stents_before: int = 0) -> ScopedLine:
    """Compute both amounts of an item, each rounded once to two decimals; the insured one is at most the hospital's.

    `stents_before` counts the stents of the visit that come before this item (B-071).
    Source: Decision 130/QĐ-BYT as amended by 4750/QĐ-BYT, formulae of THANH_TIEN_BV and THANH_TIEN_BH.
    """
    reasons: list[AppliedRule] = []
    if item.payer_class is PayerClass.FREE:
        return ScopedLine(item, ZERO, ZERO, (_NOT_INSURED_CLASSES[PayerClass.FREE],))
    exact = _hospital_amount(item, policy, reasons)
    hospital = round_2dp(exact)
    ratio = _covered_ratio(item, entitlement, policy, reasons)
    if not ratio:
        pooled = _pooled(item, hospital, policy)
        return ScopedLine(item, hospital, ZERO, tuple(reasons), pooled)
    if entitlement.notes:
        reasons.extend(entitlement.notes)
    covered = _covered(item, ratio, exact, reasons, policy=policy, stents_before=stents_before)
    insured = hospital if covered is exact else round_2dp(covered)
    if insured > hospital:
        operands = {"insured_amount": format(insured, "f"), "hospital_amount": format(hospital, "f")}
        reasons.append(AppliedRule("B-051", operands, "capped"))
        insured, covered = hospital, exact
    if policy.other_funds_mode is OtherFundsMode.FACILITY_POOL and item.other_funds is not NO_OTHER_FUNDS:
        pooled = _pooled(item, hospital, policy)
        insured = pool_first(hospital, pooled, covered=covered, whole=exact, reasons=reasons)
        return ScopedLine(item, hospital, insured, tuple(reasons), pooled)
    return ScopedLine(item, hospital, insured, tuple(reasons))


def share_line(
    line: ScopedLine,
    level: Level,
    policy: Policy,
    *,
    copay_max: Decimal | None = None,
    fund_max: Decimal | None = None,
) -> PricedLine:
    """Divide a line between fund, patient and other funds; the fund's part is rounded once, the rest is derived.

    `copay_max` is the amount left up to the yearly threshold (B-026), the fund pays the rest; `fund_max` is the amount
    that the fund may still pay of the package (B-072), the patient pays the rest. Other funds apply last
    (`other_funds`).
    Raises InvalidItem where other funds give more than the line costs.
    """
    item, insured = line.item, line.insured_amount
    fund = round_2dp(percent(insured, level.percent)) if level.percent != HUNDRED else insured
    reasons = (*line.reasons, level.reason) if insured else line.reasons
    if copay_max is not None and insured - fund > copay_max:
        operands = {"copay": format(copay_max, "f"), "without": format(insured - fund, "f")}
        reasons = (*reasons, AppliedRule("B-026", operands, "cap"))
        fund = insured - copay_max
    if fund_max is not None and fund > fund_max:
        operands = {"fund": format(fund_max, "f"), "package": item.package}
        reasons = (*reasons, AppliedRule("B-072", operands, "fund_payment"))
        fund = fund_max
    copay = insured - fund
    self_pay = line.hospital_amount - line.pooled - insured
    given = line.pooled
    if item.payer_class is PayerClass.CONTRACT:
        self_pay, given = ZERO, line.hospital_amount
    elif not given and (item.other_funds is not NO_OTHER_FUNDS or item.is_copay_replaced):
        given, self_pay, copay, fund, why = take_off(
            item, hospital=line.hospital_amount, self_pay=self_pay, copay=copay, fund=fund, mode=policy.other_funds_mode
        )
        reasons = (*reasons, *why)
    return PricedLine(
        item=item,
        hospital_amount=line.hospital_amount,
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


def _hospital_amount(item: ChargeItem, policy: Policy, reasons: list[AppliedRule]) -> Decimal:
    """The hospital amount, not yet rounded (B-052, B-061 … B-063)."""
    try:
        amount = product(item.quantity, item.hospital_price)
        if item.service_ratio == HUNDRED:
            return amount
        operands = {"ratio": format(item.service_ratio, "f")}
        if policy.hospital_amount_mode is HospitalAmountMode.NO_EXTRA_CHARGE:
            reasons.append(AppliedRule("B-052", operands, "no_extra_charge"))
            insurance_price = min(item.insurance_price, item.hospital_price)
            return amount - percent(product(item.quantity, insurance_price), HUNDRED - item.service_ratio)
        reasons.append(AppliedRule(_SERVICE_RATIO_RULES.get(item.group, "B-052"), operands))
        if item.insurance_price < item.hospital_price:
            reasons.append(AppliedRule("B-052", operands, "whole_price"))
        return percent(amount, item.service_ratio)
    except Inexact as cause:
        raise _too_exact(item) from cause


def _covered(
    item: ChargeItem, ratio: Decimal, exact: Decimal, reasons: list[AppliedRule], *, policy: Policy, stents_before: int
) -> Decimal:
    """The in-scope part of an item, not yet rounded; `exact` itself where the whole charge is in scope."""
    is_whole = ratio == HUNDRED and item.ceiling is None and item.insurance_price == item.hospital_price
    if is_whole and (item.service_ratio == HUNDRED or policy.hospital_amount_mode is HospitalAmountMode.STANDARD):
        return exact
    try:
        covered = covered_units(item, policy, stents_before, reasons)
        if item.service_ratio != HUNDRED:
            covered = percent(covered, item.service_ratio)
        return percent(covered, ratio) if ratio != HUNDRED else covered
    except Inexact as cause:
        raise _too_exact(item) from cause


def _too_exact(item: ChargeItem) -> InvalidItem:
    detail = "quantity times price has more than 50 digits"
    return InvalidItem(detail, field="SO_LUONG", found=format(item.quantity, "f"), item=item)


def _pooled(item: ChargeItem, hospital: Decimal, policy: Policy) -> Decimal:
    """The amount that other funds paid to the facility for this item; 0.00 under the other policy options (B-076)."""
    if policy.other_funds_mode is not OtherFundsMode.FACILITY_POOL or item.other_funds is NO_OTHER_FUNDS:
        return ZERO
    given = round_2dp(item.other_funds.total)
    if given > hospital:
        detail = f"other funds give {given} for an item that costs {hospital} (B-076)"
        raise InvalidItem(detail, field="T_NGUONKHAC", found=format(given, "f"), item=item)
    return given


def _covered_ratio(item: ChargeItem, entitlement: Entitlement, policy: Policy, reasons: list[AppliedRule]) -> Decimal:
    """Percent of an item that is in scope for this card; 0 where all of it is self-pay."""
    why_not = why_not_covered(item, entitlement)
    if why_not is not None:
        reasons.append(why_not)
        return ZERO
    if item.payer_class is PayerClass.ON_DEMAND:
        reasons.append(_ON_DEMAND)
    if item.scope is Scope.INSURED:
        if item.payment_ratio == HUNDRED:
            return HUNDRED
        return _limited_ratio(item, entitlement, policy, reasons)
    reasons.append(_ARMED_FORCES if item.payment_ratio else _NOT_COVERED)
    if item.payment_ratio and item.payment_ratio != HUNDRED:
        reasons.append(AppliedRule("B-060", {"ratio": format(item.payment_ratio, "f")}))
    return item.payment_ratio


def why_not_covered(item: ChargeItem, entitlement: Entitlement) -> AppliedRule | None:
    """The rule by which no part of an item is in scope at any ratio: payer class, card, source or scope; else None."""
    if item.payer_class in _NOT_INSURED_CLASSES:
        return _NOT_INSURED_CLASSES[item.payer_class]
    if not entitlement.is_insured:
        return entitlement.reason
    if item.paying_source != _INSURANCE_PAYS:
        return AppliedRule("B-075", {"source": item.paying_source}, "other_source")
    if item.scope is Scope.PATIENT:
        return _OUT_OF_SCOPE
    if item.scope is Scope.ARMED_FORCES and entitlement.digit != _ARMED_FORCES_DIGIT:
        return AppliedRule("B-012", {"digit": entitlement.digit}, "other_card")
    return None


def _limited_ratio(item: ChargeItem, entitlement: Entitlement, policy: Policy, reasons: list[AppliedRule]) -> Decimal:
    """The payment ratio of an item in scope, or 100 where the card or a war wound removes it (B-011, B-060).

    A ratio of 0 means "not covered" in the data standard and is not a limit that can be removed.
    """
    ratio = item.payment_ratio
    if not ratio:
        reasons.append(_NOT_COVERED)
        return ZERO
    operands = {"ratio": format(ratio, "f")}
    if entitlement.digit == _NO_RATIO_DIGIT and policy.digit_1_ignores_ratios:
        reasons.append(AppliedRule("B-011", operands))
        return HUNDRED
    if entitlement.digit == _ARMED_FORCES_DIGIT and policy.digit_5_ignores_ratios:
        reasons.append(AppliedRule("B-011", operands, "digit_5"))
        return HUNDRED
    if item.is_war_wound:
        reasons.append(AppliedRule("B-060", operands, "war_wound"))
        return HUNDRED
    if entitlement.digit in _DOUBTFUL_DIGITS:
        reasons.append(AppliedRule("B-060", {**operands, "digit": entitlement.digit}, "binds"))
    else:
        reasons.append(AppliedRule("B-060", operands))
    return ratio

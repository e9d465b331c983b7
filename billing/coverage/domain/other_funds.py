"""Other funds [T_NGUONKHAC]: paid to the patient (B-075), to the facility (B-076), or for the co-payment (B-077)."""

from decimal import Decimal

from billing.core.money import ZERO, round_2dp, share_of
from billing.coverage.domain.policy import OtherFundsMode
from billing.coverage.domain.price_result import AppliedRule
from billing.coverage.domain.refusals import InvalidItem
from billing.visits.domain.visit import ChargeItem

Shared = tuple[Decimal, Decimal, Decimal, Decimal, tuple[AppliedRule, ...]]


def pool_first(
    hospital: Decimal, given: Decimal, *, covered: Decimal, whole: Decimal, reasons: list[AppliedRule]
) -> Decimal:
    """The in-scope part of a line after funds paid to the facility are subtracted from the whole (B-076).

    `covered` of `whole` is in scope before; the same proportion of the rest is in scope after, with two decimals.
    Source: Decision 130/QĐ-BYT, field T_NGUONKHAC b), with its worked example.
    """
    if not given or not whole:
        return round_2dp(covered)
    reasons.append(AppliedRule("B-076", {"other_funds": format(given, "f"), "rest": format(hospital - given, "f")}))
    return min(share_of(hospital - given, part=covered, whole=whole), hospital - given)


def take_off(
    item: ChargeItem, *, hospital: Decimal, self_pay: Decimal, copay: Decimal, fund: Decimal, mode: OtherFundsMode
) -> Shared:
    """T_NGUONKHAC, then self-pay, co-payment and the fund's part after other funds, with the applied rule.

    Paid to the patient: subtracted from self-pay first, then the co-payment, then the fund's part. Paid for the
    co-payment: the whole co-payment, whatever amount was supplied. Raises InvalidItem where funds exceed the cost.
    Source: data standard, fields T_NGUONKHAC a), c), T_BNTT, T_BNCCT, T_BHTT (B-075, B-077).
    """
    stated = round_2dp(item.other_funds.total)
    if item.is_copay_replaced or (mode is OtherFundsMode.COPAY_REPLACEMENT and stated):
        if not copay:
            return ZERO, self_pay, copay, fund, ()
        variant = "" if item.is_copay_replaced else "by_reading"
        return copay, self_pay, ZERO, fund, (AppliedRule("B-077", {"copay": format(copay, "f")}, variant),)
    if not stated or mode is OtherFundsMode.FACILITY_POOL:
        return ZERO, self_pay, copay, fund, ()
    if stated > hospital:
        detail = f"other funds give {stated} for an item that costs {hospital} (B-075)"
        raise InvalidItem(detail, field="T_NGUONKHAC", found=format(stated, "f"), item=item)
    off_self_pay = min(stated, self_pay)
    off_copay = min(stated - off_self_pay, copay)
    off_fund = stated - off_self_pay - off_copay
    why = AppliedRule("B-075", {"other_funds": format(stated, "f")})
    return stated, self_pay - off_self_pay, copay - off_copay, fund - off_fund, (why,)

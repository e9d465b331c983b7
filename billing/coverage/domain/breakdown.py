"""The breakdown of each amount of a priced line: its arithmetic in numbers, computed on request.

The sentences of `explain` name the rule of an operand. A breakdown multiplies and subtracts the operands as the price
did; its only inputs are the item, its amounts and its applied rules. It evaluates exactly to the amount (tested). A
line collected at the amounts of the hospital's system has no breakdown.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, localcontext
from enum import StrEnum
from typing import NamedTuple

from billing.core.money import HUNDRED, ZERO, round_2dp
from billing.coverage.domain.explain import Language, money_text, number_text, percent_text
from billing.coverage.domain.price_result import PricedLine
from billing.visits.domain.visit import CeilingKind, ChargeItem, PayerClass

_DIGITS = 60
_Operands = Mapping[tuple[str, str], Mapping[str, str]]
"""The operands of a line's reasons, by rule and variant."""

_AT_MOST = {Language.VIETNAMESE: "tối đa", Language.ENGLISH: "at most"}
_BY_HIS = ("B-053", "by_his")
_RATIO_LIFTED = (("B-011", ""), ("B-011", "digit_5"), ("B-060", "war_wound"))


class Kind(StrEnum):
    """The notation and effect of a number in a step: the last two divide, by 100 and by the number itself."""

    COUNT = "count"
    MONEY = "money"
    PERCENT = "percent"
    DIVISOR = "divisor"


class Term(NamedTuple):
    """One number of a product."""

    value: Decimal
    kind: Kind


Product = tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class BreakdownStep:
    """One amount of the data standard, `field`, as products; all further products are subtracted from the first.

    The result is rounded half-up to two decimals (B-080) and limited to `at_most`, where a limit applies.
    """

    field: str
    amount: Decimal
    products: tuple[Product, ...]
    at_most: Decimal | None = None

    def evaluate(self) -> Decimal:
        """The result of the arithmetic; it equals `amount`."""
        first, *others = (_exact(product) for product in self.products)
        with localcontext() as context:
            context.prec = _DIGITS
            result = round_2dp(first - sum(others, Decimal(0)))
        return result if self.at_most is None else min(result, self.at_most)


def format_step(step: BreakdownStep, language: Language) -> str:
    """The step as text: `2 × 500.000 × 30 %`, with its limit; its result is `step.amount`."""
    text = " − ".join(_product_text(product, language) for product in step.products)
    if step.at_most is None:
        return text
    return f"{text}, {_AT_MOST[language]} {_amount_text(step.at_most)}"


def _product_text(product: Product, language: Language) -> str:
    first, *others = product
    return _term_text(first, language) + "".join(
        f" {'÷' if each.kind is Kind.DIVISOR else '×'} {_term_text(each, language)}" for each in others
    )


def _term_text(factor: Term, language: Language) -> str:
    if factor.kind is Kind.PERCENT:
        return percent_text(factor.value, language)
    return number_text(factor.value) if factor.kind is Kind.COUNT else _amount_text(factor.value)


def _amount_text(amount: Decimal) -> str:
    """An amount with two decimals where it is not whole; a unit price with all its decimals."""
    return money_text(amount).removesuffix(" đ") if amount == round_2dp(amount) else number_text(amount)


def breakdown(line: PricedLine) -> tuple[BreakdownStep, ...]:
    """The steps of a line's amounts that are not 0, each after the steps it depends on.

    The hospital amount is the first; a line that costs nothing has no steps. Nor has a line that an earlier version
    priced in another way: a step that does not evaluate to its amount is never returned.
    """
    why: _Operands = {(reason.rule, reason.variant): reason.operands for reason in line.reasons}
    if _BY_HIS in why:
        return ()
    steps = (_hospital(line, why), _insured(line, why), _other_funds(line), *_shared(line, why))
    stated = tuple(step for step in steps if step.amount)
    return stated if all(step.evaluate() == step.amount for step in stated) else ()


def _hospital(line: PricedLine, why: _Operands) -> BreakdownStep:
    item = line.item
    if ("B-052", "no_extra_charge") not in why:
        return BreakdownStep("THANH_TIEN_BV", line.hospital_amount, (_charged(item),))
    insurance_price = min(item.insurance_price, item.hospital_price)
    reduction = (_count(item.quantity), _money(insurance_price), _percent(HUNDRED - item.service_ratio))
    return BreakdownStep(
        "THANH_TIEN_BV", line.hospital_amount, ((_count(item.quantity), _money(item.hospital_price)), reduction)
    )


def _charged(item: ChargeItem) -> Product:
    return (_count(item.quantity), _money(item.hospital_price), *_ratios(item.service_ratio))


def _insured(line: PricedLine, why: _Operands) -> BreakdownStep:
    item, hospital = line.item, line.hospital_amount
    covered = _covered(item, why)
    limits = [hospital]
    if ("B-072", "covered_cost") in why:
        limits.append(Decimal(why["B-072", "covered_cost"]["covered"]))
    pool = why.get(("B-076", ""))
    if pool is None:
        is_limited = round_2dp(_exact(covered)) > min(limits)
        return BreakdownStep("THANH_TIEN_BH", line.insured_amount, (covered,), min(limits) if is_limited else None)
    rest = Decimal(pool["rest"])
    whole = _exact_charge(line, why)
    products = ((_money(rest), _money(min(_exact(covered), whole)), Term(whole, Kind.DIVISOR)),)
    return BreakdownStep("THANH_TIEN_BH", line.insured_amount, products, min(rest, *limits))


def _exact_charge(line: PricedLine, why: _Operands) -> Decimal:
    """The hospital amount before rounding."""
    first, *others = (_exact(product) for product in _hospital(line, why).products)
    return first - sum(others, Decimal(0))


def _covered(item: ChargeItem, why: _Operands) -> Product:
    """The part of the item in scope, before any limit of a whole line, package or fund."""
    is_lifted = any(each in why for each in _RATIO_LIFTED)
    ratios = (*_ratios(item.service_ratio), *_ratios(HUNDRED if is_lifted else item.payment_ratio))
    for variant, operand in (("stents", "covered"), ("of_line", "ceiling")):
        if ("B-071", variant) in why:
            return (_money(Decimal(why["B-071", variant][operand])), *ratios)
    price = item.insurance_price
    if item.ceiling is not None and item.ceiling_kind is CeilingKind.UNIT:
        price = min(price, item.ceiling)
    return (_count(item.quantity), _money(price), *ratios)


def _shared(line: PricedLine, why: _Operands) -> tuple[BreakdownStep, ...]:
    """The steps of the shares: fund, co-payment and self-pay."""
    insured = line.insured_amount
    if line.item.payer_class is PayerClass.CONTRACT:
        return ()
    fund = _fund(line, why)
    pooled = line.other_funds if ("B-076", "") in why else ZERO
    taken_off = tuple((_money(each),) for each in (pooled, insured) if each)
    return (
        _less(fund, line.fund),
        _less(
            BreakdownStep("T_BNCCT", insured - fund.amount, ((_money(insured),), (_money(fund.amount),))), line.copay
        ),
        _less(
            BreakdownStep(
                "T_BNTT", line.hospital_amount - pooled - insured, ((_money(line.hospital_amount),), *taken_off)
            ),
            line.self_pay,
        ),
    )


def _fund(line: PricedLine, why: _Operands) -> BreakdownStep:
    """The fund's part before other funds are subtracted."""
    insured = line.insured_amount
    products: tuple[Product, ...] = ((_money(insured), _percent(line.level)),)
    if ("B-026", "cap") in why:
        products = ((_money(insured),), (_money(Decimal(why["B-026", "cap"]["copay"])),))
    limit = why.get(("B-072", "fund_payment"))
    step = BreakdownStep("T_BHTT", line.fund, products, None if limit is None else Decimal(limit["fund"]))
    return BreakdownStep(step.field, step.evaluate(), step.products, step.at_most)


def _less(step: BreakdownStep, left: Decimal) -> BreakdownStep:
    """A part after other funds: the amount they pay of it is subtracted."""
    taken = step.amount - left
    if not taken:
        return step
    return BreakdownStep(step.field, left, ((_money(step.amount),), (_money(taken),)))


def _other_funds(line: PricedLine) -> BreakdownStep:
    return BreakdownStep("T_NGUONKHAC", line.other_funds, ((_money(line.other_funds),),))


def _exact(product: Product) -> Decimal:
    with localcontext() as context:
        context.prec = _DIGITS
        result = Decimal(1)
        for value, kind in product:
            if kind is Kind.DIVISOR:
                result /= value
            else:
                result *= value / HUNDRED if kind is Kind.PERCENT else value
        return result


def _ratios(ratio: Decimal) -> Product:
    return () if ratio == HUNDRED else (_percent(ratio),)


def _count(value: Decimal) -> Term:
    return Term(value, Kind.COUNT)


def _money(value: Decimal) -> Term:
    return Term(value, Kind.MONEY)


def _percent(value: Decimal) -> Term:
    return Term(value, Kind.PERCENT)

"""Ceilings of supplies [T_TRANTT] and the limit of a supply package [GOI_VTYT] (rules B-051, B-070 … B-073)."""

from collections.abc import Sequence
from decimal import Decimal

from billing.core.money import ZERO, percent, product
from billing.coverage.domain.parameters import BaseSalary, Parameters
from billing.coverage.domain.policy import Policy
from billing.coverage.domain.price_result import AppliedRule, ScopedLine
from billing.coverage.domain.refusals import InvalidItem
from billing.visits.domain.visit import CeilingKind, ChargeItem, Table


def covered_units(item: ChargeItem, policy: Policy, stents_before: int, reasons: list[AppliedRule]) -> Decimal:
    """Quantity times the price that the fund accepts, not yet rounded: the insurance price, at most the ceiling.

    Raises InvalidItem for a fractional quantity of stents.
    """
    price = item.insurance_price
    if item.ceiling is not None and item.table is Table.SERVICES:
        if item.ceiling_kind is CeilingKind.STENT:
            return _stents(item, item.ceiling, policy, stents_before, reasons)
        if item.ceiling_kind is CeilingKind.LINE:
            return _under_line_ceiling(item, item.ceiling, reasons)
        price = min(price, item.ceiling)
    if price < item.hospital_price:
        operands = {"hospital_price": format(item.hospital_price, "f"), "covered_price": format(price, "f")}
        reasons.append(AppliedRule("B-070" if price == item.ceiling else "B-051", operands))
    return product(item.quantity, price)


def count_stents(items: Sequence[ChargeItem]) -> dict[tuple[Table, int], int]:
    """For each item with a stent's ceiling, how many stents come before it in the order given."""
    before: dict[tuple[Table, int], int] = {}
    count = 0
    for item in items:
        if _is_stent(item):
            before[item.key] = count
            count += int(item.quantity)
    return before


def _is_stent(item: ChargeItem) -> bool:
    """Whether a ceiling for stents limits the item; the kind of an absent ceiling is ignored."""
    return item.ceiling_kind is CeilingKind.STENT and item.ceiling is not None and item.table is Table.SERVICES


def limit_packages(
    lines: list[ScopedLine], digits: Sequence[str], salary: BaseSalary, parameters: Parameters, policy: Policy
) -> list[ScopedLine]:
    """Limit the in-scope cost of each package to 45 base salaries, line by line in order; the excess is self-pay.

    `digits` are the benefit digits of the lines' cards. Source: Circular 04/2017/TT-BYT Art. 3 (B-072), interpreted as
    a limit of the in-scope cost.
    """
    left: dict[str, Decimal] = {}
    limit = package_limit(salary, parameters)
    return [
        _in_package(line, digit, left, limit, policy) if line.item.package and line.insured_amount else line
        for line, digit in zip(lines, digits, strict=True)
    ]


def _in_package(line: ScopedLine, digit: str, left: dict[str, Decimal], limit: Decimal, policy: Policy) -> ScopedLine:
    """A line of a package, limited to the rest of the package limit in `left`, which is reduced by it."""
    package = line.item.package
    if is_exempt(digit, policy):
        return line._replace(reasons=(*line.reasons, AppliedRule("B-073", {"package": package, "digit": digit})))
    room = left.get(package, limit)
    left[package] = max(room - line.insured_amount, ZERO)
    if line.insured_amount <= room:
        return line
    operands = {"package": package, "limit": format(limit, "f"), "covered": format(room, "f")}
    why = AppliedRule("B-072", operands, "covered_cost")
    return line._replace(insured_amount=room, reasons=(*line.reasons, why))


def package_limit(salary: BaseSalary, parameters: Parameters) -> Decimal:
    """45 base salaries, exact, with two decimals."""
    return product(Decimal(salary.amount), parameters.supply_package_multiple) + ZERO


def is_exempt(digit: str, policy: Policy) -> bool:
    """Whether the facility's policy exempts cards of this digit from the package limit (B-073)."""
    return bool(digit) and digit in policy.package_limit_exempt_digits


def _under_line_ceiling(item: ChargeItem, ceiling: Decimal, reasons: list[AppliedRule]) -> Decimal:
    whole = product(item.quantity, item.insurance_price)
    if whole <= ceiling:
        return whole
    operands = {"amount": format(whole, "f"), "ceiling": format(ceiling, "f")}
    reasons.append(AppliedRule("B-071", operands, "of_line"))
    return ceiling


def _stents(
    item: ChargeItem, ceiling: Decimal, policy: Policy, stents_before: int, reasons: list[AppliedRule]
) -> Decimal:
    """Stent by stent: each up to its percent of the ceiling; those beyond the list are not covered (B-071)."""
    if item.quantity != item.quantity.to_integral_value():
        detail = "stents are counted in whole numbers (B-071)"
        raise InvalidItem(detail, field="SO_LUONG", found=format(item.quantity, "f"), item=item)
    last = stents_before + int(item.quantity)
    percents = [Decimal(share) for share in policy.stent_ceiling_percents.split(";")[stents_before:last]]
    covered = sum((min(item.insurance_price, percent(ceiling, share)) for share in percents), Decimal(0))
    operands = {"first": str(stents_before + 1), "last": str(last), "covered": format(covered, "f")}
    reasons.append(AppliedRule("B-071", operands, "stents"))
    return covered

"""Share the lines of a visit in order, where the shares of a line depend on the lines before it.

The order of time decides the yearly co-payment (B-025 … B-029) and the rest of a package limit (B-072).
"""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from billing.coverage.domain.benefit_level import Entitlement, Level
from billing.coverage.domain.copay import CopayYears
from billing.coverage.domain.line_price import share_line
from billing.coverage.domain.policy import Policy, SupplyPackageCap
from billing.coverage.domain.price_result import PricedLine, ScopedLine
from billing.coverage.domain.supplies import is_exempt
from billing.visits.domain.visit import Visit


def share_lines(
    visit: Visit,
    lines: Sequence[ScopedLine],
    entitled: Sequence[tuple[Entitlement, Level]],
    years: CopayYears,
    *,
    package_limit: Decimal,
    policy: Policy,
) -> tuple[PricedLine, ...]:
    """Share every line in the order of the arguments; `entitled` holds the entitlement and level of each."""
    is_fund_limited = policy.supply_package_cap is SupplyPackageCap.FUND_PAYMENT and any(
        line.item.package for line in lines
    )
    if visit.exempt_from is None and not years.is_kept and not is_fund_limited:
        return tuple(share_line(line, level, policy) for line, (_, level) in zip(lines, entitled, strict=True))
    fund_left: dict[str, Decimal] = {}
    shared: dict[int, PricedLine] = {}
    for place in sorted(
        range(len(lines)), key=lambda place: (lines[place].item.ordered_at or visit.admitted_at, place)
    ):
        line, (entitlement, level) = lines[place], entitled[place]
        ordered_at = line.item.ordered_at or visit.admitted_at
        level, copay_max = years.level_at(ordered_at, level)
        package = line.item.package if is_fund_limited and not is_exempt(entitlement.digit, policy) else ""
        fund_max = fund_left.get(package, package_limit) if package else None
        priced = share_line(line, level, policy, copay_max=copay_max, fund_max=fund_max)
        if fund_max is not None:
            fund_left[package] = fund_max - priced.fund
        crossing = years.add(ordered_at, priced.copay)
        shared[place] = replace(priced, reasons=(*priced.reasons, crossing)) if crossing else priced
    return tuple(shared[place] for place in range(len(lines)))

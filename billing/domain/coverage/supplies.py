"""Supply packages [GOI_VTYT]: one use of a service may not cost the insurer more than 45 base salaries (B-072).

Both readings of the limit agree while a package stays at or below it; above it the visit is refused by name.
"""

from decimal import Decimal

from billing.domain.coverage.figures import BaseSalary, Figures
from billing.domain.coverage.lines import ScopedLine
from billing.domain.coverage.refusals import RuleNotBuilt
from billing.domain.money import product


def refuse_packages_above_limit(lines: list[ScopedLine], salary: BaseSalary, figures: Figures) -> None:
    """Raise RuleNotBuilt for a package whose in-scope cost is above its limit.

    Source: Circular 04/2017/TT-BYT Art. 3.
    """
    packages: dict[str, Decimal] = {}
    for line in lines:
        if line.item.package and line.insured_amount:
            packages[line.item.package] = packages.get(line.item.package, Decimal(0)) + line.insured_amount
    if not packages:
        return
    limit = product(Decimal(salary.amount), figures.supply_package_multiple)
    for package, amount in packages.items():
        if amount > limit:
            raise RuleNotBuilt("B-072", field="GOI_VTYT", found=package)

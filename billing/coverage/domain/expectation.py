"""The expectation of a rule for one field of a line: the accepted values, and the rule with its operands."""

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Self

from billing.coverage.domain.price_result import AppliedRule
from billing.visits.domain.visit import ChargeItem


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """The expectation of a rule for one field of a charge item.

    `accepted` are the values that the rule allows, the preferred value first; several where a deciding fact is
    missing. `item` None means the whole visit. `is_warning`: a violation is only a suspicion.
    """

    item: ChargeItem | None
    field: str
    found: Decimal
    accepted: tuple[Decimal, ...]
    reason: AppliedRule
    is_warning: bool = False

    @property
    def value(self) -> Decimal:
        return self.accepted[0]

    @property
    def is_met(self) -> bool:
        return self.found in self.accepted

    def as_warning(self) -> Self:
        return replace(self, is_warning=True)


def expect_ratio(item: ChargeItem, accepted: tuple[Decimal, ...], reason: AppliedRule) -> Expected:
    """The expectation for TYLE_TT_DV."""
    return Expected(item=item, field="TYLE_TT_DV", found=item.service_ratio, accepted=accepted, reason=reason)


def expect_quantity(item: ChargeItem, accepted: tuple[Decimal, ...], reason: AppliedRule) -> Expected:
    """The expectation for SO_LUONG."""
    return Expected(item=item, field="SO_LUONG", found=item.quantity, accepted=accepted, reason=reason)

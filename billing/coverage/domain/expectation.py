"""What a rule expects of one field of a line: the values it accepts, and the rule with its operands."""

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Self

from billing.coverage.domain.price_result import AppliedRule
from billing.visits.domain.visit import ChargeItem


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a rule expects of one field of a charge item.

    `accepted` are the values the rule allows, the first the one to be used; more than one where a fact that would
    decide lacks. `item` None means the whole visit. A rule that is only a suspicion has `is_warning`.
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
    """What a rule expects of TYLE_TT_DV."""
    return Expected(item=item, field="TYLE_TT_DV", found=item.service_ratio, accepted=accepted, reason=reason)


def expect_quantity(item: ChargeItem, accepted: tuple[Decimal, ...], reason: AppliedRule) -> Expected:
    """What a rule expects of SO_LUONG."""
    return Expected(item=item, field="SO_LUONG", found=item.quantity, accepted=accepted, reason=reason)

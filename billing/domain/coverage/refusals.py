"""Refusals of a price: a rule that is not built yet, or an item whose own figures contradict each other.

InvalidValue
└── ImpossibleItem     a charge item no rule can price
NotSupported
└── RuleNotBuilt       lawful; names the rule that would decide
"""

from billing.domain.errors import InvalidValue, NotSupported
from billing.domain.visit import ChargeItem


class RuleNotBuilt(NotSupported):
    """A rule would change an amount of this visit and is not built yet, so no amount is given.

    `rule` is an id of rules.toml, `field` the field of the standard that called for it, `found` its value, `item` the
    charge item, or None where the whole visit is meant.
    """

    def __init__(self, rule: str, *, field: str, found: str, item: ChargeItem | None = None) -> None:
        super().__init__(f"{field} {found} calls for rule {rule}, which is not built yet", field=field)
        self.rule = rule
        self.found = found
        self.item = item


class ImpossibleItem(InvalidValue):
    """A charge item whose own figures contradict each other."""

    def __init__(self, detail: str, *, field: str, found: str, item: ChargeItem) -> None:
        super().__init__(detail, field=field)
        self.found = found
        self.item = item

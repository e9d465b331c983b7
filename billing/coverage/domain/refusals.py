"""Refusals of a price: a deciding parameter or fact is missing, or the supplied values contradict each other.

InvalidValue
├── InvalidItem          a charge item no rule can price
├── UnknownCategory       an object code that is in no table
└── CategoryDoesNotFit    an object code that does not exist for this kind of care, or no claim of care at all
NotSupported
└── RuleNotSupported            lawful; names the rule whose parameter or fact is not known
Refused
└── PriceNotInForce         no price list in force on the day has the item
"""

from datetime import date

from billing.core.errors import BillingError, InvalidValue, NotSupported, Refused
from billing.visits.domain.finding import Finding, FindingCode
from billing.visits.domain.invalid_input import InvalidInput
from billing.visits.domain.visit import ChargeItem


class RuleNotSupported(NotSupported):
    """A rule would decide, and its parameter or fact is not known, so there is no amount.

    `rule` is an id of rules.toml, `field` the field of the standard that requires it, `found` its value, `item` the
    charge item, or None for the whole visit.
    """

    def __init__(self, rule: str, *, field: str, found: str, item: ChargeItem | None = None) -> None:
        super().__init__(f"{field} {found} calls for rule {rule}, and what it decides by is not known", field=field)
        self.rule = rule
        self.found = found
        self.item = item


class InvalidItem(InvalidValue):
    """A charge item whose values contradict each other."""

    def __init__(self, detail: str, *, field: str, found: str, item: ChargeItem) -> None:
        super().__init__(detail, field=field)
        self.found = found
        self.item = item


class UnknownCategory(InvalidValue):
    """An object code [MA_DOITUONG_KCB] that is in no table."""

    def __init__(self, code: str) -> None:
        super().__init__(f"{code} is not an object code", field="MA_DOITUONG_KCB")
        self.found = code


class PriceNotInForce(Refused):
    """The facility's prices apply, and the list in force on the day has no price of the kind for this item (B-053)."""

    code = "price_not_in_force"

    def __init__(self, item: ChargeItem, day: date) -> None:
        named = item.code or f"“{item.name[:60]}”, which has no code"
        super().__init__(f"no price in force for {named} on {day.isoformat()} (B-053)", field="DON_GIA_BV")
        self.found = item.code
        self.item = item
        self.day = day


class CategoryDoesNotFit(InvalidValue):
    """An object code that does not exist for this kind of care [MA_LOAI_KCB], or that means no care (8)."""

    code = "category_does_not_fit"

    def __init__(self, detail: str, *, found: str) -> None:
        super().__init__(detail, field="MA_DOITUONG_KCB")
        self.found = found


def refusal_as_finding(refusal: BillingError, *, file: str, hoso: int | None, ma_lk: str) -> Finding:
    """The finding that states why a visit has no price.

    `not-supported` names the field that requires a rule in `field` and `found`, and the rule's id in `expected`;
    `code-unknown` names an object code that does not exist; an `InvalidInput` has its own code; anything else is
    `value-invalid` with the reason in `expected`.
    """
    code, found, expected, item = FindingCode.VALUE_INVALID, "", refusal.detail, None
    if isinstance(refusal, RuleNotSupported):
        code, found, expected, item = FindingCode.NOT_SUPPORTED, refusal.found, refusal.rule, refusal.item
    elif isinstance(refusal, (InvalidItem, PriceNotInForce)):
        found, item = refusal.found, refusal.item
    elif isinstance(refusal, UnknownCategory):
        code, found = FindingCode.CODE_UNKNOWN, refusal.found
    elif isinstance(refusal, CategoryDoesNotFit):
        found = refusal.found
    elif isinstance(refusal, InvalidInput):
        code = refusal.finding
    return Finding(
        code=code,
        file=file,
        hoso=hoso,
        ma_lk=ma_lk,
        table="" if item is None else item.table.value,
        stt=None if item is None else item.number,
        field=refusal.field or "",
        found=found,
        expected=expected,
    )

"""The terms of a supplementary private insurance: a contract, no law (rule B-090).

Amounts are đồng. `limit` is what is left to pay for one visit: the least of the limits of visit, year and kind of cost
that the contract has; None where nothing limits it.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from billing.core.errors import InvalidValue

GUARANTOR_LENGTH_MAX = 100


class CoveredPart(StrEnum):
    """A part of the patient's share a policy answers for."""

    COPAY = "copay"
    SELF_PAY = "self_pay"


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateInsurance:
    """What the private insurer answers for after BHYT; `excluded_groups` are cost groups [MA_NHOM] it leaves out.

    `guarantor` names an insurer that has promised the hospital to pay its part (bảo lãnh viện phí); without one the
    patient pays it and claims it back.
    """

    covers: frozenset[CoveredPart]
    deductible: Decimal = Decimal(0)
    coinsurance: Decimal = Decimal(100)  # percent
    limit: Decimal | None = None
    excluded_groups: frozenset[int] = frozenset()
    guarantor: str = ""

    def __post_init__(self) -> None:
        for amount, name in ((self.deductible, "deductible"), (self.limit, "limit")):
            if amount is not None and (not amount.is_finite() or amount < 0):
                raise InvalidValue(f"{name} cannot be negative", field=name)
        if len(self.guarantor) > GUARANTOR_LENGTH_MAX or not self.guarantor.isprintable():
            detail = f"at most {GUARANTOR_LENGTH_MAX} printable characters name an insurer"
            raise InvalidValue(detail, field="guaranteed_by")
        if not 0 <= self.coinsurance <= 100:
            raise InvalidValue("coinsurance_pct must be from 0 to 100", field="coinsurance_pct")

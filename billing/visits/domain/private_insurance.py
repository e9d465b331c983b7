"""The terms of a supplementary private insurance: set by contract, not by law (rule B-090).

Amounts are đồng. `limit` is the remaining maximum for one visit: the least of the contract's limits of visit, year and
kind of cost; None without a limit.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from billing.core.errors import InvalidValue

GUARANTOR_LENGTH_MAX = 100


class CoveredPart(StrEnum):
    """A part of the patient share that a policy covers."""

    COPAY = "copay"
    SELF_PAY = "self_pay"


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateInsurance:
    """The cover of a private insurer after BHYT; `excluded_groups` are cost groups [MA_NHOM] that it excludes.

    `guarantor` names an insurer that guarantees its part to the hospital (bảo lãnh viện phí); without a guarantor the
    patient pays the part and requests it from the insurer.
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

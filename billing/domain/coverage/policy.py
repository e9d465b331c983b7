"""How a facility reads the rules the law leaves open; every open reading is a field, none is hidden in a formula."""

from dataclasses import dataclass
from enum import StrEnum


class BaseSalaryDay(StrEnum):
    """Which day of a stay picks the base salary (B-030); the law does not say."""

    ADMISSION = "admission"
    DISCHARGE = "discharge"


class HospitalAmountMode(StrEnum):
    """How the hospital charges a service of which the insurer pays a part [TYLE_TT_DV] (B-052)."""

    STANDARD = "standard"
    NO_EXTRA_CHARGE = "no_extra_charge"


class OtherFundsMode(StrEnum):
    """To whom other funds are given (B-075 patient, B-076 facility, B-077 instead of the co-payment)."""

    TO_PATIENT = "to_patient"
    FACILITY_POOL = "facility_pool"
    COPAY_REPLACEMENT = "copay_replacement"


class SupplyPackageCap(StrEnum):
    """What the limit of a supply package limits (B-072)."""

    COVERED_COST = "covered_cost"
    FUND_PAYMENT = "fund_payment"


class CopayCrossing(StrEnum):
    """How the line is charged on which the year's co-payment crosses its threshold (B-026)."""

    LINE = "line"
    CAP = "cap"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A facility's readings. A reading whose rule is not built yet is refused by name where it would matter."""

    base_salary_day: BaseSalaryDay = BaseSalaryDay.ADMISSION
    digit_1_lifts_ratios: bool = True  # B-011; partly verified for children under 6 (TE)
    # B-011 is silent on digit 5 and an item in scope [PHAM_VI 1]; until a text says so, the stated ratio binds.
    digit_5_lifts_ratios: bool = False
    hospital_amount_mode: HospitalAmountMode = HospitalAmountMode.STANDARD
    other_funds_mode: OtherFundsMode = OtherFundsMode.TO_PATIENT
    supply_package_cap: SupplyPackageCap = SupplyPackageCap.COVERED_COST
    copay_crossing: CopayCrossing = CopayCrossing.LINE

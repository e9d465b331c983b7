"""Policy options: every choice that the law leaves open is a field of `Policy`; formulas hide no choice."""

import re
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from billing.core.errors import InvalidValue

_STENTS_MAX = 20
_PERCENTAGE = re.compile(r"[0-9]{1,3}(\.[0-9]{1,2})?")


class DayOfStay(StrEnum):
    """The day of a stay that selects a parameter which changes during the stay."""

    ADMISSION = "admission"
    DISCHARGE = "discharge"


class HospitalAmountMode(StrEnum):
    """The hospital amount of a service of which the insurer pays a part [TYLE_TT_DV] (B-052)."""

    STANDARD = "standard"
    NO_EXTRA_CHARGE = "no_extra_charge"


class OtherFundsMode(StrEnum):
    """The recipient of other funds (B-075 patient, B-076 facility, B-077 instead of the co-payment)."""

    TO_PATIENT = "to_patient"
    FACILITY_POOL = "facility_pool"
    COPAY_REPLACEMENT = "copay_replacement"


class SupplyPackageCap(StrEnum):
    """The amount that the limit of a supply package applies to (B-072)."""

    COVERED_COST = "covered_cost"
    FUND_PAYMENT = "fund_payment"


class CopayCrossing(StrEnum):
    """The shares of the line on which the yearly co-payment crosses its threshold (B-026)."""

    LINE = "line"
    CAP = "cap"


class CardChoice(StrEnum):
    """The card that counts of several valid ones: the highest (B-014), or the last in the visit."""

    HIGHEST = "highest"
    LAST = "last"


class OutOfRouteExemption(StrEnum):
    """Whether the exemption from co-payment covers care out of route: no, or up to the out-of-route rate (B-025)."""

    EXCLUDED = "excluded"
    OUT_OF_ROUTE_RATE = "out_of_route_rate"


class SameDayReturn(StrEnum):
    """The claim check of a return on the same day under another MA_LK: a warning, or an expected ratio of 30 %."""

    WARN = "warn"
    RATIO_30 = "ratio_30"


class CareSide(StrEnum):
    """The column of the object-code table that applies to day care and stays at commune level."""

    INPATIENT = "inpatient"
    OUTPATIENT = "outpatient"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The policy options of a facility. `policy_options.toml` describes each; a rule's sentence names the choice."""

    base_salary_day: DayOfStay = DayOfStay.ADMISSION  # B-030
    route_day: DayOfStay = DayOfStay.ADMISSION  # B-044: no text states which day selects the 50 %
    day_care_side: CareSide = CareSide.INPATIENT  # B-043: neither column names 04 and 06
    unstated_route_percent: Decimal = Decimal(100)  # B-049: object codes 7.2–7.4 and 10
    card_choice: CardChoice = CardChoice.HIGHEST  # B-014
    out_of_route_small_visit_at_full_rate: bool = True  # B-021: 100 × factor, our interpretation of the standard
    digit_1_ignores_ratios: bool = True  # B-011; partly verified for children under 6 (TE)
    # B-011 does not mention digit 5 with an item in scope [PHAM_VI 1]; until a text does, the stated ratio applies.
    digit_5_ignores_ratios: bool = False
    hospital_amount_mode: HospitalAmountMode = HospitalAmountMode.STANDARD
    other_funds_mode: OtherFundsMode = OtherFundsMode.TO_PATIENT
    supply_package_cap: SupplyPackageCap = SupplyPackageCap.COVERED_COST
    package_limit_exempt_digits: str = ""  # B-073: digits of cards without package limit, e.g. "15"; unverified
    stent_ceiling_percents: str = "100;50"  # B-071: of the ceiling, stent by stent; unverified beyond the second
    copay_crossing: CopayCrossing = CopayCrossing.LINE
    out_of_route_exemption: OutOfRouteExemption = OutOfRouteExemption.EXCLUDED  # B-025: Law 46/2014 excludes by name
    same_day_return: SameDayReturn = SameDayReturn.WARN  # D-010: known only from a public program; changes no price

    def __post_init__(self) -> None:
        _percentage(self.unstated_route_percent, "unstated_route_percent")
        exempt = self.package_limit_exempt_digits
        if not set(exempt) <= set("12345") or len(set(exempt)) < len(exempt):
            raise InvalidValue("benefit digits are 1 to 5, each once", field="package_limit_exempt_digits")
        shares = self.stent_ceiling_percents.split(";")
        if len(shares) > _STENTS_MAX:
            raise InvalidValue(f"at most {_STENTS_MAX} stents have a share each", field="stent_ceiling_percents")
        for share in shares:
            if not _PERCENTAGE.fullmatch(share):
                raise InvalidValue("percentages with semicolons between are expected", field="stent_ceiling_percents")
            _percentage(Decimal(share), "stent_ceiling_percents")


def _percentage(value: Decimal, name: str) -> None:
    if not value.is_finite() or not 0 <= value <= 100:
        raise InvalidValue("a percentage is from 0 to 100", field=name)

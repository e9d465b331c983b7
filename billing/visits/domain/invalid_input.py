"""Invalid inputs: each is refused with its own code, which is also its finding code.

InvalidValue
└── InvalidInput
    ├── BenefitDigitUnknown         a card of digit 7
    ├── DischargeBeforeAdmission    a visit that ends before it begins
    ├── RatioOutOfRange             a ratio of 130
    └── CardsOverlap                one card code with two periods that overlap

A quantity of 0 is not refused: beds of a day with transfers have it (B-064); for other items it is listed
(`quantity-zero`).
"""

from typing import ClassVar

from billing.core.errors import InvalidValue
from billing.visits.domain.finding import FindingCode


class InvalidInput(InvalidValue):
    """A value that no visit can have; `finding` is its finding code."""

    finding: ClassVar[FindingCode] = FindingCode.VALUE_INVALID


class BenefitDigitUnknown(InvalidInput):
    """A card whose benefit digit is not 1 … 5 (B-010)."""

    code = "benefit_digit_unknown"
    finding = FindingCode.BENEFIT_DIGIT_UNKNOWN


class DischargeBeforeAdmission(InvalidInput):
    """NGAY_RA before NGAY_VAO."""

    code = "discharge_before_admission"
    finding = FindingCode.DISCHARGE_BEFORE_ADMISSION


class RatioOutOfRange(InvalidInput):
    """A ratio that is not a whole percent from 0 to 100."""

    code = "ratio_out_of_range"
    finding = FindingCode.RATIO_OUT_OF_RANGE


class CardsOverlap(InvalidInput):
    """One card code with two different periods that overlap: the valid period is not known."""

    code = "cards_overlap"
    finding = FindingCode.CARDS_OVERLAP

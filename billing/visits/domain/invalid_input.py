"""Inputs that cannot be: each refused with a code of its own, and with the same word as a finding.

InvalidValue
└── InvalidInput
    ├── BenefitDigitUnknown         a card of digit 7
    ├── DischargeBeforeAdmission    a visit that ends before it begins
    ├── RatioOutOfRange             a ratio of 130
    └── CardsOverlap                one card code told with two periods that overlap

A quantity of 0 is no refusal: beds of a day with transfers have it (B-064), and elsewhere it is listed
(`quantity-zero`).
"""

from typing import ClassVar

from billing.core.errors import InvalidValue
from billing.visits.domain.finding import FindingCode


class InvalidInput(InvalidValue):
    """A value no visit can have; `finding` is the code it is listed under."""

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
    """One card code with two different periods that overlap: nobody knows which one holds."""

    code = "cards_overlap"
    finding = FindingCode.CARDS_OVERLAP

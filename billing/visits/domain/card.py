"""An insurance card or its substitute: insured group, benefit digit and validity.

Children without a card, newborns and people with a temporary code of the portal are insured as well: their insured
group, benefit digit and days are supplied, with any code or none.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime

from billing.core.errors import InvalidValue
from billing.visits.domain.invalid_input import BenefitDigitUnknown

_FULL_CODE = re.compile(r"[A-Z]{2}[1-5][0-9]{2}[0-9A-Z]{10}")
_OTHER_DIGIT = re.compile(r"[A-Z]{2}[0-9][0-9]{2}[0-9A-Z]{10}")
_OTHER_CODE = re.compile(r"[0-9A-Z]{0,30}")
_ENTITLEMENT = re.compile(r"[A-Z]{2}[1-5]")
_PERSONAL_LENGTH = 10


@dataclass(frozen=True, slots=True)
class Card:
    """One entitlement, valid on both named days and between them.

    A full code contains its group and digit; a temporary one has letters among its last ten characters. With any other
    code, or none, `entitlement` states both (`TE1`). `shown_at` is the time it was shown, None for the beginning.
    Source: docs/reference/bhyt.md, rules B-001, B-002 (15 characters; the third is the benefit digit), B-003, B-016.
    """

    code: str
    valid_from: date
    valid_to: date | None
    entitlement: str = ""
    shown_at: datetime | None = None

    def __post_init__(self) -> None:
        if not _FULL_CODE.fullmatch(self.code):
            if _OTHER_DIGIT.fullmatch(self.code):
                raise BenefitDigitUnknown("a benefit digit is 1 to 5 (B-010)", field="MA_THE_BHYT")
            if not self.entitlement or not _OTHER_CODE.fullmatch(self.code):
                detail = "a card code has 2 letters, a digit 1–5 and 12 digits (B-001); else group and digit are needed"
                raise InvalidValue(detail, field="MA_THE_BHYT")
        if self.entitlement and not _ENTITLEMENT.fullmatch(self.entitlement):
            if re.fullmatch(r"[A-Z]{2}[0-9]", self.entitlement):
                raise BenefitDigitUnknown("a benefit digit is 1 to 5 (B-010)", field="entitlement")
            raise InvalidValue("an entitlement has 2 letters and a digit 1–5", field="entitlement")
        if self.entitlement and _FULL_CODE.fullmatch(self.code) and self.code[:3] != self.entitlement:
            raise InvalidValue("the card code has another group or digit", field="entitlement")
        if self.valid_to is not None and self.valid_to < self.valid_from:
            raise InvalidValue("a card ends before it begins", field="GT_THE_DEN")
        if self.shown_at is not None and self.shown_at.tzinfo is None:
            raise InvalidValue("shown_at must carry a time zone", field="shown_at")

    @property
    def group(self) -> str:
        """Group and digit together, e.g. `DN4`."""
        return self.entitlement or self.code[:3]

    @property
    def category_code(self) -> str:
        """The two letters of the insured group, e.g. `DN`."""
        return self.group[:2]

    @property
    def benefit_digit(self) -> str:
        """The benefit digit `1` … `5` (B-010)."""
        return self.group[2]

    @property
    def is_full(self) -> bool:
        """Whether the code has the 15 characters that contain group and digit."""
        return _FULL_CODE.fullmatch(self.code) is not None

    def without_person(self) -> str:
        """The code with its personal digits blanked; empty for a code of another shape."""
        return self.code[:-_PERSONAL_LENGTH] + "0" * _PERSONAL_LENGTH if self.is_full else ""

    def conflicts_with(self, other: "Card") -> bool:
        """Whether both are one card with overlapping periods; codes without personal digits may be several cards."""
        if self.code != other.code or not self.is_full or self.code == self.without_person():
            return False
        periods = {(self.valid_from, self.valid_to), (other.valid_from, other.valid_to)}
        return len(periods) > 1 and self.overlaps(other)

    def covers(self, day: date) -> bool:
        return self.valid_from <= day and (self.valid_to is None or day <= self.valid_to)

    def overlaps(self, other: "Card") -> bool:
        """Whether both are valid on some day."""
        return (self.valid_to is None or other.valid_from <= self.valid_to) and (
            other.valid_to is None or self.valid_from <= other.valid_to
        )

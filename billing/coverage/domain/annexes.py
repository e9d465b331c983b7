"""Disease annexes I, II and III of Circular 01/2025/TT-BYT as data, and whether they list a disease (B-046).

Each installation imports the rows: our sources describe the annexes but do not reproduce them.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from billing.core.errors import InvalidValue

_CODE = re.compile(r"[A-Z][0-9]{2}(\.[0-9]{1,2})?")


class Annex(StrEnum):
    """I: specialised facilities (code 1.17). II: basic facilities (1.16). III: referral paper for one year (B-047)."""

    FIRST = "I"
    SECOND = "II"
    THIRD = "III"


@dataclass(frozen=True, slots=True)
class CodeRange:
    """ICD-10 codes from `first` to `last`, both with all their subcodes: C00–C97 includes C97.9.

    Raises InvalidValue for a text that is no ICD-10 code, or a range that ends before it begins.
    """

    first: str
    last: str

    def __post_init__(self) -> None:
        for code in (self.first, self.last):
            if not _CODE.fullmatch(code):
                raise InvalidValue(f"{code} is not an ICD-10 code", field="codes")
        if self.last < self.first:
            raise InvalidValue(f"{self.first}-{self.last} ends before it begins", field="codes")

    def includes(self, code: str) -> bool:
        return self.first <= code and (code <= self.last or code.startswith(self.last))


@dataclass(frozen=True, slots=True, kw_only=True)
class DiseaseRow:
    """One row of an annex; `until` is inclusive, None while in force. `under_age` limits it to younger patients."""

    annex: Annex
    codes: tuple[CodeRange, ...]
    excepted: tuple[CodeRange, ...] = ()
    under_age: int | None = None
    since: date
    until: date | None = None
    name: str = ""

    def __post_init__(self) -> None:
        if not self.codes:
            raise InvalidValue("a row of an annex names at least one code", field="codes")
        if self.until is not None and self.until < self.since:
            raise InvalidValue("a row ends before it begins", field="until")

    def includes(self, disease: str, *, age: int | None, day: date) -> bool | None:
        """Whether the row includes a disease on a day; None where only the age decides and it is not known."""
        if day < self.since or (self.until is not None and day > self.until):
            return False
        if not any(codes.includes(disease) for codes in self.codes):
            return False
        if any(codes.includes(disease) for codes in self.excepted):
            return False
        if self.under_age is None:
            return True
        return None if age is None else age < self.under_age


@dataclass(frozen=True, slots=True)
class Annexes:
    """All imported rows. An annex without rows is unknown, not empty."""

    rows: tuple[DiseaseRow, ...] = ()

    def lists(self, annex: Annex, disease: str | None, *, age: int | None, day: date) -> bool | None:
        """Whether an annex lists a disease; None where the annex, the disease or a deciding age is not known.

        Three-character codes include all their four-character codes. Source: Circular 01/2025/TT-BYT Art. 5 (B-046).
        """
        own = [row for row in self.rows if row.annex is annex]
        if not own or not disease:
            return None
        return any_of(row.includes(disease, age=age, day=day) for row in own)


NO_ANNEXES = Annexes()


def any_of(answers: Iterable[bool | None]) -> bool | None:
    """True if any is; else None if any is not known; else False."""
    given = set(answers)
    return True if True in given else None if None in given else False


def all_of(answers: Iterable[bool | None]) -> bool | None:
    """False if any is; else None if any is not known; else True."""
    given = set(answers)
    return False if False in given else None if None in given else True

"""A finding: a named defect or difference that a reader or a comparison detected in supplied data.

A finding either refuses its visit or is only listed with it; a refused visit does not stop the others. The codes are
stable values of our API. Source: reference of the claim data standard, section "Variants seen in the wild"; the codes
after `envelope-absent` and `file-not-wellformed` are ours.
"""

from dataclasses import dataclass
from enum import StrEnum


class FindingCode(StrEnum):
    """The code of a finding. The first group refuses a visit or a whole file; the second is listed only."""

    DTD_FORBIDDEN = "dtd-forbidden"
    STANDARD_4210 = "standard-4210"
    BASE64_DAMAGED = "base64-damaged"
    TABLE_NOT_WELLFORMED = "table-not-wellformed"
    XML1_MISSING = "xml1-missing"
    TABLE_UNKNOWN = "table-unknown"
    MA_LK_MISMATCH = "ma-lk-mismatch"
    DATE_UNREADABLE = "date-unreadable"
    NUMBER_AMBIGUOUS = "number-ambiguous"
    CODE_UNKNOWN = "code-unknown"
    FILE_NOT_WELLFORMED = "file-not-wellformed"
    FILE_UNREADABLE = "file-unreadable"
    FILE_TOO_LARGE = "file-too-large"
    VALUE_INVALID = "value-invalid"
    NOT_SUPPORTED = "not-supported"
    BENEFIT_DIGIT_UNKNOWN = "benefit-digit-unknown"
    DISCHARGE_BEFORE_ADMISSION = "discharge-before-admission"
    RATIO_OUT_OF_RANGE = "ratio-out-of-range"
    CARDS_OVERLAP = "cards-overlap"

    TOTALS_DIFFER = "totals-differ"
    HOSO_COUNT_DIFFERS = "hoso-count-differs"
    CODE_ZERO_LOST = "code-zero-lost"
    FUNDS_DIFFER = "funds-differ"
    LEVEL_ROUNDED = "level-rounded"
    TABLE_DUPLICATE = "table-duplicate"
    NUMBER_NORMALISED = "number-normalised"
    FORMAT_DIFFERS = "format-differs"
    TEXT_GARBLED = "text-garbled"
    ENVELOPE_ABSENT = "envelope-absent"
    SCOPE_DIFFERS = "scope-differs"
    AMOUNT_DIFFERS = "amount-differs"
    FIELD_MISSING = "field-missing"
    RULE_DIFFERS = "rule-differs"
    FACT_LACKING = "fact-lacking"
    CLAIM_DUE = "claim-due"
    QUANTITY_ZERO = "quantity-zero"


LISTED_CODES = frozenset(
    {
        FindingCode.TOTALS_DIFFER,
        FindingCode.HOSO_COUNT_DIFFERS,
        FindingCode.CODE_ZERO_LOST,
        FindingCode.FUNDS_DIFFER,
        FindingCode.LEVEL_ROUNDED,
        FindingCode.TABLE_DUPLICATE,
        FindingCode.NUMBER_NORMALISED,
        FindingCode.FORMAT_DIFFERS,
        FindingCode.TEXT_GARBLED,
        FindingCode.ENVELOPE_ABSENT,
        FindingCode.SCOPE_DIFFERS,
        FindingCode.AMOUNT_DIFFERS,
        FindingCode.FIELD_MISSING,
        FindingCode.RULE_DIFFERS,
        FindingCode.FACT_LACKING,
        FindingCode.CLAIM_DUE,
        FindingCode.QUANTITY_ZERO,
    }
)
"""Codes that never refuse by themselves; `Finding.refuses` implements the one exception."""

PRICED_TABLES = frozenset({"XML1", "XML2", "XML3"})
"""The tables that a price is computed from; the other tables of a claim file are only passed on."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding with its place in the file.

    `hoso` counts the visits of a file from 1 and is None for the whole file; `stt` is the number of a line in its
    table, `line` the line of text with an XML fault. `found` and `expected` are values as text; fields that do not
    apply are empty or None. `found` may hold personal data: show it to the sender, never log it.
    """

    code: FindingCode
    file: str
    hoso: int | None
    ma_lk: str
    table: str
    stt: int | None
    field: str
    found: str
    expected: str
    line: int | None = None

    @property
    def refuses(self) -> bool:
        """Whether the visit (or, with `hoso` None, its file or set) is not read because of this finding.

        `table-unknown` and `ma-lk-mismatch` refuse only in tables with amounts (XML1–XML3); `table-duplicate` is listed
        when the lines can be joined or the second XML1 is empty (its field is NOIDUNGFILE), and refuses a second XML1
        with content and a repeated line number.
        """
        if self.code in {FindingCode.TABLE_UNKNOWN, FindingCode.MA_LK_MISMATCH}:
            return self.table in PRICED_TABLES or self.hoso is None
        if self.code is FindingCode.TABLE_DUPLICATE:
            return (self.table == "XML1" and self.field != "NOIDUNGFILE") or self.stt is not None
        return self.code not in LISTED_CODES

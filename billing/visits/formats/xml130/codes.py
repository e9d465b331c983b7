"""Coded fields of the claim data standard: the valid codes, lost leading zeros, and the cards of a visit.

Source: Decision 1804/QĐ-BYT of 2026-06-19 (MA_LOAI_KCB), Decision 3276/QĐ-BYT annex 1 (MA_DOITUONG_KCB), Decision
5937/QĐ-BYT annex 3 with the names of the 4210 era (MA_NHOM), rule B-001 (cards).
"""

import re
from collections.abc import Collection

from billing.core.errors import InvalidValue
from billing.visits.domain.card import Card
from billing.visits.domain.finding import FindingCode
from billing.visits.formats.xml130.findings import FindingLog
from billing.visits.formats.xml130.tables import Row
from billing.visits.formats.xml130.timestamps import read_day

CARE_KINDS = frozenset(f"{kind:02}" for kind in range(1, 17))
CATEGORY_CODES = frozenset(
    {
        *(f"1.{case}" for case in (1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 14, 15, 16, 17, 18)),
        *("2", "3.1", "3.2", "3.3", "3.6", "7", "7.2", "7.3", "7.4", "8", "9", "10"),
    }
)
"""As exact text: 1.10 is not 1.1."""

GROUPS = frozenset(range(1, 20))
PAYING_SOURCES = frozenset("1234")
PAYMENT_METHODS = frozenset("123")

_CARD_CODE = re.compile(r"[A-Z]{2}[1-5][0-9]{2}[0-9A-Z]{10}")
_CARD_CODE_OF_OTHER_DIGIT = re.compile(r"[A-Z]{2}[0-9]{3}[0-9A-Z]{10}")
_CARD_FILLERS = re.compile(r"[\s-]+")
_FACILITY_CODE = re.compile(r"[0-9A-Z]{5}")
_DIGITS = re.compile(r"[0-9]+")


def read_code(row: Row, field: str, known: Collection[str], log: FindingLog, *, default: str = "") -> str:
    """A code of a list, its exact text; `default` where the field has no value. Logs `code-unknown`."""
    code = row.text(field) or default
    if code not in known:
        log.add(FindingCode.CODE_UNKNOWN, field=field, found=code, expected="a code of the list")
    return code


def read_padded_code(row: Row, field: str, known: Collection[str], width: int, log: FindingLog) -> str:
    """A code of fixed width that may have lost its leading zeros (`code-zero-lost`), else `code-unknown`."""
    code = row.text(field)
    padded = code.zfill(width)
    if code not in known and _DIGITS.fullmatch(code) and padded in known:
        log.add(FindingCode.CODE_ZERO_LOST, field=field, found=code, expected=padded)
        return padded
    return read_code(row, field, known, log)


def read_facility(row: Row, stated: str, log: FindingLog) -> str:
    """MA_CSKCB, five characters; lost zeros are restored only if the result is the MACSKCB of the envelope."""
    code = row.text("MA_CSKCB")
    if _FACILITY_CODE.fullmatch(code):
        return code
    return read_padded_code(row, "MA_CSKCB", {stated} if _FACILITY_CODE.fullmatch(stated) else (), 5, log)


def note_lost_zeros_of_ethnic_group(row: Row, log: FindingLog) -> None:
    """List a MA_DANTOC of a single digit 1–9. The field is not part of a price and has no other check."""
    code = row.text("MA_DANTOC")
    if code in set("123456789"):
        log.add(FindingCode.CODE_ZERO_LOST, field="MA_DANTOC", found=code, expected=code.zfill(2))


def read_cards(row: Row, log: FindingLog) -> tuple[Card, ...]:
    """The cards of a visit: MA_THE_BHYT, MA_DKBD, GT_THE_TU, GT_THE_DEN joined by ";" in step.

    Temporary codes of the portal (children without a card, newborns) have letters among the last ten characters. No
    code means an uninsured visit. GT_THE_DEN may be absent (cards without an end), MA_DKBD too.
    """
    codes = _listed(row, "MA_THE_BHYT")
    starts = _listed(row, "GT_THE_TU")
    ends = _listed(row, "GT_THE_DEN") or [""] * len(codes)
    facilities = _listed(row, "MA_DKBD") or [""] * len(codes)
    for field, values in (("GT_THE_TU", starts), ("GT_THE_DEN", ends), ("MA_DKBD", facilities)):
        if len(values) != len(codes):
            log.add(FindingCode.CODE_UNKNOWN, field=field, found=row.text(field), expected=f"{len(codes)} values")
            return ()
    cards = [_card(*values, log) for values in zip(codes, starts, ends, strict=True)]
    return tuple(card for card in cards if card is not None)


def _listed(row: Row, field: str) -> list[str]:
    values = [value.strip() for value in row.text(field).split(";")]
    while values and not values[-1]:
        values.pop()
    while values and not values[0]:
        values.pop(0)
    return values


def _card(written: str, start: str, end: str, log: FindingLog) -> Card | None:
    code = _CARD_FILLERS.sub("", written)
    if not _CARD_CODE.fullmatch(code):
        expected = "2 letters, a digit 1–5 and 12 digits, or a temporary code"
        has_other_digit = _CARD_CODE_OF_OTHER_DIGIT.fullmatch(code)
        finding = FindingCode.BENEFIT_DIGIT_UNKNOWN if has_other_digit else FindingCode.CODE_UNKNOWN
        log.add(finding, field="MA_THE_BHYT", found=written, expected=expected)
        return None
    valid_from, valid_to = read_day(start), read_day(end) if end else None
    for field, text, day in (("GT_THE_TU", start, valid_from), ("GT_THE_DEN", end, valid_to)):
        if text and day is None:
            log.add(FindingCode.DATE_UNREADABLE, field=field, found=text, expected="yyyymmdd")
    if valid_from is None or (end and valid_to is None):
        if not start:
            log.add(FindingCode.DATE_UNREADABLE, field="GT_THE_TU", expected="yyyymmdd")
        return None
    try:
        return Card(code, valid_from, valid_to)
    except InvalidValue as refusal:
        log.add(FindingCode.VALUE_INVALID, field=refusal.field or "", found=end, expected=refusal.detail)
        return None

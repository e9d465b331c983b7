"""Read rows of the gateway's co-payment query (`DataCCT` of TraCuuTienMCCT) into a history of co-payments.

Each row contains the sum of the year up to and including itself [tBNCCTLuyKe]: rows are differenced, never added. The
gateway lists the newest discharge first; this module ignores the order of the rows.
Source: letter 1839/CNTT-PM of 2026-08-18; docs/reference/hospital-money.md, section 2.2 (B-029).
"""

import re
from collections.abc import Sequence
from datetime import date, datetime

from billing.core.clock import VIETNAM
from billing.core.errors import InvalidValue
from billing.visits.domain.copay_history import CopayPaid, CumulativeCopay, difference
from billing.visits.domain.finding import FindingCode
from billing.visits.formats.json_fields import Fields, InvalidField

CUMULATIVE = "tBNCCTLuyKe"
_COUNTED = "tBNCCTMCCT"
_DISCHARGED = "ngayRa"
GATEWAY_KEYS_READ = frozenset({"Id", _DISCHARGED, CUMULATIVE, _COUNTED})
GATEWAY_KEYS = GATEWAY_KEYS_READ | {
    *("ngayTraCuu", "maThe", "maCskcb", "ngayVao", "maDoiTuongKCB", "ngayNhanCong", "ngayNhan")
}
"""The keys of a row of `DataCCT`, and those of them that are read."""

_DIGITS = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})((?:[0-9]{4}){0,1}(?:[0-9]{2}){0,1})")
_ISO = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})(?:[ T]([0-9:.]+))?")
_VIETNAMESE = re.compile(r"([0-9]{2})/([0-9]{2})/([0-9]{4})(?: ([0-9:]+))?")


def read_gateway_rows(rows: Sequence[Fields]) -> tuple[CopayPaid, ...]:
    """The co-payment that each row adds, by day of discharge. Raises InvalidValue; `field` is the path of the fault.

    A row of `{date, amount}` among them is refused: it is not a cumulative sum. Each row counts once, also where the
    answers of several queries were joined.
    """
    read: dict[tuple[str, str], CumulativeCopay] = {}
    for row in rows:
        row.refuse_other_keys(GATEWAY_KEYS)
        day, order = _discharge(row)
        counted = row.number(_COUNTED, decimals_max=2) if row.has(_COUNTED) else None
        accumulated = row.number(CUMULATIVE, decimals_max=2)
        name = row.text("Id", default="") or f"{order} {accumulated}"
        read[day.isoformat(), name] = CumulativeCopay(
            discharged_on=day, order=order, accumulated=accumulated, counted=counted
        )
    try:
        return difference(read.values())
    except InvalidValue as refusal:
        raise InvalidField(rows[0].path, refusal.detail) from refusal


def _in_vietnam(text: str) -> str:
    """Convert a UTC time to Vietnam time: at the end of a year the day decides in which year it counts."""
    if not text.endswith("Z"):
        return text
    try:
        return datetime.fromisoformat(text).astimezone(VIETNAM).strftime("%Y-%m-%dT%H:%M:%S")
    except ValueError:
        return text


def _discharge(row: Fields) -> tuple[date, str]:
    """The day of ngayRa and a text that sorts by time: digits from the year on, ISO, or dd/mm/yyyy."""
    text = _in_vietnam(row.text(_DISCHARGED).strip())
    found = _DIGITS.fullmatch(text) or _ISO.fullmatch(text)
    if found is not None:
        year, month, day, time = found.groups()
    elif (vietnamese := _VIETNAMESE.fullmatch(text)) is not None:
        day, month, year, time = vietnamese.groups()
    else:
        year, month, day, time = "", "", "", ""
    try:
        return date(int(year), int(month), int(day)), re.sub(r"[^0-9]", "", time or "")
    except ValueError as cause:
        expected = "a day of discharge as yyyymmddHHMM, yyyy-mm-dd or dd/mm/yyyy is expected"
        raise InvalidField(row.at(_DISCHARGED), expected, found=text, finding=FindingCode.DATE_UNREADABLE) from cause

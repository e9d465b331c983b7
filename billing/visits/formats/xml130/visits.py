"""Convert the rows of one visit to a `Visit`: join XML1 with its lines and check that they belong together."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, time

from billing.core.errors import InvalidValue
from billing.core.text import compose, is_garbled
from billing.visits.domain.finding import FindingCode
from billing.visits.domain.invalid_input import InvalidInput
from billing.visits.domain.visit import ChargeItem, Patient, Visit
from billing.visits.formats.xml130.charge_items import read_charge_item, read_stt
from billing.visits.formats.xml130.codes import (
    CARE_KINDS,
    CATEGORY_CODES,
    note_lost_zeros_of_ethnic_group,
    read_cards,
    read_code,
    read_facility,
    read_padded_code,
)
from billing.visits.formats.xml130.findings import FindingLog
from billing.visits.formats.xml130.stated_sums import read_totals, report_rounded_level
from billing.visits.formats.xml130.table_names import LINE_OF_TABLE, XML1
from billing.visits.formats.xml130.tables import Row
from billing.visits.formats.xml130.timestamps import is_birth, parse_timestamp

_TIMESTAMPS = ("NGAY_VAO", "NGAY_VAO_NOI_TRU", "NGAY_RA", "NGAY_TTOAN", "NGAY_MIEN_CCT", "NAM_NAM_LIEN_TUC")


def key_of(rows: Iterable[Row]) -> str:
    """MA_LK of a visit: of XML1, else of the first row that has one; empty if none has."""
    ordered = sorted(rows, key=lambda row: row.table)
    return next((row.text("MA_LK") for row in ordered if row.text("MA_LK")), "")


def read_visit(rows: Sequence[Row], facility: str, log: FindingLog) -> Visit | None:
    """The visit of these rows, or None with findings that refuse it.

    `facility` is the MACSKCB of the envelope, empty where there is none.
    """
    if any(finding.code is FindingCode.STANDARD_4210 for finding in log.findings):
        return None
    summaries = [row for row in rows if row.table == XML1]
    lines = [row for row in rows if row.table in LINE_OF_TABLE]
    if not summaries:
        if not log.refuses:
            log.at_table(XML1).add(FindingCode.XML1_MISSING, field="LOAIHOSO", expected=XML1)
        return None
    if len(summaries) > 1:
        log.at_table(XML1).add(FindingCode.TABLE_DUPLICATE, field="LOAIHOSO", found=f"{len(summaries)} XML1")
        return None
    summary = summaries[0]
    _check_keys(summary, rows, log)
    _check_line_numbers(lines, log)
    items = [item for row in lines if (item := read_charge_item(row, log)) is not None]
    items.sort(key=lambda item: (item.number, item.table))
    for item in items:
        report_rounded_level(item, log)
    return _visit(summary, tuple(items), facility, log)


def _check_keys(summary: Row, rows: Sequence[Row], log: FindingLog) -> None:
    """Every line must have the MA_LK of XML1; one finding for each different MA_LK of a table."""
    own = summary.text("MA_LK")
    seen: set[tuple[str, str]] = set()
    for row in rows:
        key = row.text("MA_LK")
        is_foreign = key != own and (key or row.table in LINE_OF_TABLE)
        if is_foreign and (row.table, key) not in seen:
            seen.add((row.table, key))
            line_log = log.at_line(row.table, read_stt(row))
            line_log.add(FindingCode.MA_LK_MISMATCH, field="MA_LK", found=key, expected=own)


def _check_line_numbers(lines: Sequence[Row], log: FindingLog) -> None:
    """Table and STT identify a line; two blocks of a table are joined if the STT remain unique."""
    for table in LINE_OF_TABLE:
        own = [row for row in lines if row.table == table]
        blocks = {row.block for row in own}
        if len(blocks) > 1:
            log.at_table(table).add(FindingCode.TABLE_DUPLICATE, field="LOAIHOSO", found=f"{len(blocks)} {table}")
        counted = Counter(number for row in own if (number := read_stt(row)) is not None)
        for number in (number for number, count in counted.items() if count > 1):
            code = FindingCode.TABLE_DUPLICATE if len(blocks) > 1 else FindingCode.VALUE_INVALID
            expected = "a line number once in its table"
            log.at_line(table, number).add(code, field="STT", found=str(number), expected=expected)


def _visit(row: Row, items: tuple[ChargeItem, ...], facility: str, outer: FindingLog) -> Visit | None:
    log = outer.at_table(XML1)
    facility_code = read_facility(row, facility, log)
    care_kind = read_padded_code(row, "MA_LOAI_KCB", CARE_KINDS, 2, log)
    category_code = read_code(row, "MA_DOITUONG_KCB", CATEGORY_CODES, log)
    note_lost_zeros_of_ethnic_group(row, log)
    if is_garbled(row.text("HO_TEN")):
        log.add(FindingCode.TEXT_GARBLED, field="HO_TEN", found=row.text("HO_TEN"), expected="a name in UTF-8")
    timestamps = _timestamps(row, log)
    cards = read_cards(row, log)
    if log.refuses:
        return None
    totals = read_totals(row, items, cards, log)
    admitted_at = timestamps["NGAY_VAO"]
    assert admitted_at is not None, "a missing NGAY_VAO was noted"
    try:
        return Visit(
            ma_lk=row.text("MA_LK"),
            facility_code=facility_code,
            care_kind=care_kind,
            category_code=category_code,
            admitted_at=admitted_at,
            discharged_at=_discharged_at(admitted_at, timestamps["NGAY_RA"]),
            cards=cards,
            items=items,
            exempt_from=timestamps["NGAY_MIEN_CCT"],
            patient=_patient(row),
            stated=totals,
        )
    except InvalidValue as refusal:
        field = refusal.field or ""
        code = refusal.finding if isinstance(refusal, InvalidInput) else FindingCode.VALUE_INVALID
        log.add(code, field=field, found=row.text(field), expected=refusal.detail)
        return None


def _timestamps(row: Row, log: FindingLog) -> dict[str, datetime | None]:
    timestamps = {field: parse_timestamp(row.text(field)) for field in _TIMESTAMPS}
    for field, timestamp in timestamps.items():
        text = row.text(field)
        if timestamp is None and (text or field == "NGAY_VAO"):
            log.add(FindingCode.DATE_UNREADABLE, field=field, found=text, expected="yyyymmddHHMM")
    birth = row.text("NGAY_SINH")
    if birth and not is_birth(birth):
        log.add(FindingCode.DATE_UNREADABLE, field="NGAY_SINH", found=birth, expected="yyyymmddHHMM")
    return timestamps


def _discharged_at(admitted_at: datetime, written: datetime | None) -> datetime | None:
    """NGAY_RA; a discharge of unknown time (0000) on the day of admission is not before the admission."""
    if written is not None and written.time() == time() and written.date() == admitted_at.date():
        return admitted_at
    return written


def _patient(row: Row) -> Patient:
    return Patient(
        name=compose(row.text("HO_TEN")),
        birth=row.text("NGAY_SINH"),
        sex=row.text("GIOI_TINH"),
        citizen_number=row.text("SO_CCCD"),
        hospital_number=row.text("MA_BN"),
        address=compose(row.text("DIA_CHI")),
        phone=row.text("DIEN_THOAI"),
    )

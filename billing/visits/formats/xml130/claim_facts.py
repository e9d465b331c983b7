"""Facts in the rows of a claim file that are not prices: papers, disease, way of leaving, teams and times of lines.

Source: field lists of tables 1–3 of Decision 130/QĐ-BYT as amended by 4750/QĐ-BYT and 3176/QĐ-BYT.
"""

from collections.abc import Sequence
from datetime import date

from billing.core.text import LOOK_LIKE_LATIN, compose
from billing.visits.domain.facts import LineFacts, LineKey, VisitFacts
from billing.visits.domain.visit import Table
from billing.visits.formats.xml130.charge_items import read_stt
from billing.visits.formats.xml130.table_names import LINE_OF_TABLE, XML1
from billing.visits.formats.xml130.tables import Row
from billing.visits.formats.xml130.timestamps import parse_timestamp, read_day

_DAY_LENGTH = 8
_MARKS = "†*+ "


def read_facts(rows: Sequence[Row]) -> VisitFacts:
    """The facts of the visit of these rows.

    GIAY_CHUYEN_TUYEN is the number of a referral or of an appointment: with MA_NOI_DI it is a referral, and without
    either there is none. No field states whether the patient came as an emergency.
    """
    summary = next((row for row in rows if row.table == XML1), Row(XML1, 0, {}))
    paper, sender = summary.text("GIAY_CHUYEN_TUYEN"), summary.text("MA_NOI_DI")
    return VisitFacts(
        birth=read_birth_day(summary.text("NGAY_SINH")),
        disease=read_disease(summary.text("MA_BENH_CHINH")),
        registered_facilities=read_facilities(summary.text("MA_DKBD")),
        region=summary.text("MA_KHUVUC"),
        referred_from=sender,
        paper_number=paper,
        has_referral=bool(sender) or (None if paper else False),
        has_appointment=False if sender or not paper else None,
        admitted_to_ward_at=parse_timestamp(summary.text("NGAY_VAO_NOI_TRU")),
        outcome=summary.text("KET_QUA_DTRI"),
        leaving=summary.text("MA_LOAI_RV"),
        lines=_lines(rows),
    )


def read_birth_day(text: str) -> date | None:
    """The day of birth; None where only the year is known."""
    return read_day(text) if text[4:_DAY_LENGTH] != "0000" else None


def read_disease(text: str) -> str | None:
    """The first ICD-10 code of a field, without dagger or star; None where there is none."""
    return compose(text).translate(LOOK_LIKE_LATIN).partition(";")[0].upper().strip(_MARKS) or None


def read_facilities(text: str) -> tuple[str, ...] | None:
    """Registered facilities, separated by ";"; None where none is stated."""
    return tuple(code.strip() for code in text.split(";") if code.strip()) or None


def _lines(rows: Sequence[Row]) -> dict[LineKey, LineFacts]:
    facts: dict[LineKey, LineFacts] = {}
    for row in rows:
        stt = read_stt(row) if row.table in LINE_OF_TABLE else None
        if stt is not None:
            facts[(Table(row.table), stt)] = LineFacts(
                service_code=row.text("MA_DICH_VU"),
                performed_at=parse_timestamp(row.text("NGAY_TH_YL")),
                result_at=parse_timestamp(row.text("NGAY_KQ")),
                performers=frozenset(name.strip() for name in row.text("NGUOI_THUC_HIEN").split(";") if name.strip()),
                is_reused=row.text("TAI_SU_DUNG") == "1",
            )
    return facts

"""Required fields of a claim in tables 1–3; one finding per missing field, naming its lines.

The XSD of the gateway states the fields that it requires; it was not read. Fields that identify the patient, the cost
and its time are required here, the others are not checked.
Source: field lists of Decisions 130/QĐ-BYT, 4750/QĐ-BYT, 3176/QĐ-BYT.
"""

from collections.abc import Iterable, Iterator, Sequence

from billing.claims.domain.claim import Claim, ClaimFinding, Severity
from billing.coverage.domain.price_result import AppliedRule
from billing.visits.domain.finding import FindingCode
from billing.visits.formats.xml130.table_names import LINE_OF_TABLE, XML1
from billing.visits.formats.xml130.tables import Row

_ALWAYS = (
    *("MA_BN", "HO_TEN", "NGAY_SINH", "GIOI_TINH", "DIA_CHI", "LY_DO_VV", "CHAN_DOAN_VAO", "MA_DOITUONG_KCB"),
    *("NGAY_VAO", "MA_LOAI_KCB", "MA_KHOA", "MA_CSKCB"),
)
_AT_THE_END = ("CHAN_DOAN_RV", "MA_BENH_CHINH", "NGAY_RA", "KET_QUA_DTRI", "MA_LOAI_RV", "NAM_QT", "THANG_QT")
_OF_CARD = ("MA_THE_BHYT", "MA_DKBD", "GT_THE_TU", "GT_THE_DEN")
_TOTALS = ("T_THUOC", "T_VTYT", "T_TONGCHI_BV", "T_TONGCHI_BH", "T_BNTT", "T_BNCCT", "T_BHTT", "T_NGUONKHAC")
_OF_EVERY_LINE = ("MA_NHOM", "PHAM_VI", "TYLE_TT_BH", "SO_LUONG", "MA_KHOA", "MA_BAC_SI", "NGAY_YL", "MA_PTTT")
_OF_LINE = {
    "XML2": ("MA_THUOC", "TEN_THUOC", "DON_VI_TINH", "DON_GIA", *_OF_EVERY_LINE),
    "XML3": ("DON_GIA_BV", "DON_GIA_BH", "TYLE_TT_DV", *_OF_EVERY_LINE),
}
_AMOUNTS = ("MUC_HUONG", "THANH_TIEN_BV", "THANH_TIEN_BH", "T_BNTT", "T_BNCCT", "T_BHTT")
_NOT_INSURED = "9"
_REFERRED = "1.3"
_INPATIENT = "03"
_LINES_SHOWN_MAX = 20


def check_fields(claim: Claim, rows: Sequence[Row], *, has_amounts: bool = True) -> Iterator[ClaimFinding]:
    """Name every missing field; a field that is due only at the end of a visit is information while the visit is open.

    `has_amounts` False where the source states no amounts because we compute them.
    """
    summary = next((row for row in rows if row.table == XML1), Row(XML1, 0, {}))
    is_open = claim.visit.discharged_at is None
    for field in _needed(claim, rows):
        if not summary.text(field):
            yield _missing(claim, XML1, field)
    for field in (*_AT_THE_END, *(_TOTALS if has_amounts else ())):
        if not summary.text(field):
            yield _due_later(claim, field) if is_open else _missing(claim, XML1, field)
    for table, fields in _OF_LINE.items():
        own = [row for row in rows if row.table == table]
        for field in (*fields, *(_AMOUNTS if has_amounts else ())):
            lines = [row.text("STT") for row in own if not row.text(field)]
            if lines:
                yield _missing(claim, table, field, lines)
    # Either a service or a supply, each with its name.
    services = [row for row in rows if row.table == "XML3"]
    for first, second in (("MA_DICH_VU", "MA_VAT_TU"), ("TEN_DICH_VU", "TEN_VAT_TU")):
        lines = [row.text("STT") for row in services if not row.text(first) and not row.text(second)]
        if lines:
            yield _missing(claim, "XML3", f"{first} / {second}", lines)


def _needed(claim: Claim, rows: Iterable[Row]) -> Iterator[str]:
    visit = claim.visit
    yield from _ALWAYS
    if visit.category_code != _NOT_INSURED:
        yield from _OF_CARD[:-1]
        if any(card.valid_to is None for card in visit.cards):
            yield _OF_CARD[-1]
    if visit.category_code == _REFERRED:
        yield from ("MA_NOI_DI", "GIAY_CHUYEN_TUYEN")
    if visit.care_kind == _INPATIENT:
        yield "NGAY_VAO_NOI_TRU"
    if not any(row.table in LINE_OF_TABLE for row in rows):
        yield "XML2 / XML3"


def _missing(claim: Claim, table: str, field: str, lines: Sequence[str] = ()) -> ClaimFinding:
    if not lines:
        reason = AppliedRule("D-001", {"field": field}, "missing")
        return claim.found(Severity.ERROR, FindingCode.FIELD_MISSING, reason, table=table, field=field)
    more = " …" if len(lines) > _LINES_SHOWN_MAX else ""
    supplied = ", ".join(lines[:_LINES_SHOWN_MAX]) + more
    reason = AppliedRule("D-001", {"field": field, "lines": supplied}, "missing_on_lines")
    return claim.found(
        Severity.ERROR, FindingCode.FIELD_MISSING, reason, table=table, field=field, found=f"STT {supplied}"
    )


def _due_later(claim: Claim, field: str) -> ClaimFinding:
    reason = AppliedRule("D-001", {"field": field}, "later")
    return claim.found(Severity.INFORMATION, FindingCode.FIELD_MISSING, reason, field=field)

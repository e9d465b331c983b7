"""Builds claim files for tests: rows of fields, tables of them, the envelope of those, in any requested shape.

Every builder starts from something correct: one consultation of 50,600 đồng and two packs of a drug at 1,500, card
`HT3` at 95 %, under the 15 % line, so the level is 100 and nothing is left to pay. Tests change only what matters.
"""

import base64
from collections.abc import Mapping, Sequence

Fields = Mapping[str, str | None]

SUMMARY = {
    "MA_LK": "LK-TEST-1",
    "STT": "1",
    "MA_BN": "BN-1",
    "HO_TEN": "TRẦN THỊ THỬ",
    "NGAY_SINH": "198501010000",
    "MA_DANTOC": "01",
    "DIA_CHI": "Số 1 phố Thử",
    "MA_THE_BHYT": "HT3791234567890",
    "MA_DKBD": "01001",
    "GT_THE_TU": "20260101",
    "GT_THE_DEN": "20271231",
    "NGAY_MIEN_CCT": "",
    "MA_DOITUONG_KCB": "1.1",
    "NGAY_VAO": "202611020800",
    "NGAY_RA": "202611021600",
    "T_THUOC": "3000",
    "T_VTYT": "0",
    "T_TONGCHI_BV": "53600",
    "T_TONGCHI_BH": "53600",
    "T_BNTT": "0",
    "T_BNCCT": "0",
    "T_BHTT": "53600",
    "T_NGUONKHAC": "0",
    "T_BHTT_GDV": "53600",
    "MA_LOAI_KCB": "01",
    "MA_CSKCB": "01001",
}

_SHARED = {
    "T_NGUONKHAC_NSNN": "0",
    "T_NGUONKHAC_VTNN": "0",
    "T_NGUONKHAC_VTTN": "0",
    "T_NGUONKHAC_CL": "0",
    "T_NGUONKHAC": "0",
    "MUC_HUONG": "100",
    "T_BNTT": "0",
    "T_BNCCT": "0",
    "MA_KHOA": "K01",
    "NGAY_YL": "202611020805",
    "NGAY_TH_YL": "202611020810",
    "MA_PTTT": "1",
}

DRUG = {
    "MA_LK": "LK-TEST-1",
    "STT": "1",
    "MA_THUOC": "40.001",
    "MA_NHOM": "4",
    "TEN_THUOC": "Thuốc thử",
    "DON_VI_TINH": "Gói",
    "PHAM_VI": "1",
    "TYLE_TT_BH": "100",
    "SO_LUONG": "2",
    "DON_GIA": "1500",
    "THANH_TIEN_BV": "3000",
    "THANH_TIEN_BH": "3000",
    "T_BHTT": "3000",
    "NGUON_CTRA": "1",
    **_SHARED,
}

SERVICE = {
    "MA_LK": "LK-TEST-1",
    "STT": "1",
    "MA_DICH_VU": "02.0001.0001",
    "MA_VAT_TU": "",
    "MA_NHOM": "13",
    "TEN_VAT_TU": "",
    "TEN_DICH_VU": "Khám bệnh",
    "DON_VI_TINH": "Lần",
    "PHAM_VI": "1",
    "SO_LUONG": "1",
    "DON_GIA_BV": "50600",
    "DON_GIA_BH": "50600",
    "TYLE_TT_DV": "100",
    "TYLE_TT_BH": "100",
    "THANH_TIEN_BV": "50600",
    "THANH_TIEN_BH": "50600",
    "T_TRANTT": "",
    "T_BHTT": "50600",
    "NGAY_KQ": "202611020900",
    **_SHARED,
}


def row(defaults: Fields, changes: Fields) -> dict[str, str]:
    """The fields of a row; a change to None leaves the field out."""
    merged = {**defaults, **changes}
    return {name: value for name, value in merged.items() if value is not None}


def summary(**changes: str | None) -> dict[str, str]:
    return row(SUMMARY, changes)


def drug(**changes: str | None) -> dict[str, str]:
    return row(DRUG, changes)


def service(**changes: str | None) -> dict[str, str]:
    return row(SERVICE, changes)


def escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def fields_xml(fields: Mapping[str, str]) -> str:
    return "".join(f"<{name}>{escape(value)}</{name}>" for name, value in fields.items())


def xml1(fields: Mapping[str, str] | None = None, *, root: str = "TONG_HOP") -> str:
    return f"<{root}>{fields_xml(summary() if fields is None else fields)}</{root}>"


def lines_xml(rows: Sequence[Mapping[str, str]], *, line: str, roots: Sequence[str]) -> str:
    """Rows inside the named elements, outermost first."""
    inner = "".join(f"<{line}>{fields_xml(fields)}</{line}>" for fields in rows)
    for root in reversed(roots):
        inner = f"<{root}>{inner}</{root}>"
    return inner


def xml2(*rows: Mapping[str, str], roots: Sequence[str] = ("CHITIEU_CHITIET_THUOC", "DSACH_CHI_TIET_THUOC")) -> str:
    return lines_xml(rows or (drug(),), line="CHI_TIET_THUOC", roots=roots)


def xml3(*rows: Mapping[str, str], roots: Sequence[str] = ("CHITIEU_CHITIET_DVKT_VTYT", "DSACH_CHI_TIET_DVKT")) -> str:
    return lines_xml(rows or (service(),), line="CHI_TIET_DVKT", roots=roots)


def xml4(*keys: str) -> str:
    rows = [{"MA_LK": key, "STT": str(number), "MA_DICH_VU": "X"} for number, key in enumerate(keys, start=1)]
    return lines_xml(rows, line="CHI_TIET_CLS", roots=("CHITIEU_CHITIET_DICHVUCANLAMSANG", "DSACH_CHI_TIET_CLS"))


def packed(table: str | bytes) -> str:
    """A table as the content of NOIDUNGFILE."""
    return base64.b64encode(table.encode() if isinstance(table, str) else table).decode()


def block(tag: str, table: str | bytes) -> str:
    """One FILEHOSO with a table in base64."""
    return raw_block(tag, packed(table))


def raw_block(tag: str, content: str) -> str:
    return f"<FILEHOSO><LOAIHOSO>{tag}</LOAIHOSO><NOIDUNGFILE>{content}</NOIDUNGFILE></FILEHOSO>"


def hoso(*blocks: str) -> str:
    """One visit; the correct three tables unless blocks are given."""
    return f"<HOSO>{''.join(blocks or visit_blocks())}</HOSO>"


def visit_blocks(ma_lk: str = "LK-TEST-1") -> tuple[str, ...]:
    tables = xml1(summary(MA_LK=ma_lk)), xml2(drug(MA_LK=ma_lk)), xml3(service(MA_LK=ma_lk))
    return tuple(block(f"XML{number}", table) for number, table in enumerate(tables, start=1))


def claim_file(
    *hosos: str,
    declaration: str = '<?xml version="1.0" encoding="utf-8"?>',
    unit: str = "<THONGTINDONVI><MACSKCB>01001</MACSKCB></THONGTINDONVI>",
    count: str | None = None,
    signature: str = "<CHUKYDONVI/>",
    attributes: str = "",
) -> bytes:
    """A whole file in its envelope, one correct visit unless HOSO are given."""
    inside = hosos or (hoso(),)
    stated = f"<SOLUONGHOSO>{len(inside) if count is None else count}</SOLUONGHOSO>"
    listed = f"<DANHSACHHOSO>{''.join(inside)}</DANHSACHHOSO>"
    visits = f"<THONGTINHOSO><NGAYLAP>20261122</NGAYLAP>{stated}{listed}</THONGTINHOSO>"
    return f"{declaration}<GIAMDINHHS{attributes}>{unit}{visits}{signature}</GIAMDINHHS>".encode()


def file_of_tables(*, one: str | bytes = "", two: str | bytes = "", three: str | bytes = "") -> bytes:
    """A file of one visit with some tables replaced."""
    return claim_file(hoso(block("XML1", one or xml1()), block("XML2", two or xml2()), block("XML3", three or xml3())))


def file_of_drug(**changes: str | None) -> bytes:
    """A file whose only line is one drug; XML1 states no totals, so that only the line has amounts."""
    return claim_file(hoso(block("XML1", xml1(without_totals())), block("XML2", xml2(drug(**changes)))))


def file_of_service(**changes: str | None) -> bytes:
    """A file whose only line is one service; XML1 states no totals."""
    return claim_file(hoso(block("XML1", xml1(without_totals())), block("XML3", xml3(service(**changes)))))


def without_totals(**changes: str | None) -> dict[str, str]:
    return {name: value for name, value in summary(**changes).items() if not name.startswith("T_")}

"""Writes the three example claim files of this folder, byte for byte the same each time.

`python examples/make_examples.py [folder]`. What was done in the visits and what it costs is in `example_visits.py`;
here it is put into the tables and the envelope of the claim data standard. Source: Decision 130/QĐ-BYT as amended by
4750/QĐ-BYT and 3176/QĐ-BYT (order of fields, roots of tables, envelope).
"""

import base64
import sys
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from xml.sax.saxutils import escape

from example_visits import Example, Line, all_examples

FACILITY = "01001"


def names(listed: str) -> tuple[str, ...]:
    return tuple(listed.split())


XML1_FIELDS = names("""
    MA_LK STT MA_BN HO_TEN SO_CCCD NGAY_SINH GIOI_TINH NHOM_MAU MA_QUOCTICH MA_DANTOC MA_NGHE_NGHIEP DIA_CHI
    MATINH_CU_TRU MAHUYEN_CU_TRU MAXA_CU_TRU DIEN_THOAI MA_THE_BHYT MA_DKBD GT_THE_TU GT_THE_DEN NGAY_MIEN_CCT LY_DO_VV
    LY_DO_VNT MA_LY_DO_VNT CHAN_DOAN_VAO CHAN_DOAN_RV MA_BENH_CHINH MA_BENH_KT MA_BENH_YHCT MA_PTTT_QT MA_DOITUONG_KCB
    MA_NOI_DI MA_NOI_DEN MA_TAI_NAN NGAY_VAO NGAY_VAO_NOI_TRU NGAY_RA GIAY_CHUYEN_TUYEN SO_NGAY_DTRI PP_DIEU_TRI
    KET_QUA_DTRI MA_LOAI_RV GHI_CHU NGAY_TTOAN T_THUOC T_VTYT T_TONGCHI_BV T_TONGCHI_BH T_BNTT T_BNCCT T_BHTT
    T_NGUONKHAC T_BHTT_GDV NAM_QT THANG_QT MA_LOAI_KCB MA_KHOA MA_CSKCB MA_KHUVUC CAN_NANG CAN_NANG_CON
    NAM_NAM_LIEN_TUC NGAY_TAI_KHAM MA_HSBA MA_TTDV DU_PHONG
""")
XML2_FIELDS = names("""
    MA_LK STT MA_THUOC MA_PP_CHEBIEN MA_CSKCB_THUOC MA_NHOM TEN_THUOC DON_VI_TINH HAM_LUONG DUONG_DUNG DANG_BAO_CHE
    LIEU_DUNG CACH_DUNG SO_DANG_KY TT_THAU PHAM_VI TYLE_TT_BH SO_LUONG DON_GIA THANH_TIEN_BV THANH_TIEN_BH
    T_NGUONKHAC_NSNN T_NGUONKHAC_VTNN T_NGUONKHAC_VTTN T_NGUONKHAC_CL T_NGUONKHAC MUC_HUONG T_BNTT T_BNCCT T_BHTT
    MA_KHOA MA_BAC_SI MA_DICH_VU NGAY_YL NGAY_TH_YL MA_PTTT NGUON_CTRA VET_THUONG_TP DU_PHONG
""")
XML3_FIELDS = names("""
    MA_LK STT MA_DICH_VU MA_PTTT_QT MA_VAT_TU MA_NHOM GOI_VTYT TEN_VAT_TU TEN_DICH_VU MA_XANG_DAU DON_VI_TINH PHAM_VI
    SO_LUONG DON_GIA_BV DON_GIA_BH TT_THAU TYLE_TT_DV TYLE_TT_BH THANH_TIEN_BV THANH_TIEN_BH T_TRANTT MUC_HUONG
    T_NGUONKHAC_NSNN T_NGUONKHAC_VTNN T_NGUONKHAC_VTTN T_NGUONKHAC_CL T_NGUONKHAC T_BNTT T_BNCCT T_BHTT MA_KHOA
    MA_GIUONG MA_BAC_SI NGUOI_THUC_HIEN MA_BENH MA_BENH_YHCT NGAY_YL NGAY_TH_YL NGAY_KQ MA_PTTT VET_THUONG_TP
    PP_VO_CAM VI_TRI_TH_DVKT MA_MAY MA_HIEU_SP TAI_SU_DUNG DU_PHONG
""")


def number(amount: Decimal) -> str:
    """The shortest form of a number: 50600, 8209.87."""
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def timestamp(at: str) -> str:
    return f"202611{at}"


def fields_of_line(example: Example, stt: int, line: Line) -> dict[str, str]:
    product = line.product
    shared = {
        "MA_LK": example.ma_lk,
        "STT": str(stt),
        "MA_NHOM": str(product.group),
        "DON_VI_TINH": product.unit,
        "PHAM_VI": str(line.scope),
        "TYLE_TT_BH": str(line.ratio),
        "SO_LUONG": line.quantity,
        **{name: number(amount) for name, amount in line.amounts(example.level).items()},
        **{f"T_NGUONKHAC_{part}": "0" for part in ("NSNN", "VTNN", "VTTN", "CL")},
        "T_NGUONKHAC": "0",
        "MUC_HUONG": number(example.level),
        "MA_KHOA": example.department,
        "MA_BAC_SI": "000001/HNO-CCHN",
        "NGAY_YL": timestamp(line.at),
        "NGAY_TH_YL": timestamp(line.at),
        "MA_PTTT": "1",
    }
    return {**shared, **(fields_of_drug(line) if product.is_drug else fields_of_service(line))}


def fields_of_drug(line: Line) -> dict[str, str]:
    return {
        "MA_THUOC": line.product.code,
        "TEN_THUOC": line.product.name,
        "HAM_LUONG": line.product.strength,
        "DUONG_DUNG": line.product.route,
        "LIEU_DUNG": line.dose,
        "TT_THAU": "001/QĐ-MAU;G1;N2;2026",
        "DON_GIA": line.product.price,
        "NGUON_CTRA": "1",
    }


def fields_of_service(line: Line) -> dict[str, str]:
    product = line.product
    named = {"MA_VAT_TU": product.code, "TEN_VAT_TU": product.name, "TT_THAU": "002/QĐ-MAU;G2;N3;2026"}
    return {
        **(named if product.is_supply else {"MA_DICH_VU": product.code, "TEN_DICH_VU": product.name}),
        "DON_GIA_BV": product.price,
        "DON_GIA_BH": line.covered_price or product.price,
        "TYLE_TT_DV": "100",
        "MA_GIUONG": line.bed,
        "NGUOI_THUC_HIEN": "000002/HNO-CCHN",
        "NGAY_KQ": timestamp(line.at),
    }


def fields_of_summary(example: Example) -> dict[str, str]:
    def total(name: str, lines: Iterable[Line]) -> str:
        return number(sum((line.amounts(example.level)[name] for line in lines), Decimal(0)))

    return {
        "MA_LK": example.ma_lk,
        "STT": "1",
        **example.person,
        "MA_QUOCTICH": "000",
        "MA_DANTOC": "01",
        "MA_NGHE_NGHIEP": "00000",
        "MATINH_CU_TRU": "01",
        "MAXA_CU_TRU": "00001",
        "MA_THE_BHYT": example.card,
        "MA_DKBD": FACILITY,
        "GT_THE_TU": "20260101",
        "GT_THE_DEN": "20271231",
        "LY_DO_VV": example.diagnosis,
        "CHAN_DOAN_VAO": example.diagnosis,
        "CHAN_DOAN_RV": example.diagnosis,
        "MA_BENH_CHINH": example.disease,
        "MA_DOITUONG_KCB": "1.1",
        "NGAY_VAO": timestamp(example.admitted),
        "NGAY_VAO_NOI_TRU": timestamp(example.admitted) if example.care_kind == "03" else "",
        "NGAY_RA": timestamp(example.discharged),
        "SO_NGAY_DTRI": str(example.days),
        "KET_QUA_DTRI": "2",
        "MA_LOAI_RV": "1",
        "NGAY_TTOAN": timestamp(example.discharged),
        "T_THUOC": total("THANH_TIEN_BV", (line for line in example.lines if line.product.is_drug)),
        "T_VTYT": total("THANH_TIEN_BV", (line for line in example.lines if line.product.is_supply)),
        "T_TONGCHI_BV": total("THANH_TIEN_BV", example.lines),
        "T_TONGCHI_BH": total("THANH_TIEN_BH", example.lines),
        "T_BNTT": total("T_BNTT", example.lines),
        "T_BNCCT": total("T_BNCCT", example.lines),
        "T_BHTT": total("T_BHTT", example.lines),
        "T_NGUONKHAC": "0",
        "T_BHTT_GDV": total("T_BHTT", example.lines),
        "NAM_QT": "2026",
        "THANG_QT": "11",
        "MA_LOAI_KCB": example.care_kind,
        "MA_KHOA": example.department,
        "MA_CSKCB": FACILITY,
        "MA_TTDV": "0000000001",
    }


def element(name: str, content: str) -> str:
    return f"<{name}>{content}</{name}>"


def row(fields: Sequence[str], values: Mapping[str, str]) -> str:
    """All fields of a table in the order of the standard, empty where there is no value."""
    assert values.keys() <= set(fields), values.keys() - set(fields)
    return "".join(f"{element(name, escape(values.get(name, '')))}\n" for name in fields)


def table_of_lines(example: Example, fields: Sequence[str], lines: Iterable[Line], *elements: str) -> str:
    """The rows of a table inside three elements, named from the outermost."""
    outer, middle, inner = elements
    rows = (row(fields, fields_of_line(example, stt, line)) for stt, line in enumerate(lines, start=1))
    inside = "".join(f"{element(inner, chr(10) + fields_of_row)}\n" for fields_of_row in rows)
    return element(outer, f"\n{element(middle, chr(10) + inside)}\n")


def block(tag: str, table: str) -> str:
    declared = f'<?xml version="1.0" encoding="utf-8"?>\n{table}\n'
    packed = base64.b64encode(declared.encode()).decode()
    return element("FILEHOSO", f"\n{element('LOAIHOSO', tag)}\n{element('NOIDUNGFILE', packed)}\n")


def build(example: Example) -> bytes:
    """The claim file of an example, as a hospital system would send it."""
    drugs = [line for line in example.lines if line.product.is_drug]
    services = [line for line in example.lines if not line.product.is_drug]
    names_2 = ("CHITIEU_CHITIET_THUOC", "DSACH_CHI_TIET_THUOC", "CHI_TIET_THUOC")
    names_3 = ("CHITIEU_CHITIET_DVKT_VTYT", "DSACH_CHI_TIET_DVKT", "CHI_TIET_DVKT")
    tables = (
        element("TONG_HOP", f"\n{row(XML1_FIELDS, fields_of_summary(example))}"),
        table_of_lines(example, XML2_FIELDS, drugs, *names_2),
        table_of_lines(example, XML3_FIELDS, services, *names_3),
    )
    blocks = "\n".join(block(f"XML{position}", table) for position, table in enumerate(tables, start=1))
    return f"""<?xml version="1.0" encoding="utf-8"?>
<GIAMDINHHS>
<THONGTINDONVI>
<MACSKCB>{FACILITY}</MACSKCB>
</THONGTINDONVI>
<THONGTINHOSO>
<NGAYLAP>{timestamp(example.discharged)[:8]}</NGAYLAP>
<SOLUONGHOSO>1</SOLUONGHOSO>
<DANHSACHHOSO>
<HOSO>
{blocks}
</HOSO>
</DANHSACHHOSO>
</THONGTINHOSO>
<CHUKYDONVI/>
</GIAMDINHHS>
""".encode()


def main(folder: Path) -> None:
    for example in all_examples():
        (folder / example.file).write_bytes(build(example))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)

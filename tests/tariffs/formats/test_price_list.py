"""Price lists as hospitals keep them: what is read, and everything that is refused instead of guessed."""

from datetime import date
from decimal import Decimal

import pytest

from billing.spreadsheets.amounts import DecimalMark
from billing.spreadsheets.cells import SheetUnreadable
from billing.tariffs.formats.price_list import ReadPriceList, SheetFormat, read_price_list, sheet_format
from tests.spreadsheets.workbooks import rows, workbook

DAY = date(2026, 7, 1)
HEAD = ("STT", "Mã dịch vụ", "Tên dịch vụ", "Đơn vị", "Giá BHYT", "Giá viện phí", "Giá yêu cầu")
EXAMINATION = (1, "02.1897", "Khám Nội", "Lần", 50600, 50600, 150000.5)


def read_csv(text: str | bytes, *, mark: DecimalMark | None = None) -> ReadPriceList:
    content = text.encode() if isinstance(text, str) else text
    return read_price_list(content, format=SheetFormat.CSV, valid_from=DAY, mark=mark)


def read_xlsx(content: bytes, *, sheet: str | None = None) -> ReadPriceList:
    return read_price_list(content, format=SheetFormat.XLSX, valid_from=DAY, sheet=sheet)


def errors(read: ReadPriceList) -> list[str]:
    return [str(fault) for fault in read.errors]


@pytest.mark.parametrize("begin", [b"", b"\xef\xbb\xbf"], ids=["bare", "byte-order mark"])
@pytest.mark.parametrize("delimiter", [",", ";"])
def test_csv_is_read_with_either_separator(begin: bytes, delimiter: str) -> None:
    lines = [
        ("BẢNG GIÁ DỊCH VỤ", "", "", ""),
        ("MÃ DỊCH VỤ", "Tên", "ĐVT", "Giá BHYT (đồng)"),
        ("", "I. KHÁM BỆNH", "", ""),
        ("02.1897", '"Khám Nội, ""A""; B"', "Lần", "50600"),
    ]
    text = "\r\n".join(delimiter.join(line) for line in lines)

    read = read_csv(begin + text.encode())

    [price] = read.prices
    assert (price.code, price.name, price.unit) == ("02.1897", 'Khám Nội, "A"; B', "Lần")
    assert (price.insured, price.fee, price.on_demand) == (Decimal(50600), None, None)
    assert (read.heading_rows, read.errors) == (1, ())


def test_semicolons_carry_names_full_of_commas() -> None:
    read = read_csv("mã;tên;giá viện phí\nA1;Khám, nội, ngoại, nhi, sản, mắt;50600,5\n")

    assert [(price.name, price.fee) for price in read.prices] == [
        ("Khám, nội, ngoại, nhi, sản, mắt", Decimal("50600.5"))
    ]


@pytest.mark.parametrize(
    ("text", "amount"),
    [("0", "0"), ("50600", "50600"), ("50600.5", "50600.5"), ("50600,25", "50600.25"), ("1.234.567", "1234567"),
     ("1,234,567", "1234567")],
)  # fmt: skip
def test_number_that_means_one_thing_is_read(text: str, amount: str) -> None:
    [price] = read_csv(f'mã;giá BHYT\nA1;"{text}"\n').prices

    assert price.insured == Decimal(amount)


@pytest.mark.parametrize("text", ["1.234", "1,234", "1.234,5", "1,234.5", "1.234.567,5", "12.345,678"])
def test_number_that_means_two_things_is_refused_by_name(text: str) -> None:
    read = read_csv(f'mã;giá BHYT\nA1;"{text}"\n')

    assert read.prices == ()
    assert errors(read) == [
        "row 2, giá BHYT: this number can be read in two ways; write it without separators or name the decimal mark"
        f" ({text})"
    ]


@pytest.mark.parametrize(
    ("text", "mark", "amount"),
    [("1.234,5", DecimalMark.COMMA, "1234.5"), ("1,234.5", DecimalMark.POINT, "1234.5"),
     ("1.234", DecimalMark.COMMA, "1234"), ("1.234", DecimalMark.POINT, "1.234")],
)  # fmt: skip
def test_named_decimal_mark_decides(text: str, mark: DecimalMark, amount: str) -> None:
    [price] = read_csv(f'mã;giá BHYT\nA1;"{text}"\n', mark=mark).prices

    assert price.insured == Decimal(amount)


@pytest.mark.parametrize("text", ["-5", "05", "5 đ", "miễn phí", "1e5", "NaN", "٥", "1.23.4", "1.2345"])
@pytest.mark.parametrize("mark", [None, DecimalMark.COMMA])
def test_what_is_no_price_is_refused(text: str, mark: DecimalMark | None) -> None:
    read = read_csv(f"mã;giá BHYT\nA1;{text}\n", mark=mark)

    assert read.prices == ()
    assert [(fault.row, fault.column) for fault in read.errors] == [(2, "giá BHYT")]


def test_every_fault_of_every_row_is_listed_by_its_number() -> None:
    read = read_csv(
        "mã dịch vụ;tên;giá BHYT;giá viện phí;hiệu lực từ\n"
        "A1;x;5;5;01/07/2026\n"
        "A2;x;1.234;nhiều;01/08/2026\n"
        ";x;5;;\n"
        "A1;x;7;;2025-01-01\n"
        "A5;x;;;\n"
        "A6;x;5;;tháng bảy\n"
        "A7;x;5;;1/7/2026\n"
    )

    assert [price.code for price in read.prices] == ["A1", "A7"]
    assert [(fault.row, fault.column, fault.found) for fault in read.errors] == [
        (3, "giá BHYT", "1.234"),
        (3, "giá viện phí", "nhiều"),
        (3, "hiệu lực từ", "2026-08-01"),
        (4, "mã dịch vụ", ""),
        (5, "mã dịch vụ", "A1"),
        (6, "row", ""),
        (7, "hiệu lực từ", "tháng bảy"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "empty"),
        ("mã;giá BHYT\n".encode("utf-16"), "not UTF-8"),
        ("mã;giá BHYT\nKhám".encode("cp1258", "replace"), "not UTF-8"),
        ("mã;tên\nA1;x\n".encode(), "none of the first 30 rows"),
        ("mã;mã dịch vụ;giá BHYT\nA1;A1;5\n".encode(), "two columns of row 1 are headed mã dịch vụ"),
        ("mã;giá BHYT\n".encode(), "no row below"),
        ('mã;giá BHYT\nA1;"5\n'.encode(), "cannot be read"),
        ("mã;giá BHYT\nA1;5\x00\n".encode(), "NUL"),
        (b"x" * (32 * 1024 * 1024 + 1), "at most 33,554,432"),
    ],
    ids=["empty", "utf-16", "1258", "no price", "twice", "no row", "open quote", "nul", "large"],
)
def test_csv_that_cannot_be_read_names_the_reason(text: bytes, message: str) -> None:
    with pytest.raises(SheetUnreadable, match=message):
        read_csv(text)


def test_format_is_seen_by_the_bytes() -> None:
    assert sheet_format(workbook(rows(("x",)))) is SheetFormat.XLSX
    assert sheet_format("mã;giá BHYT\n".encode()) is SheetFormat.CSV
    with pytest.raises(SheetUnreadable, match="old or a protected workbook"):
        sheet_format(b"\xd0\xcf\x11\xe0" + bytes(600))

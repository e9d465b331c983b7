"""Price lists as hospitals keep them: what is read, and everything that is refused instead of guessed."""

import io
import tracemalloc
import unicodedata
import zipfile
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Literal

import pytest

from billing.spreadsheets.amounts import DecimalMark
from billing.spreadsheets.cells import SheetUnreadable
from billing.tariffs.formats.price_list import ReadPriceList, SheetFormat, read_price_list, sheet_format
from tests.interop.sheets.workbooks import _MAIN as MAIN
from tests.interop.sheets.workbooks import Raw, rows, workbook

DAY = date(2026, 7, 1)
HEAD = ("STT", "Mã dịch vụ", "Tên dịch vụ", "Đơn vị", "Giá BHYT", "Giá viện phí", "Giá yêu cầu")
EXAMINATION = (1, "02.1897", "Khám Nội", "Lần", 50600, 50600, 150000.5)


def read_csv(text: str | bytes, *, mark: DecimalMark | None = None) -> ReadPriceList:
    content = text.encode() if isinstance(text, str) else text
    return read_price_list(content, format=SheetFormat.CSV, valid_from=DAY, mark=mark)


def read_xlsx(content: bytes, *, sheet: str | None = None) -> ReadPriceList:
    return read_price_list(content, format=SheetFormat.XLSX, valid_from=DAY, sheet=sheet)


def faults(read: ReadPriceList) -> list[str]:
    return [str(fault) for fault in read.faults]


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
    assert (read.heading_rows, read.faults) == (1, ())


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
    assert faults(read) == [
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
    assert [(fault.row, fault.column) for fault in read.faults] == [(2, "giá BHYT")]


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
    assert [(fault.row, fault.column, fault.found) for fault in read.faults] == [
        (3, "giá BHYT", "1.234"),
        (3, "giá viện phí", "nhiều"),
        (3, "hiệu lực từ", "2026-08-01"),
        (4, "mã dịch vụ", ""),
        (5, "mã dịch vụ", "A1"),
        (6, "row", ""),
        (7, "hiệu lực từ", "tháng bảy"),
    ]


@pytest.mark.parametrize(
    ("text", "told"),
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
def test_csv_that_cannot_be_read_says_why(text: bytes, told: str) -> None:
    with pytest.raises(SheetUnreadable, match=told):
        read_csv(text)


def test_xlsx_is_read_with_exact_numbers() -> None:
    read = read_xlsx(workbook(rows(("Bảng giá",), HEAD, EXAMINATION, (None, None, "II. CẬN LÂM SÀNG"))))

    [price] = read.prices
    assert (price.code, price.name) == ("02.1897", "Khám Nội")
    assert (price.insured, price.fee, price.on_demand) == (Decimal(50600), Decimal(50600), Decimal("150000.5"))
    assert read.columns_not_read == ("STT",)
    assert read.heading_rows == 1


def test_cells_whose_value_nobody_can_know_are_faults() -> None:
    """calamine reads an error and a formula that was never computed as empty cells, which would drop the price."""
    read = read_xlsx(
        workbook(
            rows(
                ("mã", "giá BHYT", "giá viện phí"),
                ("A1", Raw("<f>1+1</f>"), 5),
                ("A2", 5, Raw("<v>#DIV/0!</v>")),
                ("A3", Raw("<f>1+1</f><v>2</v>"), 5),
                ("A4", 9007199254740993, None),
                (1897, 5, None),
                ("A6", Raw("<v/><v>1</v>"), None),
                ("A7", 1.2345, None),
                ("A8", -5, None),
            )
        )
    )

    assert [(price.code, price.insured) for price in read.prices] == [("A3", Decimal(2))]
    told = faults(read)
    assert [fault.row for fault in read.faults] == [2, 3, 5, 6, 7, 8, 9]
    assert "was not saved" in told[0]
    assert "shows an error" in told[1]
    assert "15 digits" in told[2]
    assert "format the column as text (1897)" in told[3]
    assert "at most 3 decimals" in told[5]


def test_one_sheet_of_several_must_be_named() -> None:
    several = workbook(rows(("ghi chú",)), rows(("mã", "giá BHYT"), ("A1", 5)))

    with pytest.raises(SheetUnreadable, match=r"has 2 sheets; name one: “Giá 1”, “Giá 2”"):
        read_xlsx(several)
    with pytest.raises(SheetUnreadable, match="no sheet of this name"):
        read_xlsx(several, sheet="Giá 3")
    assert len(read_xlsx(several, sheet="Giá 2").prices) == 1


def test_headings_in_merged_cells_are_refused() -> None:
    merged = '<mergeCells count="1"><mergeCell ref="B2:C2"/></mergeCells>'

    with pytest.raises(SheetUnreadable, match="headings in row 2 stand in merged cells"):
        read_xlsx(workbook(rows(("Bảng giá",), ("mã", "giá BHYT"), ("A1", 5)), rest=merged))
    title = '<mergeCells count="1"><mergeCell ref="A1:C1"/></mergeCells>'
    assert len(read_xlsx(workbook(rows(("Bảng giá",), ("mã", "giá BHYT"), ("A1", 5)), rest=title)).prices) == 1


def test_small_file_that_unpacks_to_a_huge_one_is_refused_without_unpacking_it() -> None:
    bomb = workbook(rows(("mã", "giá BHYT"), ("A1", 5)), extra={"xl/media/image.bin": bytes(300 * 1024 * 1024)})
    assert len(bomb) < 1024 * 1024

    tracemalloc.start()
    with pytest.raises(SheetUnreadable, match="unpacks to more than 268,435,456 bytes"):
        read_xlsx(bomb)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 32 * 1024 * 1024


def test_archive_that_lies_about_its_sizes_is_counted_all_the_same() -> None:
    bomb = workbook(rows(("mã", "giá BHYT"), ("A1", 5)), extra={"xl/media/image.bin": bytes(300 * 1024 * 1024)})
    honest = (300 * 1024 * 1024).to_bytes(4, "little")

    with pytest.raises(SheetUnreadable, match="unpacks to more than"):
        read_xlsx(bomb.replace(honest, (1024).to_bytes(4, "little")))


def test_one_cell_far_out_is_refused_instead_of_filling_what_lies_between() -> None:
    far = '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'

    with pytest.raises(SheetUnreadable, match="value in row 1,048,576"):
        read_xlsx(workbook(rows(("mã", "giá BHYT"), ("A1", 5)) + far))


def shared(text: str) -> dict[str, bytes]:
    return {
        "xl/sharedStrings.xml": f'<sst xmlns="{MAIN}" count="1" uniqueCount="1"><si><t>{text}</t></si></sst>'.encode()
    }


@pytest.mark.parametrize(
    ("row_count", "columns", "length"),
    [(2_000, 30, 30_000), (100_000, 5, 1_000), (60_000, 30, 30_000), (13_000, 1, 5_000)],
)
def test_text_that_is_stored_once_and_named_by_many_cells_is_counted_each_time(
    row_count: int, columns: int, length: int
) -> None:
    row = "<row>" + '<c t="s"><v>0</v></c>' * columns + "</row>"
    content = workbook(row * row_count, extra=shared("A" * length))
    assert len(content) < 256 * 1024

    with pytest.raises(SheetUnreadable, match="more than 64,000,000 characters together"):
        read_xlsx(content)


def test_texts_named_by_a_few_cells_are_read() -> None:
    table = rows(("mã", "giá BHYT")) + '<row r="2"><c r="A2" t="s"><v>0</v></c><c r="B2"><v>5</v></c></row>'

    assert [price.code for price in read_xlsx(workbook(table, extra=shared("A1"))).prices] == ["A1"]


def test_two_cells_that_span_a_huge_rectangle_are_refused() -> None:
    far = '<row r="3"><c r="IV3"><v>1</v></c></row><row r="250000"><c r="A250000"><v>1</v></c></row>'

    with pytest.raises(SheetUnreadable, match="span 250,000 rows and 256 columns"):
        read_xlsx(workbook(rows(("mã", "giá BHYT"), ("A1", 5)) + far))


def test_merged_cells_that_touch_all_rows_again_and_again_are_refused() -> None:
    merged = "<mergeCells>" + '<mergeCell ref="A1:B1048576"/>' * 50 + "</mergeCells>"

    with pytest.raises(SheetUnreadable, match="merged cells touch more than"):
        read_xlsx(workbook(rows(("mã", "giá BHYT"), ("A1", 5)), rest=merged))


@pytest.mark.parametrize(
    "far",
    [
        '<row r="1048576"><c r="A1048576" s="1"/></row>',
        '<row r="1048576"><c r="XFD1048576" s="1"></c></row>',
        '<row r="1048576" s="1" customFormat="1"/>',
        '<row r="3"><c r="XFD3" s="1"/></row>',
        '<row r="1048576"><c r="XFD1048576" s="1"><v/></c></row>',
        '<row r="1048576"><c r="XFD1048576" t="s"><v></v></c></row>',
    ],
    ids=["last row", "last cell", "row without cells", "last column", "empty value", "no shared text"],
)
def test_cell_that_is_only_formatted_does_not_extend_the_sheet(far: str) -> None:
    table = rows(("mã", "giá BHYT"), ("A1", 5))

    assert read_xlsx(workbook(table + far)).prices == read_xlsx(workbook(table)).prices


@pytest.mark.parametrize(
    "inside",
    [' t="str"><v/>', ' t="inlineStr"><is><t></t></is>', ' t="inlineStr"><is/>', ' t="d"><v/>', "><v>0</v>"],
)
def test_far_cell_that_calamine_would_count_is_refused(inside: str) -> None:
    far = f'<row r="1048576"><c r="XFD1048576"{inside}</c></row>'

    with pytest.raises(SheetUnreadable, match="1,048,576"):
        read_xlsx(workbook(rows(("mã", "giá BHYT"), ("A1", 5)) + far))


@pytest.mark.parametrize("number", ["abc", "-5", "1" * 5_000])
def test_row_whose_number_is_none_is_refused(number: str) -> None:
    with pytest.raises(SheetUnreadable):
        read_xlsx(workbook(rows(("mã", "giá BHYT"), ("A1", 5)) + f'<row r="{number}"><c><v>1</v></c></row>'))


def test_formula_whose_saved_result_is_the_empty_text_is_an_empty_cell() -> None:
    blank = '<c r="{}" t="str"><f>IF(D2="","",D2)</f><v></v></c>'
    below = f'<row r="3">{blank.format("A3")}{blank.format("B3")}</row>'
    table = rows(("mã", "giá BHYT", "giá yêu cầu"), ("A1", 5, None)).replace("</c></row>", "</c>{}</row>", 2)

    read = read_xlsx(workbook(table.format("", blank.format("C2")) + below))

    assert [(price.code, price.insured, price.on_demand) for price in read.prices] == [("A1", Decimal(5), None)]
    assert read.faults == ()


@pytest.mark.parametrize(
    "content",
    [b"x,y", b"PK\x03\x04", b"\xd0\xcf\x11\xe0" + bytes(600), workbook(rows(("x",)))[:900]],
    ids=["text", "four bytes", "old or protected", "cut off"],
)
def test_what_is_no_workbook_is_refused(content: bytes) -> None:
    with pytest.raises(SheetUnreadable):
        read_xlsx(content)


def test_workbook_with_a_document_type_is_refused() -> None:
    doctype = '<!DOCTYPE worksheet [<!ENTITY a "b">]>'
    plain = workbook(rows(("mã", "giá BHYT"), ("A1", 5)))

    with pytest.raises(SheetUnreadable, match="no plain XML"):
        read_xlsx(
            _with_part(
                plain, "xl/worksheets/sheet1.xml", lambda text: text.replace("<worksheet", doctype + "<worksheet", 1)
            )
        )


def _with_part(content: bytes, name: str, edit: Callable[[str], str]) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(written, "w") as new:
        for part in old.namelist():
            text = old.read(part).decode()
            new.writestr(part, edit(text) if part == name else text)
    return written.getvalue()


def test_format_is_seen_by_the_bytes() -> None:
    assert sheet_format(workbook(rows(("x",)))) is SheetFormat.XLSX
    assert sheet_format("mã;giá BHYT\n".encode()) is SheetFormat.CSV
    with pytest.raises(SheetUnreadable, match="old or a protected workbook"):
        sheet_format(b"\xd0\xcf\x11\xe0" + bytes(600))


LOST = [
    ("2.1896", "lost the zero in front"),
    ("2.1896.0001", "lost the zero in front"),
    ("10.19", "zeros may be lost"),
    ("2,1896", "zeros may be lost"),
    ("1.80149E+11", "shortened this code to a number"),
    ("1,8E+11", "shortened this code to a number"),
    ("1.8e+11", "shortened this code to a number"),
    ("1.8E11", "shortened this code to a number"),
    ("1E+11", "shortened this code to a number"),
    ("02/03/2026", "made a day of this code"),
    ("2-Mar", "made a day of this code"),
    ("2026-03-02 00:00:00", "made a day of this code"),
    ("#N/A", "shows an error"),
    ("#REF!", "shows an error"),
    ("########", "shows an error"),
    ("=A2", "a formula"),
    ("TRUE", "a yes or no"),
    ("０２.１８９６", "only look like Latin"),
    ("02․1896", "only look like Latin"),
    ("К03.1905", "only look like Latin"),  # Cyrillic
]


@pytest.mark.parametrize(("code", "why"), LOST)
def test_code_a_spreadsheet_changed_is_refused_with_row_value_and_remedy(code: str, why: str) -> None:
    read = read_csv(f'mã;tên;giá BHYT\n02.1897;Khám;5\n"{code}";Khám;5\n')

    assert [price.code for price in read.prices] == ["02.1897"]
    [fault] = read.faults
    assert (fault.row, fault.column, fault.found) == (3, "mã dịch vụ", code)
    assert why in fault.why
    assert "enter" in fault.why or "correct" in fault.why


@pytest.mark.parametrize(("code", "why"), [each for each in LOST if each[0] not in {"10.19", "2,1896"}])
def test_workbook_has_the_same_guards(code: str, why: str) -> None:
    read = read_xlsx(workbook(rows(("mã", "giá BHYT"), (code, 5))))

    assert read.prices == ()
    assert why in read.faults[0].why


CODES = [
    *(
        "02.1896",
        "10.1900",
        "18.0149.0040",
        "K03.1905",
        "37.8D08.0316",
        "DV001",
        "0123",
        "02.19",
        "1E5",
        "XN-12",
        "A1.2",
    )
]


@pytest.mark.parametrize("code", CODES)
def test_code_that_kept_its_zeros_is_read(code: str) -> None:
    assert [price.code for price in read_csv(f"mã;giá BHYT\n{code};5\n").prices] == [code]
    assert [price.code for price in read_xlsx(workbook(rows(("mã", "giá BHYT"), (code, 5)))).prices] == [code]


def test_digits_alone_are_a_code_unless_they_stand_among_codes_with_points() -> None:
    assert [price.code for price in read_csv("mã;giá BHYT\n1896;5\n1897;5\n").prices] == ["1896", "1897"]
    among = read_csv('mã;giá BHYT\n1896;5\n02.1897;5\n"=""1898""";5\n')
    assert [price.code for price in among.prices] == ["02.1897", "1898"]
    assert [(fault.row, fault.found) for fault in among.faults] == [(2, "1896")]


@pytest.mark.parametrize(
    "written", ['="02.1896"', '"=""02.1896"""', "'02.1896", "’02.1896", "‘02.1896", ' ="02.1896" ']
)
def test_mark_of_a_text_cell_is_no_part_of_the_code(written: str) -> None:
    [price] = read_csv(f'mã,tên,giá BHYT\n{written},\'Khám,="50600"\n').prices

    assert (price.code, price.name, price.insured) == ("02.1896", "Khám", Decimal(50600))


def test_days_in_place_of_codes_are_refused_in_a_workbook() -> None:
    day = '<row r="2"><c r="A2" t="d"><v>2026-03-02T00:00:00</v></c><c r="B2"><v>5</v></c></row>'

    read = read_xlsx(workbook(rows(("mã", "giá BHYT")) + day))

    assert read.prices == ()
    assert len(read.faults) == 1


@pytest.mark.parametrize(
    ("formula", "price"),
    [
        ("<f>50600*1.1</f><v>55660.00000000001</v>", "55660"),
        ("<f>56500*1.1</f><v>62150.000000000007</v>", "62150"),
        ("<f>0.1+0.2</f><v>0.30000000000000004</v>", "0.3"),
        ('<f t="shared" si="0"/><v>1234.5000000000002</v>', "1234.5"),
        ("<v>55660.00000000001</v>", "55660"),
    ],
)
def test_noise_behind_the_15th_digit_is_rounded_as_the_spreadsheet_shows_it(formula: str, price: str) -> None:
    read = read_xlsx(workbook(rows(("mã", "giá BHYT"), ("A1", Raw(formula)))))

    assert read.faults == ()
    assert [each.insured for each in read.prices] == [Decimal(price)]


def test_result_with_more_decimals_than_a_price_has_is_refused_with_its_value() -> None:
    read = read_xlsx(workbook(rows(("mã", "giá BHYT"), ("A1", Raw("<f>100000/3</f><v>33333.333333333336</v>")))))

    assert faults(read) == [
        "row 2, giá BHYT: a price has at most 3 decimals (B-080); enter đồng with at most 3 decimals (33333.3333333333)"
    ]


@pytest.mark.parametrize(
    "heading", ["Ðơn giá BHYT", "ðơn giá bhyt", "Đơn giá BHYT", "Ɖơn giá BHYT", "\ufeffĐơn giá BHYT"]
)
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_heading_with_a_look_alike_or_in_parts_is_found(heading: str, form: Literal["NFC", "NFD"]) -> None:
    name = unicodedata.normalize(form, "Ðiện tim thường")
    headings = [unicodedata.normalize(form, text) for text in ("Mã dịch vụ", "Tên dịch vụ", heading)]

    read = read_csv(f"{','.join(headings)}\nA1,{name},5\n")
    of_workbook = read_xlsx(workbook(rows(tuple(headings), ("A1", name, 5))))

    assert [(price.name, price.insured) for price in read.prices] == [("Điện tim thường", Decimal(5))]
    assert of_workbook.prices == read.prices


@pytest.mark.parametrize("code_page", ["cp1252", "cp1258", "latin-1"])
def test_name_saved_in_another_encoding_is_refused(code_page: str) -> None:
    name = "Khám Nội".encode().decode(code_page, "replace")

    read = read_csv(f"mã;tên;giá BHYT\nA1;{name};5\nA2;Khám Nội;5\n")

    assert [price.code for price in read.prices] == ["A2"]
    assert [(fault.row, fault.column) for fault in read.faults] == [(2, "tên")]

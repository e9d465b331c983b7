"""Price lists as XLSX: exact numbers, one sheet, and limits on what a file may unpack to."""

import io
import tracemalloc
import zipfile
from collections.abc import Callable
from decimal import Decimal

import pytest

from billing.spreadsheets.cells import SheetUnreadable
from tests.spreadsheets.workbooks import _MAIN as MAIN
from tests.spreadsheets.workbooks import Raw, rows, workbook
from tests.tariffs.formats.test_price_list import EXAMINATION, HEAD, errors, read_xlsx


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
    messages = errors(read)
    assert [fault.row for fault in read.errors] == [2, 3, 5, 6, 7, 8, 9]
    assert "was not saved" in messages[0]
    assert "shows an error" in messages[1]
    assert "15 digits" in messages[2]
    assert "format the column as text (1897)" in messages[3]
    assert "at most 3 decimals" in messages[5]


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
    assert read.errors == ()


@pytest.mark.parametrize(
    "content",
    [b"x,y", b"PK\x03\x04", b"\xd0\xcf\x11\xe0" + bytes(600), workbook(rows(("x",)))[:900]],
    ids=["text", "four bytes", "old or protected", "cut off"],
)
def test_what_is_no_workbook_is_refused(content: bytes) -> None:
    with pytest.raises(SheetUnreadable):
        read_xlsx(content)


def test_archive_whose_parts_begin_before_the_file_is_refused() -> None:
    whole = workbook(rows(HEAD, EXAMINATION))
    damaged = whole[:-6] + (0xB0000000).to_bytes(4, "little") + whole[-2:]  # the place of the list of parts

    with pytest.raises(SheetUnreadable, match="damaged"):
        read_xlsx(damaged)


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

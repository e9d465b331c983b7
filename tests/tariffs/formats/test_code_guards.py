"""Cells a spreadsheet changed: codes, errors, marks and noise are refused with row, value and remedy."""

import unicodedata
from decimal import Decimal
from typing import Literal

import pytest

from tests.spreadsheets.workbooks import Raw, rows, workbook
from tests.tariffs.formats.test_price_list import errors, read_csv, read_xlsx

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
    ("#¡REF!", "shows an error"),
    ("#N/V", "shows an error"),
    ("'02.1896'", "apostrophe"),
    ("02’1896", "apostrophe"),
    ("02,1896", "comma or a letter"),
    ("18,0149,0040", "comma or a letter"),
    ("O2.1896", "comma or a letter"),
    ("02.l896", "comma or a letter"),
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
    [fault] = read.errors
    assert (fault.row, fault.column, fault.found) == (3, "mã dịch vụ", code)
    assert why in fault.why
    assert "enter" in fault.why or "correct" in fault.why


@pytest.mark.parametrize(("code", "why"), [each for each in LOST if each[0] not in {"10.19", "2,1896"}])
def test_workbook_has_the_same_guards(code: str, why: str) -> None:
    read = read_xlsx(workbook(rows(("mã", "giá BHYT"), (code, 5))))

    assert read.prices == ()
    assert why in read.errors[0].why


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
    assert [(fault.row, fault.found) for fault in among.errors] == [(2, "1896")]


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
    assert len(read.errors) == 1


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

    assert read.errors == ()
    assert [each.insured for each in read.prices] == [Decimal(price)]


def test_result_with_more_decimals_than_a_price_has_is_refused_with_its_value() -> None:
    read = read_xlsx(workbook(rows(("mã", "giá BHYT"), ("A1", Raw("<f>100000/3</f><v>33333.333333333336</v>")))))

    assert errors(read) == [
        "row 2, giá BHYT: a price has at most 3 decimals (B-080); enter đồng with at most 3 decimals (33333.3333333333)"
    ]


@pytest.mark.parametrize(
    "heading", ["Ðơn giá BHYT", "ðơn giá bhyt", "Đơn giá BHYT", "Ɖơn giá BHYT", "\ufeffĐơn giá BHYT"]
)
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_heading_with_a_confusable_or_in_parts_is_found(heading: str, form: Literal["NFC", "NFD"]) -> None:
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
    assert [(fault.row, fault.column) for fault in read.errors] == [(2, "tên")]


def test_negative_zero_of_a_workbook_is_zero() -> None:
    [price] = read_xlsx(workbook(rows(("Mã", "Tên", "Giá BHYT"), ("02.1896", "Khám", -0.0)))).prices

    assert str(price.insured) == "0"

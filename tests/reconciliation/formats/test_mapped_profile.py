"""A table with unknown headings: the refusal lists them, and a person names the columns."""

from io import BytesIO

import pytest

from billing.reconciliation.domain.statement import StatementLine
from billing.reconciliation.formats.profile import ProfileRefused, mapped_profile
from billing.reconciliation.formats.read_statements import read_statements
from billing.reconciliation.formats.statement_table import TableUnknown

HEADINGS = ("Lúc nào", "Ký hiệu", "Chi", "Thu", "Quỹ còn", "Lời nhắn")
FILE = (
    "Tài khoản;0110000001\n"
    + ";".join(HEADINGS)
    + "\n02/11/2026;FT1;;50.000;150.000;NOP TIEN\n02/11/2026;FT2;20.000;;130.000;HOAN TIEN\n"
).encode()


def test_refusal_of_unknown_columns_lists_the_headings() -> None:
    with pytest.raises(TableUnknown) as refused:
        list(read_statements(BytesIO(FILE)))

    assert set(HEADINGS) <= set(refused.value.headings)


def test_row_that_is_most_like_headings_is_named_where_no_profile_has_one_of_them() -> None:
    table = FILE.replace("Tài khoản;0110000001\n".encode(), "BẢNG KÊ\n".encode())

    with pytest.raises(TableUnknown, match="row 2: this row is most like headings"):
        list(read_statements(BytesIO(table)))


def test_columns_that_a_person_named_are_read() -> None:
    profile = mapped_profile(
        {
            "booked_on": "Lúc nào",
            "reference": "Ký hiệu",
            "debit": "Chi",
            "credit": "Thu",
            "balance": "Quỹ còn",
            "text": "Lời nhắn",
        }
    )

    items = list(read_statements(BytesIO(FILE), profile=profile))

    lines = [each for each in items if isinstance(each, StatementLine)]
    assert [(each.amount, each.bank_reference, each.text) for each in lines] == [
        (50_000, "FT1", "NOP TIEN"),
        (-20_000, "FT2", "HOAN TIEN"),
    ]


def test_mapping_without_the_day_is_refused() -> None:
    with pytest.raises(ProfileRefused, match="booked_on and text are needed"):
        mapped_profile({"debit": "Chi", "credit": "Thu", "balance": "Quỹ còn"})

"""`vienphi statement`: what a file holds, or the place at which it is refused."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.cli.commands import call, called
from tests.reconciliation.formats.bank_samples import bidv_english, generic, techcombank, vib
from tests.reconciliation.formats.statement_files import Sheet, as_csv, as_xlsx

_NEXT_DAY = """{1:F01TESTVNVXAXXX0000000000}{2:I940TESTVNVXXXXXN}{4:
:20:S
:25:0011000000017
:60F:C260103VND10540000,
:61:2601040104C5000,NTRFNONREF//FT1
:62F:C260104VND10545000,
-}
"""


def test_preview_prints_account_columns_period_balances_and_lines(tmp_path: Path) -> None:
    file = tmp_path / "statement.xls"
    file.write_bytes(as_xlsx(techcombank()))

    printed = called("statement", "preview", str(file), "--lines", "2").splitlines()

    assert printed[0] == f"{file}:"
    assert printed[1] == "  1. account 0011000000017 VND, techcombank, sheet “Sheet1”"
    assert "    column H “Nợ/Debit” = debit" in printed
    assert [line.split()[:6] for line in printed if line.startswith("    row")] == [
        ["row", "18", "02/01/2026", "350.000", "10.350.000", "movement"],
        ["row", "19", "02/01/2026", "-48.900", "10.301.100", "movement"],
    ]
    assert printed[-2] == "    02/01/2026 to 03/01/2026, 6 lines, opening 10.000.000, closing 10.540.000"
    assert printed[-1] == "chain: 1 statements, no gap and no overlap"


def test_chain_of_several_files_names_gaps_and_overlaps(tmp_path: Path) -> None:
    first, second, third = (tmp_path / name for name in ("first", "second", "third"))
    first.write_bytes(as_csv(vib()))
    second.write_text(_NEXT_DAY, "utf-8")
    third.write_text(_NEXT_DAY.replace("10540000", "10540001").replace("10545000", "10545001"), "utf-8")

    assert called("statement", "preview", str(first), str(second)).endswith("no gap and no overlap\n")
    assert "gap: account 0011000000017, between 03/01/2026 and 04/01/2026 (0 days" in called(
        "statement", "preview", str(first), str(third)
    )
    assert "overlap: account 0011000000017, 03/01/2026 and 02/01/2026" in called(
        "statement", "preview", str(first), str(first)
    )


def test_refusal_names_file_sheet_row_and_column(tmp_path: Path) -> None:
    file = tmp_path / "statement.xlsx"
    rows = [list(row) for row in generic().rows]
    rows[3][2] = "12,34,5"
    file.write_bytes(as_xlsx(Sheet(rows)))

    result = call("statement", "preview", str(file))

    assert result.exit_code == 1
    assert f"{file}: sheet “Sheet1”, row 4, column “Ghi nợ”: is no amount" in result.stderr
    assert "[statement_unreadable]" in result.stderr


def test_account_and_opening_balance_are_given(tmp_path: Path) -> None:
    file = tmp_path / "statement.csv"
    file.write_bytes(as_csv(Sheet(generic().rows[1:3])))

    assert call("statement", "preview", str(file), "--account", "123456").exit_code == 1
    printed = called("statement", "preview", str(file), "--account", "123456", "--opening", "10000000")
    assert "account 123456 VND, generic" in printed
    assert "opening 10.000.000, closing 10.350.000" in printed


def test_layout_of_a_new_bank_is_one_file(tmp_path: Path) -> None:
    file, layout = tmp_path / "statement.csv", tmp_path / "new_bank.toml"
    sheet = bidv_english()
    rows = [[str(cell).replace("EFFECTIVE DATE", "Journal day") for cell in row] for row in sheet.rows]
    file.write_bytes(as_csv(replace(sheet, rows=rows)))
    layout.write_text(
        """
        name = "new_bank"
        bank = "New Bank"
        complete_with = "closing"
        [columns]
        booked_on = ["Journal day"]
        debit = ["Debit"]
        credit = ["Credit"]
        balance = ["Balance"]
        text = ["Description"]
        [ends]
        account = ["Account number"]
        opening = ["Opening balance"]
        closing = ["Closing balance"]
        """,
        "utf-8",
    )

    refused = call("statement", "preview", str(file))

    assert refused.exit_code == 1
    assert "row 4: as headings of profile bidv this row lacks booked_on" in refused.stderr
    assert "account 0011000000017 VND, new_bank" in called("statement", "preview", str(file), "--profile", str(layout))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("name = 'x'", "columns: Field required"),
        ("name =", "the profile is no TOML"),
        (
            "name = 'x'\nbank = 'x'\ncomplete_with = 'nothing'\n[columns]\ntext = ['a']",
            "the columns booked_on and text",
        ),
        ("name = 'x'\nbank = 'x'\ncomplete_with = 'nothing'\n[rows]\nreference_in_text = '('", "no regular expression"),
    ],
)
def test_invalid_layout_is_refused_with_its_fields(tmp_path: Path, text: str, reason: str) -> None:
    file, layout = tmp_path / "statement.csv", tmp_path / "layout.toml"
    file.write_bytes(as_csv(vib()))
    layout.write_text(text, "utf-8")

    result = call("statement", "preview", str(file), "--profile", str(layout))

    assert result.exit_code == 1
    assert reason in result.stderr
    assert "statement_profile_invalid" in result.stderr


def test_unknown_profile_is_refused_with_the_known_names(tmp_path: Path) -> None:
    file = tmp_path / "statement.csv"
    file.write_bytes(as_csv(vib()))

    result = call("statement", "preview", str(file), "--profile", "nobank")

    assert "known are acb, agribank, bidv" in result.stderr
    assert "vietinbank_efast" in called("statement", "profiles")

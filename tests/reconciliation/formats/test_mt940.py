"""MT940: marks decide signs, pages are joined, the balances must connect, a fault names its line."""

from datetime import date

import pytest

from billing.reconciliation.domain.statement import StatementUnreadable
from tests.reconciliation.formats.reading import read

HEAD = "{1:F01TESTVNVXAXXX0000000000}{2:I940TESTVNVXXXXXN}{4:\n"
ENTRIES = (
    ":61:2601020102C350000,NTRFHPB7K2QF9XA//FT26002000001\n"
    ":86:MBVCB.0000000001.000001.HPB7K2QF9XA.CT tu 0000000099\n"
    ":61:2601020102D50000,NTRFRF-0001//FT26002000003\n"
    ":86:HOAN VIEN PHI HPBC4M8W2ZD\n NGUYEN VAN TEST\n"
)


def message(
    entries: str = ENTRIES,
    *,
    number: str = "2/1",
    opening: str = ":60F:C260101VND10000000,",
    closing: str = ":62F:C260102VND10300000,",
    account: str = "0000000000017",
) -> str:
    return f"{HEAD}:20:STMT260102\n:25:{account}\n:28C:{number}\n{opening}\n{entries}{closing}\n-}}\n"


def refusal(text: str) -> str:
    with pytest.raises(StatementUnreadable) as refused:
        read(text.encode())
    return refused.value.detail


def test_entries_have_their_line_day_reference_and_text() -> None:
    [found] = read(message().encode())

    first, second = found.lines
    assert (first.row, first.booked_on, first.amount) == (6, date(2026, 1, 2), 350_000)
    assert (first.bank_reference, first.text) == (
        "FT26002000001",
        "MBVCB.0000000001.000001.HPB7K2QF9XA.CT tu 0000000099",
    )
    assert (second.amount, second.text) == (-50_000, "RF-0001 HOAN VIEN PHI HPBC4M8W2ZD NGUYEN VAN TEST")
    assert (found.whole.opening, found.whole.closing, found.whole.sequence) == (10_000_000, 10_300_000, "2")


@pytest.mark.parametrize(("mark", "closing"), [("C", "110"), ("RD", "110"), ("D", "90"), ("RC", "90")])
def test_mark_decides_the_sign(mark: str, closing: str) -> None:
    entry = f":61:2601020102{mark}10,NTRFNONREF//FT1\n"

    [found] = read(message(entry, opening=":60F:C260101VND100,", closing=f":62F:C260102VND{closing},00").encode())

    assert found.amounts == [int(closing) - 100]
    assert found.lines[0].bank_reference == "FT1"


def test_overdrawn_account_has_negative_balances() -> None:
    entry = ":61:2601020102D10,NTRFNONREF\n"

    [found] = read(message(entry, opening=":60F:D260101VND100,", closing=":62F:D260102VND110,").encode())

    assert (found.whole.opening, found.whole.closing, found.lines[0].bank_reference) == (-100, -110, None)


def test_pages_of_a_statement_are_joined() -> None:
    first = message(closing=":62M:C260102VND10300000,")
    second = message(
        ":61:2601030103C5,NTRFNONREF\n",
        number="2/2",
        opening=":60M:C260102VND10300000,",
        closing=":62F:C260103VND10300005,",
    )

    [found] = read((first + second).encode())

    assert found.amounts == [350_000, -50_000, 5]
    assert (found.whole.opening, found.whole.closing) == (10_000_000, 10_300_005)
    assert (found.whole.from_day, found.whole.to_day) == (date(2026, 1, 2), date(2026, 1, 3))
    assert "no last page" in refusal(first)
    assert "no first page" in refusal(second)
    third = second.replace(":28C:2/2", ":28C:2/3")
    assert refusal(first + third).startswith("row 17, column “:60M:”: this page does not continue the page before it")
    assert "no first page before it" in refusal(first + second.replace(":28C:2/2", ":28C:3/2"))


def test_several_statements_and_accounts_of_a_file() -> None:
    other = message("", account="0000000000025", opening=":60F:C260101VND7,", closing=":62F:C260102VND7,")

    first, second = read((message() + other).encode())

    assert [first.whole.bank_account_number, second.whole.bank_account_number] == ["0000000000017", "0000000000025"]
    assert (second.whole.position, second.lines) == (2, [])


def test_file_without_block_headers_and_with_hyphens_is_read() -> None:
    plain = message().removeprefix(HEAD).replace("-}\n", "-\n")

    assert read(plain.replace("\n", "\r\n").encode())[0].amounts == [350_000, -50_000]
    assert read((HEAD.rstrip("\n") + plain).encode())[0].amounts == [350_000, -50_000]


def test_entry_day_of_the_other_year() -> None:
    entry = ":61:2512310102C10,NTRFNONREF\n"

    [found] = read(message(entry, opening=":60F:C260101VND0,", closing=":62F:C260102VND10,").encode())

    assert (found.lines[0].value_on, found.lines[0].booked_on) == (date(2025, 12, 31), date(2026, 1, 2))


def test_equal_entries_of_consecutive_statements_are_numbered_on() -> None:
    entry = ":61:2601020102C10,NTRFNONREF\n:86:VIEN PHI\n"
    first = message(entry, opening=":60F:C260101VND0,", closing=":62F:C260102VND10,")
    second = message(entry, number="3/1", opening=":60F:C260102VND10,", closing=":62F:C260102VND20,")

    assert [each.lines[0].ordinal for each in read((first + second).encode())] == [1, 2]
    assert [each.lines[0].ordinal for each in read((first + first).encode())] == [1, 1]


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("VND10300000,", "VND10300001,", "row 11, column “:62F:”: the entries do not lead"),
        ("C350000,", "X350000,", "row 6, column “:61:”: the field :61: cannot be read"),
        ("C350000,", "C350000.", "row 6, column “:61:”: the amount is no whole number"),
        ("C350000,", "C350000,50", "row 6, column “:61:”: the amount is no whole number"),
        ("C350000,", "C0,", "row 6, column “:61:”: the entry has the amount 0"),
        (":61:260102", ":61:260230", "row 6, column “:61:”: the day does not exist"),
        ("VND10000000,", "USD10000000,", "row 5, column “:60F:”: only accounts in VND"),
        (":25:0000000000017", ":25:UNKNOWN", "row 3, column “:25:”: is no account number"),
        (":28C:2/1\n", ":28C:2/1\n:28C:2/1\n", "row 5: the message has the field :28C: twice"),
        (":62F:C260102VND10300000,\n", "", "row 2: the message that begins here has no field :62F:"),
        (":60F:C260101VND10000000,\n", "", "row 2: the message that begins here has no field :60F:"),
    ],
)
def test_fault_is_refused_with_its_line(old: str, new: str, reason: str) -> None:
    assert refusal(message().replace(old, new, 1)).startswith(reason)


def test_file_cut_at_any_byte_is_refused_or_whole() -> None:
    content = message().encode()
    whole = read(content)

    for length in range(len(content)):
        try:
            found = read(content[:length])
        except StatementUnreadable:
            continue
        assert found == whole


def test_unreadable_field_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    refusal(message().replace("C350000,", "X350000,"))

    assert caplog.records == []

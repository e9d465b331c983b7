import unicodedata
from datetime import date

import pytest

from billing.claims.formats.disease_annexes import AnnexesUnreadable, read_annexes
from billing.coverage.domain.annexes import Annex

HEAD = "annex,codes,except,under_age,since,until,name\n"
DAY = date(2026, 11, 2)


def test_list_is_read_with_ranges_exclusions_and_age():
    text = HEAD + "I,C00-C97;C38,C38.4,,2025-01-01,,Ung thư\nII,E10,,18,2025-01-01,2026-12-31,Đái tháo đường\n"

    annexes = read_annexes(text.encode("utf-8-sig"))

    assert annexes.lists(Annex.FIRST, "C38.1", age=40, day=DAY) is True
    assert annexes.lists(Annex.FIRST, "C38.4", age=40, day=DAY) is False
    assert annexes.lists(Annex.SECOND, "E10.9", age=17, day=DAY) is True
    assert annexes.lists(Annex.SECOND, "E10.9", age=18, day=DAY) is False
    assert annexes.lists(Annex.SECOND, "E10.9", age=None, day=DAY) is None
    assert annexes.lists(Annex.SECOND, "E10.9", age=17, day=date(2027, 1, 1)) is False
    assert annexes.lists(Annex.THIRD, "E10.9", age=17, day=DAY) is None, "an annex nobody imported is not known"


def test_every_bad_row_is_named_by_its_line():
    rows = [
        "IV,C00,,,2025-01-01,,",
        "I,C97-C00,,,2025-01-01,,",
        "I,C00,,,2025-13-01,,",
        "I,,,,2025-01-01,,",
        "I,C00,,x",
    ]

    with pytest.raises(AnnexesUnreadable) as refusal:
        read_annexes((HEAD + "\n".join([*rows, "I,C00,,,2025-01-01,,fine"])).encode())

    assert [line for line, _ in refusal.value.faults] == [2, 3, 4, 5, 6]


@pytest.mark.parametrize("content", [b"", b"annex,codes\nI,C00\n", HEAD.encode(), b"\xff\xfe", HEAD.encode() + b'"'])
def test_what_is_no_list_is_refused(content):
    with pytest.raises(AnnexesUnreadable):
        read_annexes(content)


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_confusable_letters_are_read_as_the_ones_meant(form):
    text = unicodedata.normalize(form, f"{HEAD}I,С00,,,2025-01-01,,Ðái tháo đường\n")  # С is Cyrillic

    annexes = read_annexes(text.encode())

    assert [row.name for row in annexes.rows] == ["Đái tháo đường"]
    assert annexes.lists(Annex.FIRST, "C00", age=40, day=DAY) is True


@pytest.mark.parametrize("name", ["Ung thÆ°", "#N/A"])
def test_name_that_is_none_is_named_by_its_line(name):
    with pytest.raises(AnnexesUnreadable, match="line 2"):
        read_annexes(f"{HEAD}I,C00,,,2025-01-01,,{name}\n".encode())

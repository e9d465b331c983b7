"""Amounts in words, compared with a reader that goes the other way: from the words to the number."""

from random import Random

import pytest

from billing.core.amount_words import write_in_words
from billing.core.money import DONG_MAX, Dong

_VALUES = {
    "không": 0, "một": 1, "mốt": 1, "hai": 2, "ba": 3, "bốn": 4, "năm": 5, "lăm": 5, "sáu": 6, "bảy": 7, "tám": 8,
    "chín": 9, "mười": 10,
}  # fmt: skip
_RANDOM_AMOUNTS = 100_000


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        (0, "Không đồng"),
        (10, "Mười đồng"),
        (15, "Mười lăm đồng"),
        (21, "Hai mươi mốt đồng"),
        (105, "Một trăm linh năm đồng"),
        (111, "Một trăm mười một đồng"),
        (115, "Một trăm mười lăm đồng"),
        (500_000, "Năm trăm nghìn đồng"),
        (124_620, "Một trăm hai mươi bốn nghìn sáu trăm hai mươi đồng"),
        (732_300, "Bảy trăm ba mươi hai nghìn ba trăm đồng"),
        (1_000_005, "Một triệu không trăm linh năm đồng"),
        (1_020_000, "Một triệu không trăm hai mươi nghìn đồng"),
        (2_005_000_000, "Hai tỷ không trăm linh năm triệu đồng"),
        (1_000_000_000_000, "Một nghìn tỷ đồng"),
        (10**15, "Một triệu tỷ đồng"),
    ],
)
def test_amount_is_written_as_on_the_approved_papers(amount: int, words: str) -> None:
    assert write_in_words(Dong(amount)) == words


def test_random_amounts_read_back_from_their_words() -> None:
    random = Random(20261129)
    amounts = [random.randrange(10 ** random.randint(1, 15) + 1) for _ in range(_RANDOM_AMOUNTS)]

    wrong = [amount for amount in amounts if _read(write_in_words(Dong(amount))) != amount]

    assert not wrong


@pytest.mark.slow
def test_every_amount_to_a_million_reads_back_and_has_words_of_its_own() -> None:
    sentences = [write_in_words(Dong(amount)) for amount in range(10**6 + 1)]

    assert [_read(sentence) for sentence in sentences] == list(range(10**6 + 1))
    assert len(set(sentences)) == len(sentences)


def test_amount_above_the_largest_is_refused() -> None:
    with pytest.raises(AssertionError):
        write_in_words(Dong(DONG_MAX + 1))


def _read(sentence: str) -> int:
    """The number of a sentence, from its words alone; any word or order that Vietnamese has not is an error."""
    words = sentence.lower().split()
    assert words.pop() == "đồng"
    before, found, after = " ".join(words).partition(" tỷ")
    billions, rest = (before, after) if found else ("", before)
    return _read_below_billion(billions.split()) * 10**9 + _read_below_billion(rest.split())


def _read_below_billion(words: list[str]) -> int:
    total = 0
    for unit, value in (("triệu", 10**6), ("nghìn", 10**3), ("", 1)):
        if not unit:
            group, words = words, []
        elif unit in words:
            place = words.index(unit)
            group, words = words[:place], words[place + 1 :]
        else:
            continue
        total += _read_group(group) * value
    return total


def _read_group(words: list[str]) -> int:
    """hundreds `trăm`, then tens `mươi` or `mười` or `linh`, then units in the form that follows these tens."""
    total = 0
    if len(words) > 1 and words[1] == "trăm":
        total, words = 100 * _VALUES[words[0]], words[2:]
    if len(words) > 1 and words[1] == "mươi":
        assert _VALUES[words[0]] > 1
        tens, words = 10 * _VALUES[words[0]], words[2:]
    elif words[:1] == ["mười"]:
        tens, words = 10, words[1:]
    else:
        tens = 0
        if words[:1] == ["linh"]:
            words = words[1:]
            assert words
    if words:
        [unit] = words
        assert (unit == "mốt") == (_VALUES[unit] == 1 and tens > 10)
        assert (unit == "lăm") == (_VALUES[unit] == 5 and tens > 0)
        total += _VALUES[unit]
    return total + tens

import itertools
import json
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.core.errors import InvalidValue
from billing.core.reference_code import (
    ALPHABET,
    CODE_LENGTH,
    PREFIXES,
    RANDOM_NUMBERS,
    TRANSFER_TEXT_LENGTH_MAX,
    Extraction,
    Grammar,
    PrefixesExhausted,
    ReferenceCode,
    check_character,
    extract_codes,
    is_reference_code,
    organization_grammar,
    prefix_of,
    purpose_text,
    reference_code,
    rejoined_codes,
)

_VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "transfer_content.json").read_text("utf-8"))["vectors"]
_EXTRACT = [vector for vector in _VECTORS if vector["kind"] == "extract_reference"]
_HPB = Grammar(
    prefixes=frozenset({"HPB"}), body_length=8, alphabet=frozenset("23456789ABCDEFGHJKLMNPQRSTUVWXYZ"), holds=None
)
_K7 = organization_grammar({"K7"})

codes = st.builds(
    reference_code,
    st.integers(0, PREFIXES - 1).map(prefix_of),
    st.integers(0, RANDOM_NUMBERS - 1),
)


# ---- making a code


def test_check_character_of_the_worked_example():
    # K=17 7=5 A=8 B=9 C=10 D=11 E=12 F=13 R=22:
    # 17 + 2·5 + 3·8 + 4·9 + 5·10 + 6·11 + 7·12 + 8·13 = 391, and 391 + 9·22 = 589 = 19·31.
    weighted = sum(weight * ALPHABET.index(letter) for weight, letter in enumerate("K7ABCDEFR", start=1))

    assert weighted % 31 == 0
    assert check_character("K7ABCDEF") == "R"


def test_code_is_prefix_random_part_and_check():
    number = 0
    for letter in "ABCDEF":
        number = number * 31 + ALPHABET.index(letter)

    assert reference_code("K7", number) == "K7ABCDEFR"


def test_smallest_and_largest_random_number_give_six_characters():
    assert reference_code("22", 0) == "222222222"
    assert reference_code("K7", RANDOM_NUMBERS - 1).startswith("K7ZZZZZZ")


@pytest.mark.parametrize("number", [-1, RANDOM_NUMBERS])
def test_random_number_out_of_range_is_refused(number):
    with pytest.raises(InvalidValue):
        reference_code("K7", number)


@pytest.mark.parametrize("prefix", ["", "K", "K7A", "K1", "k7", "KO", "K ", "Ký"])
def test_prefix_outside_the_alphabet_is_refused(prefix):
    with pytest.raises(InvalidValue):
        reference_code(prefix, 0)


@pytest.mark.parametrize("body", ["", "K7ABCDE", "K7ABCDEFR", "K7ABCDE0", "k7abcdef"])
def test_check_of_anything_but_eight_characters_is_refused(body):
    with pytest.raises(InvalidValue):
        check_character(body)


def test_prefixes_are_961_and_all_different():
    prefixes = {prefix_of(number) for number in range(PREFIXES)}

    assert PREFIXES == 961
    assert len(prefixes) == 961
    assert (prefix_of(0), prefix_of(1), prefix_of(960)) == ("ZZ", "ZY", "22")


def test_prefix_after_the_last_is_refused_by_name():
    with pytest.raises(PrefixesExhausted):
        prefix_of(961)


def test_negative_prefix_is_refused():
    with pytest.raises(InvalidValue):
        prefix_of(-1)


# ---- the check


@given(codes)
def test_every_made_code_holds(code):
    assert len(code) == CODE_LENGTH
    assert is_reference_code(code)


@given(codes)
@settings(max_examples=60)
def test_every_substitution_of_one_character_is_caught(code):
    for position, letter in itertools.product(range(CODE_LENGTH), ALPHABET):
        if letter != code[position]:
            assert not is_reference_code(code[:position] + letter + code[position + 1 :])


@given(codes)
@settings(max_examples=200)
def test_every_swap_of_two_characters_is_caught(code):
    assert not [swapped for swapped in _swaps(code) if is_reference_code(swapped)]


def test_no_error_is_missed_over_a_fixed_sample():
    draw = random.Random(20260101)
    for _ in range(500):
        code = reference_code(prefix_of(draw.randrange(PREFIXES)), draw.randrange(RANDOM_NUMBERS))
        substituted = (
            code[:position] + letter + code[position + 1 :]
            for position in range(CODE_LENGTH)
            for letter in ALPHABET
            if letter != code[position]
        )
        assert not any(map(is_reference_code, substituted))
        assert not any(map(is_reference_code, _swaps(code)))


def test_no_pair_of_positions_and_letters_escapes_the_check():
    # The whole argument for swaps, without codes: (i − j)·(a − b) mod 31 is never 0.
    for first, second in itertools.combinations(range(1, CODE_LENGTH + 1), 2):
        for a, b in itertools.combinations(range(len(ALPHABET)), 2):
            assert (first - second) * (a - b) % 31 != 0


@pytest.mark.parametrize("text", ["", "K7ABCDEF", "K7ABCDEFRR", "k7abcdefr", "K7ABCDEF0", "K7ABCDEFṚ", "Ｋ7ABCDEFR"])
def test_other_texts_are_no_code(text):
    assert not is_reference_code(text)


def _swaps(code):
    for first, second in itertools.combinations(range(CODE_LENGTH), 2):
        if code[first] != code[second]:
            letters = list(code)
            letters[first], letters[second] = letters[second], letters[first]
            yield "".join(letters)


# ---- the transfer text requested from the payer's bank


def test_purpose_begins_with_the_code():
    assert purpose_text(ReferenceCode("K7ABCDEFR")) == "K7ABCDEFR VIEN PHI"


def test_purpose_is_ascii_and_cut_at_25():
    purpose = purpose_text(ReferenceCode("K7ABCDEFR"), "Tạm ứng nội trú, đợt 2")

    assert purpose == "K7ABCDEFR TAM UNG NOI TRU"
    assert len(purpose) == 25


@given(codes, st.text(max_size=60))
def test_purpose_always_gives_its_code_back(code, words):
    purpose = purpose_text(code, words)

    assert len(purpose) <= 25
    assert purpose.isascii()
    assert extract_codes(purpose, organization_grammar({code[:2]})).codes[0] == code


# ---- finding codes


@pytest.mark.parametrize("vector", _EXTRACT, ids=lambda vector: vector["id"])
def test_codes_are_found_as_in_the_vectors(vector):
    grammar = Grammar(
        prefixes=frozenset({vector["grammar"]["prefix"]}),
        body_length=vector["grammar"]["body_length"],
        alphabet=frozenset(vector["grammar"]["alphabet"]),
        holds=None,
    )

    assert list(extract_codes(vector["input"]["content"], grammar).codes) == vector["expected"]["codes"]


@pytest.mark.parametrize(
    "content",
    [
        "CSTEST1HPB7K2QF9XA",  # an aggregator glues its code in front
        "HPB7K2QF9XAFT26002000001",  # a bank reference glued behind
        "CT DEN:FT26002000001 HPB7K2QF9XA",
        "BankAPINotify HPB7K2QF9XA",
        "ＨＰＢ７Ｋ２ＱＦ９ＸＡ",  # full-width letters
        "HPB7K2QF9XA-020126-09:15:30 000001",
        "HPB 7K2-QF9.XA",
    ],
)
def test_code_is_found_whatever_the_bank_did_to_the_text(content):
    assert extract_codes(content, _HPB).codes == ("HPB7K2QF9XA",)


def test_code_as_it_stands_is_not_rejoined():
    assert extract_codes("MBVCB.1.2.K7ABCDEFR VIEN PHI.CT tu 9", _K7) == Extraction(("K7ABCDEFR",), rejoined=False)


@pytest.mark.parametrize("content", ["K7ABC\nDEFR", "K7 AB CD EF R", "viện phí k7abcd-efr"])
def test_code_broken_by_spaces_is_found_rejoined(content):
    assert extract_codes(content, _K7) == Extraction(("K7ABCDEFR",), rejoined=True)


def test_whole_code_wins_over_one_that_only_squeezing_would_show():
    other = reference_code("K7", 12345)
    content = f"{other} K7ABC DEFR"

    assert extract_codes(content, _K7) == Extraction((other,), rejoined=False)


@pytest.mark.parametrize("content", ["", "K7ABCDEF", "K7ABCDEFS", "K7ABDCEFR", "K8ABCDEFR", "NGUYEN VAN A CHUYEN TIEN"])
def test_cut_mistyped_foreign_or_missing_code_is_not_found(content):
    assert extract_codes(content, _K7) == Extraction((), rejoined=False)


def test_rejoined_codes_are_reported_also_next_to_a_whole_one():
    other = reference_code("K7", 12345)

    assert rejoined_codes(f"{other} K7ABC DEFR", _K7) == (other, "K7ABCDEFR")
    assert rejoined_codes("x" * (TRANSFER_TEXT_LENGTH_MAX + 1), _K7) == ()


def test_two_codes_are_both_reported_in_order():
    other = reference_code("K7", 12345)

    assert extract_codes(f"{other}K7ABCDEFR {other}", _K7).codes == (other, "K7ABCDEFR")


def test_organization_with_two_prefixes_finds_codes_of_both():
    other = reference_code("M3", 7)

    found = extract_codes(f"K7ABCDEFR {other}", organization_grammar({"K7", "M3"}))

    assert found.codes == ("K7ABCDEFR", other)


def test_code_hidden_behind_a_false_start_is_found():
    # The prefix twice: the first offset fails the check, the second overlaps it and holds.
    assert extract_codes("K7K7ABCDEFR", _K7) == Extraction(("K7ABCDEFR",), rejoined=False)


def test_overlapping_codes_are_both_reported_without_a_check():
    grammar = Grammar(prefixes=frozenset({"AB"}), body_length=4, alphabet=frozenset("AB2"), holds=None)

    assert extract_codes("ABABAB22", grammar).codes == ("ABABAB", "ABAB22")


def test_text_beyond_the_limit_gives_no_code():
    padding = "x " * (TRANSFER_TEXT_LENGTH_MAX // 2)

    assert extract_codes("K7ABCDEFR " + padding, _K7) == Extraction((), rejoined=False)
    assert extract_codes("K7ABCDEFR " + padding[: TRANSFER_TEXT_LENGTH_MAX - 10], _K7).codes == ("K7ABCDEFR",)


@given(st.text(max_size=300))
def test_any_text_gives_only_codes_that_hold(content):
    for code in extract_codes(content, _K7).codes:
        assert is_reference_code(code)
        assert code.startswith("K7")


@given(codes, st.text(max_size=40), st.text(max_size=40))
def test_code_is_found_between_any_other_text(code, before, after):
    assert code in extract_codes(f"{before} {code} {after}", organization_grammar({code[:2]})).codes


@pytest.mark.parametrize(
    ("prefixes", "body_length", "alphabet"),
    [
        (frozenset(), 7, frozenset(ALPHABET)),
        (frozenset({""}), 7, frozenset(ALPHABET)),
        (frozenset({"K7"}), 0, frozenset("A")),
    ],
)
def test_grammar_that_would_find_everything_or_nothing_is_refused(prefixes, body_length, alphabet):
    with pytest.raises(InvalidValue):
        Grammar(prefixes=prefixes, body_length=body_length, alphabet=alphabet)

import json
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.domain.text import transliterate, upper_without_marks

_VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "transfer_content.json").read_text("utf-8"))["vectors"]
_TRANSLITERATE = [vector for vector in _VECTORS if vector["kind"] == "transliterate"]


@pytest.mark.parametrize("vector", _TRANSLITERATE, ids=lambda vector: vector["id"])
def test_text_is_transliterated_as_the_vectors_say(vector):
    assert transliterate(vector["input"]["text"]) == vector["expected"]["ascii"]


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_composed_and_decomposed_letters_are_written_alike(form):
    text = unicodedata.normalize(form, "Nguyễn Thị Đào, phường Thuỵ Khuê")

    assert transliterate(text) == "Nguyen Thi Dao phuong Thuy Khue"


def test_text_without_a_letter_becomes_empty():
    assert transliterate("  …–—  \u200b") == ""


@given(st.text(max_size=200))
def test_any_text_becomes_plain_ascii_and_stays_so(text):
    written = transliterate(text)

    assert written.isascii()
    assert written == written.strip()
    assert all(letter.isalnum() or letter == " " for letter in written)
    assert "  " not in written
    assert transliterate(written) == written


def test_folding_undoes_full_width_marks_and_case_and_keeps_signs():
    assert upper_without_marks("Ｋ７ab-đã\nTrả") == "K7AB-DA\nTRA"

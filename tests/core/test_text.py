import json
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.core.text import compose, is_garbled, is_person_name, normalize_heading, transliterate, upper_without_marks

_VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "transfer_content.json").read_text("utf-8"))["vectors"]
_TRANSLITERATE = [vector for vector in _VECTORS if vector["kind"] == "transliterate"]


@pytest.mark.parametrize("vector", _TRANSLITERATE, ids=lambda vector: vector["id"])
def test_text_is_transliterated_as_in_the_vectors(vector):
    assert transliterate(vector["input"]["text"]) == vector["expected"]["ascii"]


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_composed_and_decomposed_letters_are_written_equally(form):
    text = unicodedata.normalize(form, "Nguyễn Thị Đào, phường Thuỵ Khuê")

    assert transliterate(text) == "Nguyen Thi Dao phuong Thuy Khue"


@pytest.mark.parametrize("letter", "ÐƉĐ")
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_letters_that_look_like_d_with_a_stroke_are_one_letter(letter, form):
    text = unicodedata.normalize(form, f"{letter}ợt {letter.lower()}iều trị")

    assert transliterate(text) == "Dot dieu tri"
    assert upper_without_marks(text) == "DOT DIEU TRI"
    assert compose(text) == "Đợt điều trị"
    assert normalize_heading(text) == "dot dieu tri"


def test_hidden_marks_are_left_out_of_a_name_and_a_heading():
    assert compose("\ufeffNguyễn\u200b Văn\u00ad Mẫu") == "Nguyễn Văn Mẫu"
    assert normalize_heading("\ufeffMã\u200b dịch\u00a0vụ") == "ma dich vu"


def test_heading_of_letters_that_only_look_latin_is_found():
    assert normalize_heading("Mã dịсh vụ") == "ma dich vu", "с is Cyrillic"
    assert normalize_heading("Ｍã dịch vụ") == "ma dich vu", "Ｍ is a full-width letter"


NAMES = ["Nguyễn Văn Mẫu", "TRẦN THỊ ĐÀO", "Lê Hồng Ðức", "Hoàng Thuỵ Quỳnh Ỷ", "Y Blô Êban", "K'Brốp Niê", "José"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_name_of_a_person_is_one_in_either_form(name, form):
    assert is_person_name(unicodedata.normalize(form, name))


@pytest.mark.parametrize("code_page", ["cp1252", "cp1258", "latin-1", "big5", "cp437", "utf-16-le"])
@pytest.mark.parametrize("name", ["Nguyễn Văn Mẫu", "TRẦN THỊ ĐÀO", "Hồ Quỳnh", "Lê Ð"])
def test_name_read_in_another_encoding_is_none(name, code_page):
    assert not is_person_name(name.encode().decode(code_page, "replace"))


@pytest.mark.parametrize("name", ["", "123", "Nguy\ufffdn", "N|guyen", "Nguyễn\x7f"])
def test_text_that_is_no_name_is_none(name):
    assert not is_person_name(name)


@pytest.mark.parametrize(
    "text",
    [
        "Định lượng β-hCG",
        "α-fetoprotein (AFP)",
        "Thuốc 50 µg/ml ± 5 %",
        "Đo ở 37 °C, 2 m² – 3 “lần”",
        "Dịch vụ nº 1",
        "10 Ω",
    ],
)
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_names_of_services_with_greek_letters_and_signs_are_not_garbled(text, form):
    assert not is_garbled(unicodedata.normalize(form, text))


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


def test_heading_key_normalizes_full_width_marks_and_case_and_keeps_signs():
    assert upper_without_marks("Ｋ７ab-đã\nTrả") == "K7AB-DA\nTRA"

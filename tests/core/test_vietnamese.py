"""Vietnamese syllables, and names in VNI or TCVN3: every real name is kept, nearly every other is recognised."""

import unicodedata
from itertools import product

import pytest

from billing.core.vietnamese import is_read_from_vni_or_tcvn3, is_syllable

FAMILY_NAMES = [
    "Nguyễn",
    "Trần",
    "Lê",
    "Phạm",
    "Hoàng",
    "Huỳnh",
    "Phan",
    "Vũ",
    "Võ",
    "Đặng",
    "Bùi",
    "Đỗ",
    "Hồ",
    "Ngô",
    "Dương",
    "Lý",
    "Đào",
    "Đoàn",
    "Vương",
    "Trịnh",
    "Trương",
    "Đinh",
    "Lâm",
    "Phùng",
    "Mai",
    "Tô",
    "Hà",
    "Tạ",
    "Cao",
    "Lương",
    "Thái",
    "Châu",
    "Tăng",
    "Quách",
    "Chu",
    "Kiều",
    "Lưu",
    "Nghiêm",
    "Lại",
    "Mạc",
    "Khổng",
    "Hứa",
    "Từ",
    "Thạch",
    "Sơn",
    "Kim",
    "Danh",
    "La",
    "Nông",
    "Lò",
    "Cầm",
    "Quàng",
    "Vi",
    "Lục",
    "Bế",
    "Giàng",
    "Thào",
    "Vàng",
    "Sùng",
    "Lầu",
    "Hạng",
    "Cứ",
    "Tráng",
    "Lù",
    "Ly",
    "Phàn",
    "Tẩn",
    "Chảo",
    "Đèo",
    "Tòng",
    "Cà",
    "Lường",
    "Voòng",
    "Chíu",
    "Nình",
    "Tằng",
    "Ứng",
    "Ngụy",
    "Ông",
    "Âu",
    "Ấu",
    "Ân",
    "Ưng",
    "Úc",
    "Uông",
]
MIDDLE_NAMES = [
    "Văn",
    "Thị",
    "Hữu",
    "Quang",
    "Ngọc",
    "Xuân",
    "Bá",
    "Trí",
    "Thuỳ",
    "Thùy",
    "Mí",
    "A",
    "Seo",
    "Sỹ",
    "Mỹ",
    "Ý",
    "Hà",
]
GIVEN_NAMES = [
    "An",
    "Ánh",
    "Bằng",
    "Bích",
    "Bình",
    "Cúc",
    "Cường",
    "Diễm",
    "Dũng",
    "Duyên",
    "Đạt",
    "Đức",
    "Giang",
    "Hà",
    "Hạnh",
    "Hằng",
    "Hiếu",
    "Hoà",
    "Hòa",
    "Hoài",
    "Hoè",
    "Hồng",
    "Huế",
    "Huệ",
    "Huyền",
    "Huỳnh",
    "Hương",
    "Khánh",
    "Khoa",
    "Khoá",
    "Khôi",
    "Khuê",
    "Kiệt",
    "Kỳ",
    "Lan",
    "Lệ",
    "Linh",
    "Lộc",
    "Lý",
    "Mẫn",
    "Minh",
    "Mỹ",
    "Ngà",
    "Ngọc",
    "Nguyệt",
    "Nhã",
    "Nhung",
    "Oanh",
    "Páo",
    "Phúc",
    "Phượng",
    "Quế",
    "Quí",
    "Quý",
    "Quốc",
    "Quyên",
    "Quỳnh",
    "Sáng",
    "Séo",
    "Sính",
    "Sò",
    "Sơn",
    "Tâm",
    "Thảo",
    "Thoả",
    "Thuỳ",
    "Thùy",
    "Thuỷ",
    "Thuý",
    "Thúy",
    "Thuyên",
    "Tín",
    "Toán",
    "Trà",
    "Tráng",
    "Trâm",
    "Trí",
    "Trúc",
    "Tú",
    "Tuệ",
    "Tùng",
    "Tuý",
    "Túy",
    "Tuyết",
    "Úc",
    "Út",
    "Uyên",
    "Vĩnh",
    "Vọng",
    "Vỹ",
    "Xuyến",
    "Yến",
    "Ý",
    "Úy",
    "Uý",
]
OTHER_NAMES = [
    *("Y Blô Êban", "K'Brốp Niê", "Y Moan Ênuôl", "H'Hen Niê", "Rơ Châm H'Bơng", "Siu Black", "Arâl Bích"),
    *("Kpă Púi", "Nay Đét", "Chamaléa Bốc", "Y Thanh Niê Kđăm", "K'Ré", "Y Xôm Hmôk", "Lò Ót", "Krajăn Plin", "Y Wê"),
    *("José Nguyễn", "François Trần", "Zoë Phạm", "Chloé Lê", "Léa Hà", "Kim Müller", "Lê Noël", "Maria Trần Thị Loan"),
]


def forms(name: str) -> set[str]:
    return {
        unicodedata.normalize(form, written)
        for form in ("NFC", "NFD")
        for written in (name, name.upper(), name.lower())
    }


def test_no_real_name_is_recognised_as_another_encoding() -> None:
    names = [" ".join(words) for words in product(FAMILY_NAMES, MIDDLE_NAMES, GIVEN_NAMES)]
    others = [form for name in (*OTHER_NAMES, *FAMILY_NAMES, *GIVEN_NAMES) for form in forms(name)]

    assert [name for name in (*names, *others) if is_read_from_vni_or_tcvn3(name)] == []


@pytest.mark.parametrize("word", sorted({*FAMILY_NAMES, *MIDDLE_NAMES, *GIVEN_NAMES}))
def test_word_of_a_name_is_a_syllable_in_every_form(word: str) -> None:
    assert all(is_syllable(form) for form in forms(word))


@pytest.mark.parametrize("word", ["", "Niê", "Blô", "Krông", "Zét", "Ñinh", "Vaên", "Trườngg", "hợợp", "phừc", "1"])
def test_word_that_is_spelled_otherwise_is_no_syllable(word: str) -> None:
    assert not is_syllable(word)


@pytest.mark.parametrize(
    "text",
    [
        *("NGUYEÃN VAÊN A", "Nguyeãn Vaên Ñöùc", "Tröông Thò Thuùy", "Leâ Hoàng Phuùc", "Ñoã Myõ Lyù"),
        *("TrÇn ThÞ Hoa", "NguyÔn ThÞ HiÒn", "Ph¹m V¨n §øc", "Lª Quèc TuÊn", "D­¬ng Hång Ngäc"),
    ],
)
def test_name_in_vni_or_tcvn3_is_recognised(text: str) -> None:
    assert is_read_from_vni_or_tcvn3(text)


def test_name_that_is_spelled_well_in_both_readings_is_kept() -> None:
    assert not is_read_from_vni_or_tcvn3("Hoà Bích Sôn"), "in VNI it would be Hồ Bích Sơn"

"""The QR codes of citizen and insurance cards as scanners type them; all persons are invented."""

import unicodedata
from datetime import date

import pytest

from billing.visits.domain.invalid_input import BenefitDigitUnknown
from billing.visits.formats.citizen_card_qr import CitizenCard, NotACitizenCard, read_citizen_card
from billing.visits.formats.insurance_card_qr import NotAnInsuranceCard, read_insurance_card
from billing.visits.formats.qr_fields import LENGTH_MAX, CardUnreadable

CITIZEN = "001099000001||Nguyễn Văn Mẫu|01021999|Nam|Số 1 Phố Mẫu, Hà Nội|15032023"

NAME, ADDRESS, PARENT = (text.encode().hex() for text in ("Nguyễn Văn Mẫu", "Số 1 Phố Mẫu", "Trần Thị Mẫu"))
PLACE = "BHXH Thành phố Hà Nội".encode().hex()
OLD_CARD = f"DN4791234567890|{NAME}|01/02/1999|1|{ADDRESS}|01 - 001|01/01/2026|31/12/2026|20/12/2025"
CHILD = (
    f"1234567890|{NAME}|2024|2|{ADDRESS}|79 - 024|01/01/2026|-|20/12/2025|7900000000001|{PARENT}|4| 01/01/2031"
    f"|abcdef-7|1|{PLACE}|$"
)


def with_field(card: str, position: int, text: str) -> str:
    fields = card.split("|")
    fields[position] = text
    return "|".join(fields)


def test_citizen_card_states_who_it_is() -> None:
    assert read_citizen_card(CITIZEN) == CitizenCard(
        citizen_number="001099000001",
        old_number="",
        name="Nguyễn Văn Mẫu",
        birth="19990201",
        sex="1",
        address="Số 1 Phố Mẫu, Hà Nội",
        issued_on=date(2023, 3, 15),
    )


@pytest.mark.parametrize(
    "scanned",
    [CITIZEN.encode(), b"\xef\xbb\xbf" + CITIZEN.encode(), CITIZEN + "\r\n", f" {CITIZEN}", "\ufeff" + CITIZEN],
)
def test_bytes_marks_and_ends_of_line_of_a_scanner_change_nothing(scanned: bytes | str) -> None:
    assert read_citizen_card(scanned) == read_citizen_card(CITIZEN)


def test_citizen_card_may_lack_the_day_of_issue_or_have_more_fields() -> None:
    assert read_citizen_card(CITIZEN.rpartition("|")[0]).issued_on is None
    assert read_citizen_card(f"{CITIZEN}|||Trần Thị Mẫu") == read_citizen_card(CITIZEN)
    assert read_citizen_card(with_field(CITIZEN, 1, "012345678")).old_number == "012345678"


@pytest.mark.parametrize("name", ["Mai Trí", "Phan Thu Hà", "Phan Chí Trung", "Đỗ Văn Mẫu"])
@pytest.mark.parametrize("code_page", ["cp1252", "latin-1"])
def test_a_name_read_in_another_encoding_is_refused_where_its_bytes_look_like_blanks(name: str, code_page: str) -> None:
    """The second byte of `à` reads as a no-break space, that of `í` as a soft hyphen."""
    garbled = with_field(CITIZEN, 2, name).encode().decode(code_page, "replace")

    with pytest.raises(CardUnreadable):
        read_citizen_card(garbled)


@pytest.mark.parametrize(
    "name",
    ["NGUYEÃN VAÊN A", "Traàn Thò Hoa", "Ñinh Tröôøng", "Nguyeãn Thò Myõ Haïnh", "TrÇn ThÞ Hoa", "NguyÔn ThÞ Mü H¹nh"],
)
def test_name_in_vni_or_tcvn3_is_refused(name: str) -> None:
    with pytest.raises(CardUnreadable, match="no Vietnamese text"):
        read_citizen_card(with_field(CITIZEN, 2, name))


@pytest.mark.parametrize("name", ["Hoà Thuý Ngà", "José Trần", "Y Blô Niê", "Sùng A Páo", "NGUYỄN VĂN A"])
def test_name_of_latin_letters_that_is_spelled_so_is_read(name: str) -> None:
    assert read_citizen_card(with_field(CITIZEN, 2, name)).name == name


@pytest.mark.parametrize("address", ["An Trí", "12 Tây Hà", "Trí An, Vinh"])
def test_an_address_read_in_another_encoding_is_unknown_where_its_bytes_look_like_blanks(address: str) -> None:
    garbled = address.encode().decode("latin-1")

    assert read_citizen_card(with_field(CITIZEN, 5, garbled)).address == ""
    assert read_citizen_card(with_field(CITIZEN, 5, garbled).rpartition("|")[0]).address == ""


@pytest.mark.parametrize("birth", ["31022000", "2000", "01021799", "1", "", "0102199x", "19990201"])
def test_malformed_day_of_a_citizen_card_is_unknown_and_no_error(birth: str) -> None:
    card = read_citizen_card(with_field(with_field(CITIZEN, 3, birth), 6, birth))

    assert card.birth == ("2000" if birth == "2000" else "")
    assert card.issued_on is None


@pytest.mark.parametrize(("written", "sex"), [("Nữ", "2"), ("NAM", "1"), ("nữ", "2"), ("N?", ""), ("", "")])
def test_sex_is_that_of_the_data_standard_or_unknown(written: str, sex: str) -> None:
    assert read_citizen_card(with_field(CITIZEN, 4, written)).sex == sex


@pytest.mark.parametrize(
    "scanned",
    [
        "",
        "|",
        "00109900000|" + CITIZEN[13:],
        "0010990000012||A|01021999|Nam|B",
        "00109900000١||A|01021999|Nam|B|15032023",
        "001099000001||Nguyễn Văn Mẫu|01021999|Nam",
        "001099000001|||01021999|Nam|B|15032023",
        OLD_CARD,
        "00020101021238540010A000000727",
    ],
)
def test_another_code_is_no_citizen_card(scanned: str) -> None:
    with pytest.raises(NotACitizenCard):
        read_citizen_card(scanned)


@pytest.mark.parametrize(
    "scanned", [b"001099000001||\xff", CITIZEN + "\x00|", "0" * (LENGTH_MAX + 1), CITIZEN + "\ud800"]
)
def test_what_is_no_text_is_no_card(scanned: bytes | str) -> None:
    for read in (read_citizen_card, read_insurance_card):
        with pytest.raises(CardUnreadable):
            read(scanned)


def test_old_insurance_card_stops_after_the_day_of_issue() -> None:
    card = read_insurance_card(OLD_CARD)

    assert (card.code, card.is_full, card.benefit_digit) == ("DN4791234567890", True, "4")
    assert (card.name, card.birth, card.sex) == ("Nguyễn Văn Mẫu", "19990201", "1")
    assert (card.address, card.facility) == ("Số 1 Phố Mẫu", "01001")
    assert (card.valid_from, card.valid_to) == (date(2026, 1, 1), date(2026, 12, 31))
    assert (card.issued_on, card.five_years_from, card.parent) == (date(2025, 12, 20), None, "")
    assert read_insurance_card(f"{OLD_CARD}|$") == card


def test_new_insurance_card_of_a_child_has_a_number_a_parent_and_a_printed_digit() -> None:
    card = read_insurance_card(CHILD)

    assert (card.code, card.is_full, card.benefit_digit) == ("1234567890", False, "1")
    assert (card.birth, card.sex, card.facility, card.valid_to) == ("2024", "2", "79024", None)
    assert (card.parent, card.area, card.five_years_from) == ("Trần Thị Mẫu", "4", date(2031, 1, 1))
    assert (card.management_number, card.check, card.issued_at) == (
        "7900000000001",
        "abcdef-7",
        "BHXH Thành phố Hà Nội",
    )


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("TE101KT00000123", ""),
        ("TE179KT00000123", "TE179KT00000123"),
        ("TE1 79 123 456 7890", "TE1791234567890"),
        ("te1791234567890", "TE1791234567890"),
        ("001099000001", "001099000001"),
    ],
)
def test_temporary_codes_and_numbers_alone_are_accepted(written: str, code: str) -> None:
    """A newborn's temporary code has letters after the province; the gateway decides what it is worth (B-003)."""
    assert read_insurance_card(with_field(OLD_CARD, 0, written)).code == (code or written)


@pytest.mark.parametrize("digit", ["7", "0", "6", "9"])
def test_benefit_digit_that_does_not_exist_is_named(digit: str) -> None:
    with pytest.raises(BenefitDigitUnknown) as refusal:
        read_insurance_card(with_field(OLD_CARD, 0, f"DN{digit}791234567890"))

    assert refusal.value.field == "MA_THE_BHYT"


@pytest.mark.parametrize("name", [NAME[:-1], NAME[:-4], "Nguyễn Văn Mẫu", "zz", "-", "", "00", "c3"])
def test_name_that_is_not_whole_hex_is_left_out(name: str) -> None:
    assert read_insurance_card(with_field(OLD_CARD, 1, name)).name == ""


def test_hex_in_small_and_capital_letters_is_one() -> None:
    assert read_insurance_card(with_field(OLD_CARD, 1, NAME.upper())) == read_insurance_card(OLD_CARD)


@pytest.mark.parametrize("position", range(1, 9))
def test_any_field_may_be_unreadable(position: int) -> None:
    assert read_insurance_card(with_field(OLD_CARD, position, "?")).code == "DN4791234567890"


@pytest.mark.parametrize(
    "scanned",
    [
        "",
        "$",
        "|$",
        "123456789" + OLD_CARD[15:],
        "DN479123456789" + OLD_CARD[15:],
        "DN4791234567890",
        OLD_CARD.rpartition("|")[0],
        OLD_CARD.replace("|1|", "|$|"),
        CITIZEN.replace("001099000001", "0010990000012"),
    ],
)
def test_another_or_half_a_code_is_no_insurance_card(scanned: str) -> None:
    with pytest.raises(NotAnInsuranceCard):
        read_insurance_card(scanned)


@pytest.mark.parametrize("sex", ["Nữ", "NỮ", "nữ"])
def test_decomposed_letters_of_a_citizen_card_are_read(sex: str) -> None:
    scanned = unicodedata.normalize("NFD", with_field(CITIZEN, 4, sex))

    card = read_citizen_card(scanned)

    assert (card.name, card.sex, card.address) == ("Nguyễn Văn Mẫu", "2", "Số 1 Phố Mẫu, Hà Nội")


def test_confusable_letter_in_a_name_is_the_vietnamese_one() -> None:
    assert read_citizen_card(with_field(CITIZEN, 2, "Ðỗ Văn ðức")).name == "Đỗ Văn đức"
    hexed = unicodedata.normalize("NFD", "Ðỗ Văn Đức").encode().hex()
    assert read_insurance_card(with_field(OLD_CARD, 1, hexed)).name == "Đỗ Văn Đức"


@pytest.mark.parametrize("code_page", ["cp1252", "cp1258", "latin-1", "big5"])
def test_garbled_name_is_no_name(code_page: str) -> None:
    garbled = CITIZEN.encode().decode(code_page, "replace").replace("\x81", "").replace("\x90", "")
    name = "Nguyễn Văn Mẫu".encode().decode(code_page, "replace").encode().hex()

    with pytest.raises(CardUnreadable, match="set the scanner to UTF-8") as refusal:
        read_citizen_card(garbled)
    assert refusal.value.field == "HO_TEN"
    assert read_insurance_card(with_field(OLD_CARD, 1, name)).name == ""

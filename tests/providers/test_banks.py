import re

from providers.banks import bank_of, banks


def test_every_bank_has_six_digits_and_a_name():
    assert len(banks()) == 46
    for bank_bin, bank in banks().items():
        assert re.fullmatch(r"[0-9]{6}", bank_bin)
        assert bank.bin == bank_bin
        assert bank.name.strip()


def test_bank_is_found_by_its_bin():
    assert bank_of("970436").name == "Vietcombank"
    assert bank_of("970403").name == "Sacombank"  # one published schema gives this BIN to VietinBank, wrongly


def test_unknown_bin_is_no_bank():
    assert bank_of("999999") is None

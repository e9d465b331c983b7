"""Reading codes back: the same payee, amount and text as the builder meant, and nothing of a code that is not whole."""

import pytest

from billing.checkout.formats.vietqr import DecodedQr, read_vietqr
from providers.emvqr import Particulars, Service, VietQr, VnpayQr, build_vietqr, build_vnpay_qr, crc16

CODE = build_vietqr(
    VietQr(
        bank_bin="970436",
        account_number="0123456789012",
        amount=136_000,
        particulars=Particulars(purpose="K7ABCDEFR VIEN PHI"),
    )
)


def checked(text: str) -> str:
    """A text under a checksum that holds."""
    return text + crc16(text)


def test_code_reads_back_as_it_was_meant() -> None:
    assert read_vietqr(CODE) == DecodedQr(
        bank_bin="970436", account_number="0123456789012", amount=136_000, purpose="K7ABCDEFR VIEN PHI"
    )


def test_code_without_an_amount_leaves_it_to_the_payer() -> None:
    read = read_vietqr(build_vietqr(VietQr(bank_bin="970436", account_number="1")))

    assert read is not None
    assert (read.amount, read.purpose) == (None, "")


@pytest.mark.parametrize("position", range(len(CODE)))
def test_changed_character_is_never_read(position: int) -> None:
    other = "0" if CODE[position] != "0" else "1"

    assert read_vietqr(CODE[:position] + other + CODE[position + 1 :]) is None


@pytest.mark.parametrize("length", [0, 1, 4, 20, len(CODE) - 1])
def test_cut_code_is_not_read(length: int) -> None:
    assert read_vietqr(CODE[:length]) is None


@pytest.mark.parametrize(
    "payload",
    [
        build_vietqr(VietQr(bank_bin="970436", account_number="9704360123456789", service=Service.CARD)),
        build_vnpay_qr(VnpayQr(merchant_id="BV01", amount=5)),
        checked(CODE[:-4].replace("5303704", "5303840")),
        checked(CODE[:-4].replace("5406136000", "5406000000")),
        checked(CODE[:-4].replace("5406136000", "54061360.0")),
        checked("0002016304"),
        CODE + "x",
        CODE.replace("VIEN", "VIÊN"),
        "https://example.vn",
    ],
)
def test_what_is_no_whole_transfer_to_an_account_is_not_read(payload: str) -> None:
    assert read_vietqr(payload) is None

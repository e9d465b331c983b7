import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from providers.emvqr import (
    AMOUNT_MAX,
    FieldRefused,
    NotAVietQr,
    Particulars,
    QrError,
    Service,
    VietQr,
    VnpayQr,
    WrongPayee,
    build_vietqr,
    build_vnpay_qr,
    check_payee,
    crc16,
    is_intact,
    parse,
)

_VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "vietqr.json").read_text("utf-8"))["vectors"]
_NAMES = {"init_method": "initiation", "account": "account_number", "postal": "postal_code"}
_INVOICE = (
    "00020101021238570010A00000072701270006970436011300000000000170208QRIBFTTA530370454063500005802VN"
    "62150811HPB7K2QF9XA6304E3ED"
)


def _of_kind(*kinds):
    chosen = [vector for vector in _VECTORS if vector["kind"] in kinds]
    assert chosen
    return pytest.mark.parametrize("vector", chosen, ids=lambda vector: vector["id"])


def _vietqr(given):
    values = {_NAMES.get(name, name): value for name, value in given.items()}
    return VietQr(
        bank_bin=values.pop("bank_bin"),
        account_number=values.pop("account_number"),
        amount=int(values.pop("amount")) if "amount" in values else None,
        service=Service(values.pop("service", "QRIBFTTA")),
        particulars=Particulars(**values),
    )


def _sealed(body):
    return body + "6304" + crc16(body + "6304")


# ---- the vectors


def test_every_kind_of_vector_but_the_aggregators_is_tested_here():
    kinds = {vector["kind"] for vector in _VECTORS if not vector["kind"].startswith("vietqrvn_")}

    assert kinds == {
        "build", "build_emvco_variant", "build_vnpayqr", "parse", "parse_emvco_variant", "parse_validity", "crc16",
        "sdk_quirk",
    }  # fmt: skip


@_of_kind("build", "build_emvco_variant")
def test_vietqr_is_built_as_in_the_vectors(vector):
    assert build_vietqr(_vietqr(vector["input"])) == vector["expected"]["payload"]


@_of_kind("build_vnpayqr")
def test_vnpay_qr_is_built_as_in_the_vectors(vector):
    values = vector["input"]
    code = VnpayQr(
        merchant_id=values["merchantId"],
        particulars=Particulars(
            merchant_name=values["merchantName"], store_label=values["store"], terminal_label=values["terminal"]
        ),
    )

    assert build_vnpay_qr(code) == vector["expected"]["payload"]


@_of_kind("parse", "parse_emvco_variant")
def test_code_is_read_as_in_the_vectors(vector):
    parsed = parse(vector["input"]["payload"])

    expected = {_NAMES.get(name, name): value for name, value in vector["expected"].items()}
    if "valid" in expected:
        expected["crc_valid"] = expected.pop("valid")
    if expected["amount"] is not None:
        expected["amount"] = int(expected["amount"])
    assert {name: getattr(parsed, name) for name in expected} == expected


@_of_kind("parse_validity")
def test_changed_code_is_not_intact(vector):
    assert is_intact(vector["input"]["payload"]) is vector["expected"]["valid"]


@_of_kind("crc16")
def test_crc_is_computed_as_in_the_vectors(vector):
    assert crc16(vector["input"]["ascii"]) == vector["expected"]["crc"]


@_of_kind("sdk_quirk")
def test_text_that_is_not_ascii_is_refused_in_both_directions(vector):
    with pytest.raises(FieldRefused, match="purpose"):
        _vietqr(vector["input"])
    with pytest.raises(NotAVietQr):
        parse(vector["expected"]["sdk_payload"])


# ---- building


def test_code_with_amount_is_for_one_use_unless_stated_otherwise():
    once = VietQr(bank_bin="970436", account_number="17", amount=1)
    reusable = VietQr(bank_bin="970436", account_number="17", amount=1, is_reusable=True)

    assert parse(build_vietqr(once)).initiation == "12"
    assert parse(build_vietqr(reusable)).initiation == "11"
    assert parse(build_vietqr(reusable)).amount == 1


@pytest.mark.parametrize("bank_bin", ["", "97043", "9704366", "97043A", "９７０４３６", "970436 ", "970436\n"])
def test_wrong_bin_is_refused(bank_bin):
    with pytest.raises(FieldRefused, match="bank_bin"):
        VietQr(bank_bin=bank_bin, account_number="17")


@pytest.mark.parametrize("account_number", ["", "1" * 20, "12 34", "12-34", "tàikhoản", "17\n"])
def test_wrong_account_is_refused(account_number):
    with pytest.raises(FieldRefused, match="account_number"):
        VietQr(bank_bin="970436", account_number=account_number)


@pytest.mark.parametrize("amount", [0, -1, AMOUNT_MAX + 1, True, 1.0, "1"])
def test_amount_that_is_no_whole_dong_of_13_digits_is_refused(amount):
    with pytest.raises(FieldRefused, match="amount"):
        VietQr(bank_bin="970436", account_number="17", amount=amount)
    with pytest.raises(FieldRefused, match="amount"):
        VnpayQr(merchant_id="17", amount=amount)


@pytest.mark.parametrize("merchant_id", ["", "1" * 21, "a b"])
def test_wrong_merchant_of_vnpay_qr_is_refused(merchant_id):
    with pytest.raises(FieldRefused, match="merchant_id"):
        VnpayQr(merchant_id=merchant_id)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("purpose", "A" * 26),
        ("purpose", "Viện phí"),
        ("purpose", "A-B"),
        ("purpose", " A"),
        ("purpose", "A\n"),
        ("merchant_name", "A" * 26),
        ("city", "A" * 16),
        ("postal_code", "1" * 11),
        ("category", "806"),
        ("category", "80A2"),
        ("bill_number", "INV/1"),
    ],
)
def test_particular_out_of_line_is_refused_by_name(field, value):
    with pytest.raises(FieldRefused, match=field):
        Particulars(**{field: value})


def test_particulars_that_together_overflow_their_template_are_refused():
    labels = Particulars(bill_number="A" * 25, store_label="B" * 25, reference_label="C" * 25, purpose="D" * 25)

    with pytest.raises(FieldRefused, match="tag 62"):
        build_vietqr(VietQr(bank_bin="970436", account_number="17", particulars=labels))


_words = st.text("ABCXYZabc012 ", max_size=15).map(str.strip)
_codes = st.builds(
    VietQr,
    bank_bin=st.from_regex(r"[0-9]{6}", fullmatch=True, alphabet=st.characters(codec="ascii")),
    account_number=st.from_regex(r"[0-9A-Za-z]{1,19}", fullmatch=True, alphabet=st.characters(codec="ascii")),
    amount=st.none() | st.integers(1, AMOUNT_MAX),
    is_reusable=st.booleans(),
    service=st.sampled_from(Service),
    particulars=st.builds(
        Particulars,
        category=st.sampled_from(["", "8062"]),
        merchant_name=_words,
        city=_words,
        bill_number=_words,
        customer_label=_words,
        terminal_label=_words,
        purpose=_words,
    ),
)


@given(_codes)
def test_what_is_built_is_read_back(code):
    parsed = parse(build_vietqr(code))

    assert parsed.crc_valid
    assert (parsed.bank_bin, parsed.account_number, parsed.amount) == (code.bank_bin, code.account_number, code.amount)
    assert parsed.service == code.service
    for name in ("category", "merchant_name", "city", "bill_number", "customer_label", "terminal_label", "purpose"):
        assert (getattr(parsed, name) or "") == getattr(code.particulars, name)


# ---- reading


@given(st.text(max_size=120) | st.text("0123456789AVN", max_size=120))
@example("\ud800")
@example("00020101021138")
@example("6304" + "F" * 4)
def test_any_text_is_read_or_refused_by_name(text):
    with contextlib.suppress(NotAVietQr):
        parse(text)
    assert is_intact(text) in {True, False}
    with pytest.raises(QrError):
        check_payee(text, bank_bin="970436", account_number="0000000000017")


@given(st.integers(0, len(_INVOICE) - 1), st.characters(codec="utf-8"))
def test_code_with_one_other_character_is_never_intact(position, letter):
    changed = _INVOICE[:position] + letter + _INVOICE[position + 1 :]
    assume(changed[:-4] + changed[-4:].upper() != _INVOICE)  # the case of the CRC is no change

    assert not is_intact(changed)


@pytest.mark.parametrize("length", range(len(_INVOICE)))
def test_cut_code_is_refused(length):
    with pytest.raises(NotAVietQr):
        parse(_INVOICE[:length])


def test_lower_case_crc_and_trailing_white_space_are_taken():
    parsed = parse(_INVOICE[:-4] + _INVOICE[-4:].lower() + " \r\n")

    assert parsed.crc_valid
    assert parsed.crc == "e3ed"


_BODY = _INVOICE[:-8]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (_INVOICE + "X", "two digits each"),
        (_INVOICE + "6304E3ED", "tag 63 stands twice"),
        (_sealed(_BODY) + "9902AB", "ends with a CRC"),
        (" " + _INVOICE, "two digits each"),
        (_INVOICE[:-4] + "E3EX", "ends with a CRC"),
        (_BODY + "6303E3E", "ends with a CRC"),
        (_BODY, "ends with a CRC"),
        (_sealed(_BODY + "5802VN"), "tag 58 stands twice"),
        (_sealed(_BODY.replace("62150811", "62300811") + "0811HPB7K2QF9XA"), "tag 08 stands twice"),
        (_sealed("000202" + _BODY[6:]), "begins with format 01"),
        (_sealed("010212" + _BODY[:6] + _BODY[12:]), "begins with format 01"),
        (_sealed(_BODY.replace("010212", "010213")), "neither static nor dynamic"),
        (_sealed(_BODY.replace("010212", "")), "neither static nor dynamic"),
        (_sealed(_BODY.replace("5303704", "5303840")), "in đồng"),
        (_sealed(_BODY.replace("5802VN", "5802US")), "of Vietnam"),
        (_sealed(_BODY.replace("5802VN", "")), "of Vietnam"),
        (_sealed(_BODY.replace("5406350000", "5400")), "tag 54 is empty"),
        (_sealed(_BODY.replace("5406350000", "540635000.")), "no whole amount"),
        (_sealed(_BODY.replace("5406350000", "541435000000000000")), "no whole amount"),
        (_sealed(_BODY.replace("A000000727", "A000000775")), "another network"),
        (_sealed(_BODY.replace("0006970436", "000697043X")), "names a bank"),
        (_sealed(_BODY + "26280010A00000077501100100000017"), "exactly one payee"),
        (_sealed("00020101021153037045802VN"), "exactly one payee"),
        (_sealed("00020101021127140010A00000072753037045802VN"), "exactly one payee"),
        (_sealed("00020101021126200010A00000077501030053037045802VN"), "is empty or cut"),
        (_sealed("00020101021126200010A0000007750102--53037045802VN"), "names a merchant"),
        ("", "begins with format 01"),
        ("٠٠٠٢٠١", "ASCII"),
    ],
)
def test_text_that_breaks_the_format_is_refused(payload, reason):
    with pytest.raises(NotAVietQr, match=reason):
        parse(payload)


def test_account_of_20_characters_is_refused_when_read():
    payee = "0006970436" + "0120" + "1" * 20
    template = f"0010A00000072701{len(payee):02d}{payee}0208QRIBFTTA"

    with pytest.raises(NotAVietQr):
        parse(_sealed(f"00020101021138{len(template):02d}{template}53037045802VN"))


def test_code_of_two_kilobytes_is_refused():
    with pytest.raises(NotAVietQr):
        parse(_INVOICE * 20)


# ---- the approved account


def test_code_for_the_approved_account_passes():
    assert check_payee(_INVOICE, bank_bin="970436", account_number="0000000000017").amount == 350_000


@pytest.mark.parametrize(
    ("bank_bin", "account_number"),
    [("970437", "0000000000017"), ("970436", "0000000000018"), ("970436", "17"), ("", "")],
)
def test_code_for_another_account_is_refused(bank_bin, account_number):
    with pytest.raises(WrongPayee):
        check_payee(_INVOICE, bank_bin=bank_bin, account_number=account_number)


def test_code_for_a_card_of_the_same_number_is_refused():
    card = build_vietqr(VietQr(bank_bin="970436", account_number="0000000000017", service=Service.CARD))

    with pytest.raises(WrongPayee):
        check_payee(card, bank_bin="970436", account_number="0000000000017")


def test_code_of_another_network_is_refused():
    code = build_vnpay_qr(VnpayQr(merchant_id="0000000000017"))

    with pytest.raises(QrError):
        check_payee(code, bank_bin="970436", account_number="0000000000017")


def test_code_whose_crc_does_not_hold_is_refused():
    with pytest.raises(WrongPayee):
        check_payee(_INVOICE[:-4] + "0000", bank_bin="970436", account_number="0000000000017")


def test_errors_hold_nothing_of_the_payload():
    with pytest.raises(QrError) as refused:
        check_payee(_INVOICE, bank_bin="970436", account_number="99")
    assert "0000000000017" not in str(refused.value)

"""Bank collection: authenticity of callbacks, matching, keyed hashes, the QR code, and settings."""

from datetime import timedelta
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa

from providers.contract import (
    BadSignature,
    Callback,
    Notices,
    Outcome,
    PaymentRefused,
    PaymentRequest,
    Unreadable,
)
from providers.emvqr import parse
from providers.registry import SettingsRefused, open_provider
from tests.providers.bank_collection_samples import (
    AT,
    BIDV_SECRET,
    KEYS,
    NOTIFY_PATH_SUFFIX,
    SIGNED,
    VECTORS,
    account,
    bidv_settings,
    code,
    delivery,
    notification,
    notify,
    one,
    paybill,
    public_pem,
    settings,
    signature,
)

REQUEST = PaymentRequest(
    reference="K7ABCDEFR", amount=350_000, purpose="K7ABCDEFR VIEN PHI", expires_at=None, requested_at=AT
)
VECTOR = next(each["input"]["body_json"] for each in VECTORS if each["id"] == "notify-ok")


# ---- authenticity


@pytest.mark.parametrize("field", SIGNED)
def test_changed_byte_in_a_signed_field_is_refused_with_code_01(field):
    document = notification()
    with pytest.raises(BadSignature) as raised:
        account().read_callback(notify(after_signing={field: document[field] + "1"}))

    assert code(raised.value.reply) == "01"


@pytest.mark.parametrize("signed", [None, "", 1, [], "@@@", "AAAA", "é", "A" * 5000])
def test_missing_or_odd_signature_is_refused(signed):
    with pytest.raises(BadSignature):
        account().read_callback(notify(after_signing={"signature": signed}))


@pytest.mark.parametrize("body", ["", "[]", "{", '{"signature":"a","signature":"b"}', VECTOR[:-1] + ',"amount":"1"}'])
def test_body_that_two_readers_would_read_differently_is_refused(body):
    with pytest.raises(BadSignature):
        account().read_callback(delivery(NOTIFY_PATH_SUFFIX, body))


def test_another_key_and_another_algorithm_are_refused():
    anonymous_client = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    text = "".join(notification()[name] for name in SIGNED)
    for forged in (
        signature(text, key=anonymous_client),
        signature(text, hashes.SHA1()),
        signature(text, hashes.SHA512()),
    ):
        with pytest.raises(BadSignature):
            account().read_callback(notify(after_signing={"signature": forged, "algorithm": "rsa_sha1"}))


def test_both_public_keys_are_good_while_the_bank_changes_its_own():
    both, old = account(), account(bank_public_keys=[KEYS["bank_public_key_pem"]])
    by_the_first, by_the_second = delivery(NOTIFY_PATH_SUFFIX, VECTOR), notify()

    assert one(both.read_callback(by_the_first)).amount == one(both.read_callback(by_the_second)).amount
    assert one(old.read_callback(by_the_first))
    with pytest.raises(BadSignature):
        old.read_callback(by_the_second)


def test_transaction_of_long_ago_and_of_tomorrow_are_refused():
    assert one(account().read_callback(notify(at=AT + timedelta(days=399))))
    for late in (AT + timedelta(days=401), AT - timedelta(days=2)):
        with pytest.raises(Unreadable):
            account().read_callback(notify(at=late))


def test_other_methods_and_addresses_are_answered_without_a_notice():
    bank = account()

    assert bank.read_callback(delivery("elsewhere", "{}")).status == 404
    assert bank.read_callback(Callback("GET", NOTIFY_PATH_SUFFIX, "", (), (), b"", "203.0.113.99", AT)).status == 405


# ---- matching


def test_signed_fields_alone_are_matched_by():
    notice = one(account().read_callback(notify(after_signing={"recvVirtualAcctId": "9TSTK7ABCDEFS"})))

    assert (notice.outcome, notice.reference) == (Outcome.REVIEW, "K7ABCDEFR")


def test_virtual_account_alone_names_no_bill():
    document = notify(custCode="", recvVirtualAcctId="9TSTK7ABCDEFS", remark="NGUYEN VAN A chuyen tien")

    notice = one(account().read_callback(document))

    assert (notice.outcome, notice.reference) == (Outcome.REVIEW, None)


def test_shared_account_is_matched_by_the_remark():
    document = notify(custCode="", recvVirtualAcctId="", transType="2", remark="CT DEN:1 K7ABCDEFR")

    notice = one(account().read_callback(document))

    assert (notice.outcome, notice.reference, notice.transfer_text) == (
        Outcome.SUCCEEDED,
        None,
        "CT DEN:1 K7ABCDEFR",
    )


def test_code_in_the_remark_never_takes_money_sent_under_another():
    notice = one(account().read_callback(notify(remark="K8ABCDEFS VIEN PHI")))

    assert (notice.reference, notice.transfer_text) == ("K7ABCDEFR", "9TSTK7ABCDEFR")


def test_same_transaction_under_a_new_message_number_is_the_same_fact():
    first = one(account().read_callback(notify()))
    again = one(account().read_callback(notify(msgId="00000000000000000000000000000099")))

    assert (first.event_key, first.movement_keys, first.fingerprint) == (
        again.event_key,
        again.movement_keys,
        again.fingerprint,
    )
    assert first.movement_keys == {"transaction:900000001", "bank:000T26000TESTAB1"}


def test_concatenation_that_can_be_cut_in_two_ways_is_for_a_person():
    """`350000` and `000T26…` join to the same text as `350000000` and `T26…`: a thousand times the amount."""
    shifted = {"amount": "350000000", "bankTransId": "T26000TESTAB1"}
    agreed = account(field_lengths={"bank_reference": 16, "customer": 13})

    assert one(agreed.read_callback(notify())).outcome is Outcome.SUCCEEDED
    assert one(agreed.read_callback(notify(after_signing=shifted))).outcome is Outcome.REVIEW
    shifted = {"custCode": "9TSTK7ABCDEFR3", "amount": "50000"}
    assert one(agreed.read_callback(notify(after_signing=shifted))).outcome is Outcome.REVIEW


def test_timestamp_that_took_a_digit_of_its_neighbouring_field_is_refused():
    for shifted in ({"transId": "90000000", "transTime": "120260102091530"}, {"transId": "9000000012"}):
        document = {"transTime": "0260102091530", **shifted}
        with pytest.raises(Unreadable):
            account().read_callback(notify(after_signing=document))


@pytest.mark.parametrize("field", ["providerId", "recvAcctId"])
def test_message_about_another_is_marked(field):
    assert one(account().read_callback(notify(**{field: "8888"}))).names_other_account
    assert not one(account().read_callback(notify())).names_other_account


@pytest.mark.parametrize("kind", ["C", "1", "2", "3", "COLLECTION"])
def test_credit_is_money_in(kind):
    assert one(account().read_callback(notify(transType=kind))).outcome is Outcome.SUCCEEDED


def test_debit_is_no_receipt_and_an_unknown_type_is_for_a_person():
    assert account().read_callback(notify(transType="D")) == Notices(())
    assert one(account().read_callback(notify(transType="O"))).outcome is Outcome.REVIEW


@pytest.mark.parametrize("amount", ["0", "-1", "+1", "1.0", " 1", "1 ", "01", "", "1e3", "１", "9" * 14, 350000])
def test_amount_is_a_text_of_digits(amount):
    with pytest.raises(Unreadable) as raised:
        account().read_callback(notify(amount=amount))

    assert code(raised.value.reply) == "99"


@pytest.mark.parametrize(
    "wrong",
    [
        {"transTime": "20260102"},
        {"transTime": "20261302091530"},
        {"transTime": "02026010209153"},
        {"transId": ""},
        {"transId": "9 1"},
        {"transId": "9" * 51},
        {"custCode": "9" * 31},
        {"bankTransId": "T\n"},
        {"remark": "x" * 201},
        {"currencyCode": "USD"},
        {"providerId": ""},
        {"transType": ""},
    ],
)
def test_field_out_of_its_form_is_refused(wrong):
    with pytest.raises(Unreadable):
        account().read_callback(notify(**wrong))


# ---- keyed hashes: BIDV


def test_bidv_is_believed_by_its_secret_alone():
    bank = account(bidv_settings())

    notice = one(bank.read_callback(paybill()))

    assert (notice.outcome, notice.reference, notice.movement_keys) == (
        Outcome.SUCCEEDED,
        "K7ABCDEFR",
        {"transaction:TB0000000001"},
    )
    with pytest.raises(BadSignature):
        bank.read_callback(paybill(secret="FAKE_OTHER_SECRET"))


def test_bidv_field_that_holds_the_separator_is_refused():
    with pytest.raises(Unreadable):
        account(bidv_settings()).read_callback(paybill(trans_id="TB|1"))


def test_both_secrets_are_good_while_one_is_changed():
    bank = account(bidv_settings(secrets=["FAKE_NEW_SECRET", BIDV_SECRET]))

    assert one(bank.read_callback(paybill()))
    assert one(bank.read_callback(paybill(secret="FAKE_NEW_SECRET")))


# ---- the QR code


def test_code_pays_the_virtual_account_of_its_own():
    shown = account().qr_for(REQUEST)

    decoded = parse(shown.qr_payload)
    assert (decoded.bank_bin, decoded.account_number, decoded.amount) == ("970415", "9TSTK7ABCDEFR", 350_000)
    assert decoded.purpose == "K7ABCDEFR VIEN PHI"
    assert shown.account_number == "9TSTK7ABCDEFR"


async def test_shared_account_carries_the_code_in_the_text_and_needs_no_code_drawn():
    shared = await account(uses_virtual_accounts=False).create_payment(REQUEST)
    plain = await account(uses_virtual_accounts=False, has_qr=False).create_payment(REQUEST)

    assert parse(shared.qr_payload).account_number == shared.account_number == "000000000017"
    assert (plain.qr_payload, plain.account_number) == ("", "000000000017")


def test_amount_above_the_ceiling_is_refused():
    assert account(amount_max=350_000).qr_for(REQUEST)
    with pytest.raises(PaymentRefused):
        account(amount_max=349_999).qr_for(REQUEST)


# ---- settings

WRONG: list[dict[str, Any]] = [
    {"profile": "no_such_profile"},
    {"profile": ""},
    {"profile": "../banks"},
    {"profile_file": "relative.toml", "profile": ""},
    {"profile_file": "/nowhere/at/all.toml", "profile": ""},
    {"private_key": None},
    {"private_key": "no key"},
    {"bank_public_keys": []},
    {"bank_public_keys": ["no key"]},
    {"bank_public_keys": [public_pem(rsa.generate_private_key(public_exponent=65537, key_size=1024))]},
    {"bank_public_keys": [KEYS["bank_public_key_pem"]] * 3},
    {"field_lengths": {"unheard_of": 1}},
    {"company": ""},
]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: next(iter(wrong)))
def test_settings_that_cannot_work_are_refused_without_repeating_a_value(wrong):
    with pytest.raises(SettingsRefused) as raised:
        open_provider("bank_collection", settings(**wrong), httpx.AsyncClient())

    assert "PRIVATE KEY" not in f"{raised.value!r}"
    assert open_provider("bank_collection", settings(), httpx.AsyncClient())


def test_nothing_secret_is_shown():
    bank = account()
    shown = repr(bank._settings) + repr(vars(bank))

    for secret in ("PRIVATE KEY", "FAKE_RECON_KEY"):
        assert secret not in shown

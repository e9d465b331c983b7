"""VNPAY: the pay address, the IPN and its traps."""

import json
import re
from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from providers.contract import BadSignature, Notice, Notices, Outcome, PaymentRefused, Reply, Unreadable, Verdict
from providers.registry import SettingsRefused, open_provider
from providers.vnpay.adapter import signed_pay_url
from providers.vnpay.signing import (
    HASH_FIELD,
    QUERY_ANSWER,
    QUERY_REQUEST,
    REFUND_REQUEST,
    is_signed,
    listed_text,
    query_text,
    secure_hash,
)
from tests.providers.vnpay_samples import PAID, REQUEST, SECRET, SETTINGS, VECTORS, ipn, signed_ipn, terminal


def vectors(kind: str) -> pytest.MarkDecorator:
    chosen = [each for each in VECTORS if each["kind"] == kind]
    assert chosen
    return pytest.mark.parametrize("vector", chosen, ids=[each["id"] for each in chosen])


def one(read: object) -> Notice:
    assert isinstance(read, Notices)
    assert len(read.notices) == 1
    return read.notices[0]


# ---- the vectors


@vectors("pay_url")
def test_pay_address_is_signed_as_in_the_vectors(vector):
    given = vector["input"]
    fields = {
        "vnp_Version": "2.1.0",
        "vnp_Command": "pay",
        "vnp_CurrCode": "VND",
        "vnp_TmnCode": vector["tmn_code"],
        **{name: value for name, value in given.items() if not name.endswith("_note")},
        "vnp_Amount": given["vnp_Amount"] * 100,
    }

    assert query_text(fields) == vector["expected"]["signed_string"]
    assert (
        signed_pay_url("https://sandbox.vnpayment.vn/paymentv2/vpcpay.html", fields, vector["key"].encode())
        == (vector["expected"]["url"])
    )


@vectors("ipn")
def test_ipn_is_judged_as_in_the_vectors(vector):
    gateway = terminal(hash_secrets=vector["key"], tmn_code=vector["tmn_code"])
    callback = ipn(vector["input"]["query"])

    if not vector["expected"]["valid"]:
        with pytest.raises(BadSignature) as refused:
            gateway.read_callback(callback)
        assert json.loads(refused.value.reply.body)["RspCode"] == "97"
        return
    notice = one(gateway.read_callback(callback))

    verdict = Verdict.AMOUNT_DIFFERS if notice.amount != 350_000 else Verdict.ACCEPTED
    answered = json.loads(gateway.answer_callback(callback, verdict, "receipt").body)["RspCode"]
    assert answered == vector["expected"].get("our_rsp_code", "00")
    both_are_paid = "vnp_ResponseCode=00" in callback.raw_query and "vnp_TransactionStatus=00" in callback.raw_query
    assert (notice.outcome is Outcome.SUCCEEDED) is both_are_paid
    assert notice.amount == vector["expected"]["sdk"]["amount_vnd"]


@vectors("querydr")
def test_query_is_signed_and_its_answer_judged_as_in_the_vectors(vector):
    expected, key = vector["expected"], vector["key"].encode()
    queried = {name: value for name, value in expected["request_body"].items() if name != HASH_FIELD}

    assert listed_text(queried, QUERY_REQUEST) == expected["request_signed_string"]
    assert secure_hash(key, expected["request_signed_string"]) == expected["request_body"][HASH_FIELD]
    answer = expected["response_body"]
    assert listed_text(answer, QUERY_ANSWER) == expected["response_signed_string"]
    assert is_signed([key], [listed_text(answer, QUERY_ANSWER)], answer[HASH_FIELD]) is expected["response_valid"]


@vectors("refund")
def test_refund_is_signed_as_in_the_vectors(vector):
    expected = vector["expected"]
    queried = {name: value for name, value in expected["request_body"].items() if name != HASH_FIELD}

    text = listed_text(queried, REFUND_REQUEST)

    if vector.get("either_acceptable"):  # the SDK signs 0 for a number it does not send; the documents an empty place
        assert text == expected["request_signed_string"].replace("|0|", "||")
    else:
        assert text == expected["request_signed_string"]
        assert secure_hash(vector["key"].encode(), text) == expected["request_body"][HASH_FIELD]


# ---- creating


async def test_payment_is_an_address_that_carries_the_amount_times_100_and_the_vietnamese_clock():
    instruction = await terminal().create_payment(REQUEST)

    queried = dict(parse_qsl(urlsplit(instruction.redirect_url).query))
    assert queried["vnp_Amount"] == "35000000"
    assert (queried["vnp_CreateDate"], queried["vnp_ExpireDate"]) == ("20260102091000", "20260102092500")
    assert (queried["vnp_TxnRef"], queried["vnp_OrderInfo"]) == ("K7ABCDEFR", "K7ABCDEFR VIEN PHI")
    assert queried["vnp_IpAddr"] == "203.0.113.10"
    assert "vnp_BankCode" not in queried
    assert secure_hash(SECRET.encode(), query_text(queried)) == queried[HASH_FIELD]


async def test_same_request_makes_the_same_address():
    gateway = terminal()

    assert await gateway.create_payment(REQUEST) == await gateway.create_payment(REQUEST)


@pytest.mark.parametrize("amount", [0, 10_000_000_000])
async def test_amount_that_vnpay_cannot_write_is_refused(amount):
    with pytest.raises(PaymentRefused):
        await terminal().create_payment(replace(REQUEST, amount=amount))


async def test_payment_without_an_address_to_return_to_is_refused():
    with pytest.raises(PaymentRefused, match="return_url"):
        await terminal().create_payment(replace(REQUEST, return_url=""))

    own = await terminal(return_url="https://hospital.example/back").create_payment(replace(REQUEST, return_url=""))

    assert "hospital.example%2Fback" in own.redirect_url


# ---- the IPN


def test_payment_carries_its_number_and_timestamp():
    notice = one(terminal().read_callback(signed_ipn()))

    assert notice.outcome is Outcome.SUCCEEDED
    assert (notice.amount, notice.reference, notice.provider_reference) == (350_000, "K7ABCDEFR", "14000001")
    assert notice.movement_keys == {"transaction:14000001"}
    assert notice.occurred_at.isoformat() == "2026-01-02T09:15:30+07:00"
    assert not notice.names_other_account


@pytest.mark.parametrize(
    ("response", "status", "outcome"),
    [
        ("00", "00", Outcome.SUCCEEDED),
        ("00", "02", Outcome.FAILED),
        ("00", "01", Outcome.PENDING),
        ("00", "04", Outcome.REVIEW),
        ("24", "02", Outcome.CANCELLED),
        ("11", "02", Outcome.EXPIRED),
        ("51", "02", Outcome.FAILED),
        ("07", "07", Outcome.REVIEW),
        ("07", "00", Outcome.REVIEW),
        ("24", "04", Outcome.REVIEW),
        ("99", "02", Outcome.UNKNOWN),
        ("51", "00", Outcome.UNKNOWN),
        ("88", "02", Outcome.UNKNOWN),
        ("00", "33", Outcome.UNKNOWN),
    ],
)
def test_paid_only_if_both_codes_state_so(response, status, outcome):
    notice = one(terminal().read_callback(signed_ipn(vnp_ResponseCode=response, vnp_TransactionStatus=status)))

    assert notice.outcome is outcome


def test_failed_attempt_does_not_shadow_the_success_that_follows():
    failed = one(
        terminal().read_callback(
            signed_ipn(vnp_ResponseCode="24", vnp_TransactionStatus="02", vnp_TransactionNo="0", vnp_PayDate="")
        )
    )
    paid = one(terminal().read_callback(signed_ipn()))

    assert failed.event_key != paid.event_key
    assert failed.movement_keys == frozenset()


def test_received_twice_is_one_event():
    first, second = (one(terminal().read_callback(signed_ipn())) for _ in range(2))

    assert (first.event_key, first.fingerprint) == (second.event_key, second.fingerprint)


def test_changed_amount_under_the_same_event_is_seen():
    first, other = (one(terminal().read_callback(signed_ipn(vnp_Amount=each))) for each in ("35000000", "30000000"))

    assert first.event_key == other.event_key
    assert first.fingerprint != other.fingerprint


def test_message_of_another_terminal_under_our_secret_names_another_account():
    assert one(terminal().read_callback(signed_ipn(vnp_TmnCode="FAKETMN2"))).names_other_account


@pytest.mark.parametrize("name", sorted(PAID))
def test_changed_byte_of_any_signed_field_is_refused(name):
    query = signed_ipn().raw_query
    changed = re.sub(rf"({name}=)(.)", lambda found: found[1] + ("1" if found[2] != "1" else "2"), query)
    assert changed != query

    with pytest.raises(BadSignature):
        terminal().read_callback(ipn(changed))


@pytest.mark.parametrize("name", sorted(PAID))
def test_field_that_is_missing_or_stands_twice_is_refused(name):
    query = signed_ipn().raw_query

    for wrong in (re.sub(rf"{name}=[^&]*&", "", query), f"{query}&{name}={PAID[name].replace(' ', '+')}"):
        with pytest.raises(BadSignature):
            terminal().read_callback(ipn(wrong))


@pytest.mark.parametrize("hash_", ["", "0" * 128, "zz", "é" * 128])
def test_hash_that_is_none_is_refused(hash_):
    query = re.sub(rf"{HASH_FIELD}=[0-9a-f]+", f"{HASH_FIELD}={hash_}", signed_ipn().raw_query)

    with pytest.raises(BadSignature):
        terminal().read_callback(ipn(query))


def test_hash_of_a_weaker_kind_that_the_message_names_is_refused():
    text = query_text(PAID)
    weak = secure_hash(SECRET.encode(), text)[:64]

    with pytest.raises(BadSignature):
        terminal().read_callback(ipn(f"{text}&{HASH_FIELD}={weak}&vnp_SecureHashType=SHA256"))


_SPELLED_TEXT = "K7ABCDEFR VIEN*PHI~(1)!'"


@pytest.mark.parametrize(
    "spelled",
    [
        "K7ABCDEFR+VIEN%2APHI~%281%29%21%27",
        "K7ABCDEFR+VIEN*PHI%7E%281%29%21%27",
        "K7ABCDEFR+VIEN%2APHI%7E%281%29%21%27",
        "K7ABCDEFR+VIEN*PHI~%281%29%21%27",
        "K7ABCDEFR+VIEN*PHI~(1)!'",
    ],
    ids=["python", "java and browsers", "php", "star and tilde plain", "encodeURIComponent"],
)
def test_ipn_signed_over_any_form_encoding_in_use_is_accepted(spelled):
    plain = query_text({**PAID, "vnp_OrderInfo": "X"})
    text = plain.replace("vnp_OrderInfo=X", f"vnp_OrderInfo={spelled}")
    signature = secure_hash(SECRET.encode(), text)

    notice = one(terminal().read_callback(ipn(f"{text}&{HASH_FIELD}={signature}")))

    assert notice.transfer_text == _SPELLED_TEXT
    for changed in (text.replace("VIEN", "VIAN"), text.replace("PHI", "PHI*"), text.replace("PHI", "PHI%7E")):
        with pytest.raises(BadSignature):
            terminal().read_callback(ipn(f"{changed}&{HASH_FIELD}={signature}"))


def test_signature_of_another_account_is_refused():
    with pytest.raises(BadSignature):
        terminal().read_callback(signed_ipn(secret="ANOTHERSECRETANOTHERSECRET000001"))


def test_both_secrets_hold_while_one_is_being_changed():
    gateway = terminal(hash_secrets=["NEWSECRETNEWSECRETNEWSECRET00001", SECRET])

    assert one(gateway.read_callback(signed_ipn())).outcome is Outcome.SUCCEEDED
    assert one(gateway.read_callback(signed_ipn(secret="NEWSECRETNEWSECRETNEWSECRET00001"))).amount == 350_000


@pytest.mark.parametrize(
    "changed",
    [
        {"vnp_Amount": "35000050"},
        {"vnp_Amount": "0"},
        {"vnp_Amount": "-35000000"},
        {"vnp_Amount": "350000.00"},
        {"vnp_PayDate": "20261302091530"},
        {"vnp_TransactionNo": "1e5"},
        {"vnp_ResponseCode": "OK!"},
        {"vnp_TxnRef": ""},
    ],
)
def test_signed_nonsense_is_unreadable_and_answered_with_99(changed):
    with pytest.raises(Unreadable) as refused:
        terminal().read_callback(signed_ipn(**changed))

    assert json.loads(refused.value.reply.body)["RspCode"] == "99"


def test_only_get_is_taken():
    answer = terminal().read_callback(ipn(signed_ipn().raw_query, method="POST"))

    assert isinstance(answer, Reply)
    assert answer.status == 405


@pytest.mark.parametrize(
    ("verdict", "code"),
    [
        (Verdict.ACCEPTED, "00"),
        (Verdict.STORED, "00"),
        (Verdict.DUPLICATE, "02"),
        (Verdict.UNKNOWN_REFERENCE, "01"),
        (Verdict.AMOUNT_DIFFERS, "04"),
        (Verdict.TRY_LATER, "99"),
    ],
)
def test_every_verdict_is_stated_in_the_words_of_vnpay(verdict, code):
    answer = terminal().answer_callback(signed_ipn(), verdict, "receipt")

    assert (answer.status, json.loads(answer.body)["RspCode"]) == (200, code)


# ---- settings


def test_settings_are_refused_by_field_and_never_repeat_a_secret():
    wrong = {**SETTINGS, "hash_secrets": "s3cr3t!", "tmn_code": "TOO LONG CODE", "unknown": 1}

    with pytest.raises(SettingsRefused) as refused:
        open_provider("vnpay", wrong, httpx.AsyncClient())

    assert {"tmn_code", "unknown"} <= set(refused.value.fields)
    assert "s3cr3t!" not in str(refused.value)


def test_secret_is_not_shown():
    assert SECRET not in repr(terminal().__dict__)

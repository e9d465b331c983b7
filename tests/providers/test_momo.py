"""MoMo: signatures by the vectors, the IPN and its traps."""

import json

import pytest

from providers.contract import BadSignature, Outcome, Unreadable, Verdict
from providers.momo.signing import CREATE, IPN, QUERY, REFUND, signature_of, signed_text
from tests.providers.momo_samples import PAID, SECRET, VECTORS, account, delivery, one, signed_callback


def vectors(*kinds: str) -> pytest.MarkDecorator:
    chosen = [each for each in VECTORS if each["kind"] in kinds]
    assert chosen
    return pytest.mark.parametrize("vector", chosen, ids=[each["id"] for each in chosen])


@vectors("create", "query", "refund")
def test_call_is_signed_as_in_the_vectors(vector):
    names = {"create": CREATE, "query": QUERY, "refund": REFUND}[vector["kind"]]
    text = signed_text(vector["input"], names, vector["access_key"])

    assert text == vector["expected"]["raw_signature"]
    assert signature_of(vector["secret_key"].encode(), text) == vector["expected"]["signature"]


@vectors("ipn")
def test_ipn_is_judged_as_in_the_vectors(vector):
    wallet = account(secret_keys=vector["secret_key"], access_key=vector["access_key"])
    expected, body = vector["expected"], vector["input"]["body_json"]
    assert signed_text(json.loads(body), IPN, vector["access_key"]) == expected["raw_signature_of_received"]

    if not expected["valid"]:
        with pytest.raises(BadSignature):
            wallet.read_callback(delivery(body))
        return
    notice = one(wallet.read_callback(delivery(body)))

    states = {"paid": Outcome.SUCCEEDED, "failed": Outcome.FAILED, "expired": Outcome.EXPIRED}
    assert notice.outcome is states[expected.get("state", "paid")]
    assert notice.amount == 350_000
    answer = wallet.answer_callback(delivery(body), Verdict.ACCEPTED, "receipt")
    assert (answer.status, answer.body) == (expected.get("http_status", 204), b"")


def test_payment_carries_its_number():
    notice = one(account().read_callback(signed_callback()))

    assert (notice.reference, notice.provider_reference) == ("K7ABCDEFR", "4000000001")
    assert notice.movement_keys == {"transaction:4000000001"}


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (0, Outcome.SUCCEEDED),
        (9000, Outcome.PENDING),
        (1000, Outcome.PENDING),
        (7002, Outcome.PENDING),
        (1003, Outcome.CANCELLED),
        (1017, Outcome.CANCELLED),
        (1005, Outcome.EXPIRED),
        (1001, Outcome.FAILED),
        (99, Outcome.UNKNOWN),
        (31337, Outcome.UNKNOWN),
    ],
)
def test_authorised_is_not_paid_and_a_unknown_code_no_failure(code, outcome):
    assert one(account().read_callback(signed_callback(resultCode=code))).outcome is outcome


def test_intermediate_code_does_not_shadow_the_success_of_the_same_number():
    waiting, paid = (one(account().read_callback(signed_callback(resultCode=code))) for code in (9000, 0))

    assert waiting.event_key != paid.event_key


def test_received_twice_is_one_event_and_another_amount_is_seen():
    first, second, other = (
        one(account().read_callback(each)) for each in (signed_callback(), signed_callback(), signed_callback(amount=1))
    )

    assert (first.event_key, first.fingerprint) == (second.event_key, second.fingerprint)
    assert first.event_key == other.event_key
    assert first.fingerprint != other.fingerprint


def test_message_for_another_partner_names_another_account():
    assert one(account().read_callback(signed_callback(partnerCode="OTHERMOMO"))).names_other_account


@pytest.mark.parametrize("name", sorted(PAID))
def test_changed_field_is_refused(name):
    body = json.loads(signed_callback().body)
    changed = body[name] + 1 if isinstance(body[name], int) else body[name] + "x"

    with pytest.raises(BadSignature):
        account().read_callback(delivery(json.dumps({**body, name: changed})))


@pytest.mark.parametrize("name", sorted({*PAID, "signature"} - {"extraData"}))
def test_field_that_is_missing_or_stands_twice_is_refused(name):
    body = json.loads(signed_callback().body)
    twice = json.dumps(body)[:-1] + f", {json.dumps(name)}: {json.dumps(body[name])}}}"

    for wrong in (json.dumps({key: value for key, value in body.items() if key != name}), twice):
        with pytest.raises(BadSignature):
            account().read_callback(delivery(wrong))


@pytest.mark.parametrize("wrong", [None, "", "0" * 64, 5, ["x"]])
def test_signature_that_is_none_is_refused(wrong):
    with pytest.raises(BadSignature):
        account().read_callback(delivery(json.dumps({**json.loads(signed_callback().body), "signature": wrong})))


def test_signature_of_another_account_is_refused():
    with pytest.raises(BadSignature):
        account().read_callback(signed_callback(secret="ANOTHERSECRETANOTHERSECRET000001"))
    with pytest.raises(BadSignature):
        account().read_callback(signed_callback(access="ANOTHERACCESS001"))


def test_both_secrets_hold_while_one_is_being_changed():
    wallet = account(secret_keys=["NEWSECRETNEWSECRETNEWSECRET00001", SECRET])

    assert one(wallet.read_callback(signed_callback())).amount == 350_000
    assert one(wallet.read_callback(signed_callback(secret="NEWSECRETNEWSECRETNEWSECRET00001"))).amount == 350_000


@pytest.mark.parametrize(
    "changed",
    [
        {"amount": -350000},
        {"amount": 0},
        {"amount": "350 000"},
        {"amount": "3.5e5"},
        {"resultCode": ""},
        {"transId": "x"},
        {"responseTime": 1},
        {"orderId": "-"},
    ],
)
def test_signed_nonsense_is_unreadable(changed):
    with pytest.raises(Unreadable):
        account().read_callback(signed_callback(**changed))


@pytest.mark.parametrize("value", ["350000.0", "true", "[350000]"])
def test_number_that_cannot_have_been_signed_as_it_stands_is_refused(value):
    body = signed_callback().body.decode().replace('"amount": 350000', f'"amount": {value}')

    with pytest.raises(BadSignature):
        account().read_callback(delivery(body))


@pytest.mark.parametrize("verdict", list(Verdict))
def test_every_verdict_but_try_later_is_an_empty_204(verdict):
    answer = account().answer_callback(signed_callback(), verdict, "receipt")

    assert answer.status == (503 if verdict is Verdict.TRY_LATER else 204)
    assert answer.body == b""

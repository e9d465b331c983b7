"""payOS: signatures by the vectors, the order code, the webhook and its traps."""

import json
from random import Random

import pytest

from billing.core.reference_code import RANDOM_NUMBERS, prefix_of, reference_code
from providers.contract import BadSignature, Notices, Outcome, Unreadable, Verdict
from providers.payos.order_codes import order_code, reference_of
from providers.payos.signing import create_text, data_text, payout_text, signature_of
from tests.providers.payos_samples import (
    KEY,
    LINK,
    REFERENCE,
    TRANSFER,
    VECTORS,
    channel,
    delivery,
    one,
    signed_callback,
)


def vectors(kind: str) -> pytest.MarkDecorator:
    chosen = [each for each in VECTORS if each["kind"] == kind]
    assert chosen
    return pytest.mark.parametrize("vector", chosen, ids=[each["id"] for each in chosen])


# ---- the vectors


@vectors("create_signature")
def test_link_is_signed_as_in_the_vectors(vector):
    text = create_text(vector["input"])

    assert text == vector["expected"]["signed_string"]
    assert signature_of(vector["key"].encode(), text) == vector["expected"]["signature"]


@vectors("webhook")
def test_webhook_is_judged_as_in_the_vectors(vector):
    payos, body = channel(checksum_keys=vector["key"]), vector["input"]["body_json"]
    assert data_text(json.loads(body)["data"]) == vector["expected"]["signed_string"]

    if not vector["expected"]["valid"]:
        with pytest.raises(BadSignature):
            payos.read_callback(delivery(body))
        return
    read = payos.read_callback(delivery(body))

    if vector["id"] == "wh-valid-unknown-order":  # the sample of a confirmation: answered, never booked
        assert read == Notices(())
    else:
        assert one(read).outcome is Outcome.SUCCEEDED
        assert one(read).amount == json.loads(body)["data"]["amount"]
    assert payos.answer_callback(delivery(body), Verdict.UNKNOWN_REFERENCE, "receipt").status == 200


@vectors("response_signature")
def test_answer_is_signed_as_in_the_vectors(vector):
    text = data_text(json.loads(vector["input"]["data_json"]))

    assert text == vector["expected"]["signed_string"]
    assert signature_of(vector["key"].encode(), text) == vector["expected"]["signature"]


@vectors("payout_x_signature")
def test_payout_is_signed_as_in_the_vectors(vector):
    text = payout_text(json.loads(vector["input"]["body_json"]))

    assert signature_of(vector["key"].encode(), text) == vector["expected"]["x_signature"]


# ---- the order code


def test_every_reference_code_is_an_order_code_that_javascript_can_hold_and_back():
    random = Random(20261124)
    codes = [reference_code(prefix_of(random.randrange(961)), random.randrange(RANDOM_NUMBERS)) for _ in range(500)]
    codes += [reference_code("22", 0), reference_code("ZZ", RANDOM_NUMBERS - 1)]

    for code in codes:
        assert reference_of(order_code(code)) == code
        assert order_code(code) <= 9_007_199_254_740_991


@pytest.mark.parametrize("reference", ["", "K7ABCDEF", "K7ABCDEFS", "K7ABCDEFRR", "k7abcdefr", "K7ABCDEF0"])
def test_what_is_no_reference_code_has_no_order_code(reference):
    with pytest.raises(ValueError, match=r".*"):
        order_code(reference)


@pytest.mark.parametrize("number", [-1, 31**8])
def test_number_beyond_eight_characters_is_no_reference(number):
    assert reference_of(number) is None


# ---- the webhook


def test_transfer_carries_its_banks_reference():
    notice = one(
        channel().read_callback(signed_callback(counterAccountName="NGUYEN VAN A", counterAccountNumber="0110"))
    )

    assert (notice.reference, notice.amount, notice.bank_reference) == (REFERENCE, 350_000, "TF260101000001")
    assert notice.movement_keys == {f"transfer:{LINK}:TF260101000001:20260102091530", "bank:TF260101000001"}
    assert notice.occurred_at.isoformat() == "2026-01-02T09:15:30+07:00"
    assert notice.payer is not None
    assert notice.payer.account == "0110"
    assert not notice.names_other_account


def test_two_transfers_under_one_link_are_two_payments():
    first, second = (one(channel().read_callback(signed_callback(reference=each))) for each in ("TF1", "TF2"))

    assert first.event_key != second.event_key
    assert not first.movement_keys & second.movement_keys


def test_received_twice_is_one_event_and_another_amount_is_seen():
    first, second, other = (
        one(channel().read_callback(each)) for each in (signed_callback(), signed_callback(), signed_callback(amount=1))
    )

    assert (first.event_key, first.fingerprint) == (second.event_key, second.fingerprint)
    assert first.event_key == other.event_key
    assert first.fingerprint != other.fingerprint


def test_what_is_not_signed_decides_nothing():
    notice = one(channel().read_callback(signed_callback(envelope={"code": "99", "success": False})))

    assert notice.outcome is Outcome.SUCCEEDED


def test_code_inside_the_signed_part_decides():
    assert one(channel().read_callback(signed_callback(code="01"))).outcome is Outcome.UNKNOWN


def test_sample_of_a_confirmation_books_nothing_but_an_order_123_of_another_text_does():
    sample = {"orderCode": 123, "amount": 3000}

    assert channel().read_callback(signed_callback(**sample, description="VQRIO123")) == Notices(())
    assert one(channel().read_callback(signed_callback(**sample, description="chuc mau binh phuc"))).amount == 3000


def test_optional_fields_may_be_absent_and_new_ones_may_come():
    data = {name: value for name, value in TRANSFER.items() if not name.startswith(("counter", "virtual"))}
    body = {"data": {**data, "newField": {"b": 1, "a": [True, None]}}}
    body["signature"] = signature_of(KEY.encode(), data_text(body["data"]))

    assert one(channel().read_callback(delivery(json.dumps(body)))).amount == 350_000


@pytest.mark.parametrize(
    "signed",
    ["[object Object]", '{"a":[{"d":1,"c":2}],"b":null}', '{"a":[{"c":2,"d":1}],"b":null}'],
    ids=["as the Node SDK", "first level sorted", "all levels sorted"],
)
def test_object_nested_in_the_data_is_accepted_as_the_vendor_signs_it(signed):
    data = {**TRANSFER, "extra": {"b": None, "a": [{"d": 1, "c": 2}]}}
    text = "&".join(
        f"{name}={signed if name == 'extra' else '' if data[name] is None else data[name]}" for name in sorted(data)
    )
    body = {"data": data, "signature": signature_of(KEY.encode(), text)}

    assert one(channel().read_callback(delivery(json.dumps(body)))).amount == 350_000
    for changed in ({**data, "amount": 350_001}, {**data, "extra": []}, {**data, "extra": "x"}):
        with pytest.raises(BadSignature):
            channel().read_callback(delivery(json.dumps({**body, "data": changed})))


@pytest.mark.parametrize("reference", ["", "-", "0", "NONREF", "null", "N/A"])
def test_transfers_without_a_banks_reference_are_distinguished_by_link_amount_and_timestamp(reference):
    changes = [{}, {"amount": 1}, {"transactionDateTime": "2026-01-02 09:15:31"}, {"paymentLinkId": "2" * 32}]
    reported_of = [one(channel().read_callback(signed_callback(reference=reference, **each))) for each in changes]

    assert len({notice.event_key for notice in reported_of}) == len(changes)
    assert len({notice.movement_keys for notice in reported_of}) == len(changes)
    assert all(key.startswith("transfer:") for notice in reported_of for key in notice.movement_keys)
    assert {notice.bank_reference for notice in reported_of} == {""}


def test_repeated_bank_reference_under_one_link_is_another_transfer_at_another_timestamp():
    first, second = (
        one(channel().read_callback(signed_callback(transactionDateTime=f"2026-01-02 09:15:3{n}"))) for n in (0, 1)
    )

    assert first.event_key != second.event_key
    assert first.movement_keys & second.movement_keys == {"bank:TF260101000001"}


def test_order_that_is_none_of_ours_has_no_code_whatever_its_text_states():
    notice = one(channel().read_callback(signed_callback(orderCode=31**9)))

    assert (notice.reference, notice.names_order) == (None, True)
    assert REFERENCE in notice.transfer_text


@pytest.mark.parametrize(("number", "is_other"), [("0000000000018", True), ("V9TEST00000007", False), ("", False)])
def test_transfer_to_another_account_names_it(number, is_other):
    assert one(channel().read_callback(signed_callback(accountNumber=number))).names_other_account is is_other


@pytest.mark.parametrize("name", sorted(TRANSFER))
def test_changed_field_is_refused(name):
    body = json.loads(signed_callback().body)
    value = body["data"][name]
    body["data"][name] = value + 1 if isinstance(value, int) else value + "x"

    with pytest.raises(BadSignature):
        channel().read_callback(delivery(json.dumps(body)))


@pytest.mark.parametrize("name", ["amount", "orderCode", "code", "reference"])
def test_field_that_is_missing_or_stands_twice_is_refused(name):
    body = json.loads(signed_callback().body)
    missing = {**body, "data": {key: value for key, value in body["data"].items() if key != name}}
    data = json.dumps(body["data"])[:-1] + f", {json.dumps(name)}: {json.dumps(body['data'][name])}}}"
    twice = f'{{"data": {data}, "signature": "{body["signature"]}"}}'

    for wrong in (json.dumps(missing), twice):
        with pytest.raises(BadSignature):
            channel().read_callback(delivery(wrong))


@pytest.mark.parametrize(
    "wrong", [{"signature": None}, {"signature": ""}, {"signature": 1}, {"data": None}, {"data": []}]
)
def test_webhook_without_signature_or_data_is_refused(wrong):
    with pytest.raises(BadSignature):
        channel().read_callback(delivery(json.dumps({**json.loads(signed_callback().body), **wrong})))


def test_signature_of_another_channel_is_refused():
    with pytest.raises(BadSignature):
        channel().read_callback(signed_callback("FAKE_PAYOS_CHECKSUM_KEY_0002"))


def test_both_keys_hold_while_one_is_being_changed():
    payos = channel(checksum_keys=["FAKE_PAYOS_CHECKSUM_KEY_0002", KEY])

    assert one(payos.read_callback(signed_callback())).amount == 350_000
    assert one(payos.read_callback(signed_callback("FAKE_PAYOS_CHECKSUM_KEY_0002"))).amount == 350_000


@pytest.mark.parametrize(
    "changed",
    [
        {"amount": 0},
        {"amount": -1},
        {"amount": True},
        {"amount": "350 000"},
        {"currency": "USD"},
        {"transactionDateTime": "yesterday"},
        {"paymentLinkId": ""},
        {"orderCode": "x"},
        {"reference": "T F"},
    ],
)
def test_signed_nonsense_is_unreadable(changed):
    with pytest.raises(Unreadable):
        channel().read_callback(signed_callback(**changed))


@pytest.mark.parametrize("verdict", list(Verdict))
def test_every_verdict_but_try_later_is_taken(verdict):
    answer = channel().answer_callback(signed_callback(), verdict, "receipt")

    assert (answer.status, json.loads(answer.body)["success"]) == (
        (503, False) if verdict is Verdict.TRY_LATER else (200, True)
    )

"""ZaloPay: macs by the vectors, callbacks and their traps."""

import json
from datetime import UTC, datetime

import pytest

from providers.contract import (
    BadSignature,
    Notices,
    Outcome,
    Unreadable,
    Verdict,
)
from providers.zalopay.adapter import app_trans_id
from providers.zalopay.signing import CREATE, QUERY_REFUND, REFUND, joined, mac_of, query_text
from tests.providers.zalopay_samples import (
    DATA,
    KEY1,
    KEY2,
    VECTORS,
    application,
    delivery,
    one,
    signed_callback,
)


def vectors(kind: str) -> pytest.MarkDecorator:
    chosen = [each for each in VECTORS if each["kind"] == kind]
    assert chosen
    return pytest.mark.parametrize("vector", chosen, ids=[each["id"] for each in chosen])


# ---- the vectors


@vectors("create")
def test_order_is_signed_as_in_the_vectors(vector):
    text = joined(vector["input"], CREATE)

    assert text == vector["expected"]["hmac_input"]
    assert mac_of(vector["key1"].encode(), text) == vector["expected"]["mac"]


def test_day_of_an_order_is_that_of_the_vietnamese_clock():
    midnight = next(each for each in VECTORS if each["id"] == "create-midnight")["input"]

    made_at = datetime.fromtimestamp(midnight["app_time"] / 1000, UTC)

    assert made_at.day == 2
    assert app_trans_id("HPB7K2QF9XA4", made_at) == midnight["app_trans_id"]


@vectors("query")
def test_question_is_signed_as_in_the_vectors(vector):
    key = vector["key1"].encode()
    text = query_text(vector["input"]["app_id"], vector["input"]["app_trans_id"], key)

    assert (text, mac_of(key, text)) == (vector["expected"]["hmac_input"], vector["expected"]["mac"])


@pytest.mark.parametrize("identifier", ["refund-full", "query-refund-0"])
def test_refund_and_its_question_are_signed_as_in_the_vectors(identifier):
    vector = next(each for each in VECTORS if each["id"] == identifier)
    text = joined(vector["input"], REFUND if vector["kind"] == "refund" else QUERY_REFUND)

    assert text == vector["expected"]["hmac_input"]
    assert mac_of(vector["key1"].encode(), text) == vector["expected"]["mac"]


@vectors("callback")
def test_callback_is_judged_as_in_the_vectors(vector):
    wallet, callback = application(key2=vector["key2"]), delivery(vector["input"]["body_json"])

    if not vector["expected"]["valid"]:
        with pytest.raises(BadSignature):
            wallet.read_callback(callback)
        return
    notice = one(wallet.read_callback(callback))

    assert notice.outcome is Outcome.SUCCEEDED
    assert notice.amount == vector["expected"].get("amount_vnd", 350_000)
    answered = json.loads(wallet.answer_callback(callback, Verdict.ACCEPTED, "receipt").body)
    assert answered["return_code"] == vector["expected"]["return_code"]


# ---- callbacks


def test_payment_is_reported_under_our_reference():
    notice = one(application().read_callback(signed_callback()))

    assert (notice.reference, notice.provider_reference) == ("K7ABCDEFR", "260102000000001")
    assert notice.movement_keys == {"transaction:260102000000001"}
    assert notice.occurred_at == datetime(2026, 1, 2, 2, 13, 50, tzinfo=UTC)


def test_received_twice_is_one_event_and_another_amount_is_seen():
    first, second, other = (
        one(application().read_callback(each))
        for each in (signed_callback(), signed_callback(), signed_callback(amount=1))
    )

    assert (first.event_key, first.fingerprint) == (second.event_key, second.fingerprint)
    assert first.event_key == other.event_key
    assert first.fingerprint != other.fingerprint


def test_message_of_another_application_names_another_account():
    assert one(application().read_callback(signed_callback(app_id=8888))).names_other_account


@pytest.mark.parametrize("name", sorted(DATA))
def test_changed_field_is_refused(name):
    body = json.loads(signed_callback().body)
    data = json.loads(body["data"])
    data[name] = data[name] + 1 if isinstance(data[name], int) else data[name] + " "

    with pytest.raises(BadSignature):
        application().read_callback(delivery(json.dumps({**body, "data": json.dumps(data)})))


@pytest.mark.parametrize("wrong", [{"mac": None}, {"mac": ""}, {"mac": ["x"]}, {"data": None}, {"data": {"amount": 1}}])
def test_callback_without_mac_or_data_is_refused(wrong):
    with pytest.raises(BadSignature) as refused:
        application().read_callback(delivery(json.dumps({**json.loads(signed_callback().body), **wrong})))

    assert json.loads(refused.value.reply.body)["return_code"] == 2


def test_field_that_stands_twice_is_refused():
    mac = json.loads(signed_callback().body)["mac"]

    with pytest.raises(BadSignature):
        application().read_callback(delivery(signed_callback().body.decode()[:-1] + f', "mac": "{mac}"}}'))


def test_mac_by_key1_or_another_application_is_refused():
    for key in (KEY1, "ANOTHERKEYANOTHERKEYANOTHERKEY01"):
        with pytest.raises(BadSignature):
            application().read_callback(signed_callback(key))


def test_both_keys_hold_while_one_is_being_changed():
    wallet = application(key2=["NEWKEYNEWKEYNEWKEYNEWKEYNEWKEY01", KEY2])

    assert (
        one(wallet.read_callback(signed_callback())).amount
        == one(wallet.read_callback(signed_callback("NEWKEYNEWKEYNEWKEYNEWKEYNEWKEY01"))).amount
    )


@pytest.mark.parametrize(
    "changed",
    [
        {"amount": "350000"},
        {"amount": 350000.5},
        {"amount": -1},
        {"amount": True},
        {"zp_trans_id": 0},
        {"zp_trans_id": "x"},
        {"server_time": 1},
        {"app_trans_id": "no day"},
    ],
)
def test_signed_nonsense_is_unreadable(changed):
    with pytest.raises(Unreadable):
        application().read_callback(signed_callback(**changed))


def test_agreement_moves_no_money():
    assert application().read_callback(signed_callback(kind=2)) == Notices(())


@pytest.mark.parametrize("verdict", list(Verdict))
def test_every_verdict_but_try_later_is_recorded(verdict):
    answer = application().answer_callback(signed_callback(), verdict, "receipt")

    assert answer.status == 200
    assert json.loads(answer.body)["return_code"] == (0 if verdict is Verdict.TRY_LATER else 1)


@pytest.mark.parametrize("kind", ["1", None, "order", 3])
def test_type_that_is_no_agreement_never_makes_signed_money_disappear(kind):
    notice = one(application().read_callback(signed_callback(kind=kind)))

    assert (notice.outcome, notice.amount) == (Outcome.SUCCEEDED, 350_000)
    assert notice.event_key == one(application().read_callback(signed_callback())).event_key

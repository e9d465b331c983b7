"""SePay's gateway: the signed form by the vectors, the IPN that shows a key and signs nothing, and its questions."""

import httpx
import pytest

from providers.contract import (
    BadSignature,
    Notice,
    Outcome,
    PaymentRefused,
    PaymentRequest,
    Unreadable,
    Verdict,
)
from providers.sepay.gateway import form_fields, form_signature, form_text
from tests.providers.network_faults import AFTER_SENDING
from tests.providers.sepay_gateway_samples import (
    API,
    AT,
    KEY,
    KNOWN,
    ORDER,
    SECRET,
    TRANSACTION,
    merchant,
    signed_callback,
    vectors,
)
from tests.providers.sepay_samples import delivery, one


@vectors("checkout_signature")
def test_form_is_signed_in_the_order_it_is_posted_as_in_the_vectors(vector):
    expected = vector["expected"]
    fields = form_fields([tuple(pair) for pair in vector["input"]["fields_in_order"]], vector["merchant_id"])

    assert fields == [(name, str(value)) for name, value in expected["form_fields_in_order"]]
    assert form_text(fields) == expected["signed_string"]
    assert form_signature(fields, vector["key"].encode()) == expected["signature_base64"]


@vectors("pg_ipn")
def test_ipn_is_judged_as_in_the_vectors(vector):
    gateway, expected = merchant(ipn_keys=vector["key"]), vector["expected"]
    headers = {name.replace("-", "_"): value for name, value in vector["input"]["headers"].items()}
    callback = delivery(vector["input"]["body_json"], **headers)

    notice = one(gateway.read_callback(callback))

    assert notice.outcome is (Outcome.SUCCEEDED if expected["state"] == "paid" else Outcome.REVIEW)
    assert notice.amount == expected.get("amount_vnd", 350_000)
    assert gateway.answer_callback(callback, Verdict.ACCEPTED, "receipt").status == expected["http_status"]


async def test_payment_is_a_form_for_the_payers_browser():
    request = PaymentRequest(
        reference="K7ABCDEFR", amount=350_000, purpose="K7ABCDEFR VIEN PHI", expires_at=None, requested_at=AT
    )

    instruction = await merchant().create_payment(request)

    fields = dict(instruction.form_fields)
    assert instruction.redirect_url == "https://pay-sandbox.sepay.vn/v1/checkout/init"
    assert (fields["order_invoice_number"], fields["order_amount"]) == ("K7ABCDEFR", "350000")
    assert fields["signature"] == form_signature(instruction.form_fields[:-1], SECRET.encode())
    assert SECRET not in repr(instruction)
    with pytest.raises(PaymentRefused, match="return_url"):
        await merchant(return_url="").create_payment(request)


def test_same_event_received_twice_is_one_and_another_amount_is_seen():
    gateway = merchant()
    first, second = (one(gateway.read_callback(signed_callback())) for _ in range(2))
    other = one(
        gateway.read_callback(signed_callback(order={"order_amount": "1.00"}, transaction={"transaction_amount": "1"}))
    )

    assert (first.event_key, first.fingerprint) == (second.event_key, second.fingerprint)
    assert first.movement_keys == {"transaction:00000000-0000-4000-8000-000000000002"}
    assert (other.event_key, other.fingerprint != first.fingerprint) == (first.event_key, True)


@pytest.mark.parametrize(
    ("event", "order", "transaction", "outcome"),
    [
        ("ORDER_PAID", {"order_status": "PENDING"}, {}, Outcome.UNKNOWN),
        ("ORDER_PAID", {}, {"transaction_status": "DECLINED"}, Outcome.UNKNOWN),
        ("ORDER_PAID", {"order_amount": "1.00"}, {}, Outcome.REVIEW),
        ("TRANSACTION_VOID", {}, {"transaction_status": "VOIDED"}, Outcome.REVIEW),
        ("SOMETHING_NEW", {}, {}, Outcome.PENDING),
    ],
)
def test_only_paid_captured_and_approved_is_money(event, order, transaction, outcome):
    assert one(merchant().read_callback(signed_callback(event, order, transaction))).outcome is outcome


def test_key_alone_credits_as_far_as_the_settings_allow():
    assert one(merchant(confirm_above=349_999).read_callback(signed_callback())).outcome is Outcome.UNKNOWN
    assert one(merchant(confirm_above=350_000).read_callback(signed_callback())).outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize("key", ["", "FAKE_X_SECRET_KEX", "FAKE_X_SECRET_KEY "])
def test_other_key_is_refused(key):
    with pytest.raises(BadSignature):
        merchant().read_callback(signed_callback(key=key))


def test_both_keys_hold_while_one_is_being_changed():
    assert one(merchant(ipn_keys=["ANOTHER_X_SECRET", KEY]).read_callback(signed_callback())).amount == 350_000


@pytest.mark.parametrize(
    ("order", "transaction"),
    [
        (None, {"transaction_amount": "350000.50"}),
        (None, {"transaction_amount": 3.5}),
        (None, {"transaction_amount": "-1"}),
        (None, {"transaction_amount": "NaN"}),
        (None, {"transaction_currency": "USD"}),
        (None, {"transaction_date": "2 Jan"}),
        ({"order_invoice_number": ""}, None),
        ([], None),
    ],
)
def test_nonsense_is_unreadable(order, transaction):
    with pytest.raises(Unreadable):
        merchant().read_callback(signed_callback(order=order, transaction=transaction))


@pytest.mark.parametrize("verdict", list(Verdict))
def test_every_verdict_but_try_later_is_200(verdict):
    assert merchant().answer_callback(signed_callback(), verdict, "").status == (
        503 if verdict is Verdict.TRY_LATER else 200
    )


# ---- questions


WORLD_URL = API


async def queried() -> Notice:
    async with httpx.AsyncClient() as client:
        return one(await merchant(client).query_payment(KNOWN))


async def test_paid_is_reported_as_its_ipn_reports_it(world):
    world.get("/order/detail/K7ABCDEFR").respond(json={"data": {**ORDER, "transactions": [TRANSACTION]}})

    ours, theirs = await queried(), one(merchant().read_callback(signed_callback()))

    assert (ours.event_key, ours.movement_keys) == (theirs.event_key, theirs.movement_keys)
    assert ours.fingerprint == theirs.fingerprint


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ({"data": {**ORDER, "order_status": "PENDING"}}, Outcome.PENDING),
        ({"data": {**ORDER, "order_status": "CANCELLED"}}, Outcome.CANCELLED),
        ({"data": {**ORDER, "order_status": "NEW"}}, Outcome.UNKNOWN),
        ({"data": {**ORDER, "transactions": []}}, Outcome.UNKNOWN),
        ({"data": {**ORDER, "order_invoice_number": "K7ABCDEFS", "transactions": [TRANSACTION]}}, Outcome.UNKNOWN),
        ({"data": 5}, Outcome.UNKNOWN),
    ],
)
async def test_answer_is_read_by_its_words(world, answer, outcome):
    world.get("/order/detail/K7ABCDEFR").respond(json=answer)

    assert (await queried()).outcome is outcome


async def test_order_that_was_never_made_is_not_found(world):
    world.get("/order/detail/K7ABCDEFR").respond(404)

    assert (await queried()).outcome is Outcome.NOT_FOUND


async def test_question_without_an_answer_is_unknown_and_shows_no_secret(world, caplog):
    world.get("/order/detail/K7ABCDEFR").side_effect = AFTER_SENDING["timeout after sending"]

    assert (await queried()).outcome is Outcome.UNKNOWN
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    ("status", "answer", "outcome"),
    [
        (200, {"success": True}, Outcome.CANCELLED),
        (422, {"success": False}, Outcome.UNKNOWN),
        (500, {}, Outcome.UNKNOWN),
    ],
)
async def test_order_is_cancelled_only_if_sepay_states_so(world, status, answer, outcome):
    world.post("/order/cancel").respond(status, json=answer)

    async with httpx.AsyncClient() as client:
        assert (await merchant(client).cancel_payment(KNOWN, reason="doi y")).outcome is outcome

"""Requests to MoMo: orders, status queries, refunds, and faults of the network."""

import json
from dataclasses import replace

import httpx
import pytest

from providers.contract import Notice, Outcome, PaymentRefused, PaymentUnknown
from providers.momo.signing import CREATE, REFUND, signature_of, signed_text
from tests.providers.momo_samples import ACCESS, HOST, KNOWN, PAID, REQUEST, SECRET, account, one, signed_callback
from tests.providers.momo_samples import REFUND as REFUND_REQUEST
from tests.providers.network_faults import AFTER_SENDING, BEFORE_SENDING

PAGE = {
    "partnerCode": "FAKEMOMO",
    "orderId": "K7ABCDEFR",
    "amount": 350000,
    "resultCode": 0,
    "payUrl": "https://test-payment.momo.vn/v2/gateway/pay?t=x",
    "qrCodeUrl": "momo://app?action=payWithApp",
}


WORLD_URL = f"{HOST}/v2/gateway/api"


async def create(amount: int = 350_000) -> object:
    async with httpx.AsyncClient() as client:
        return await account(client).create_payment(replace(REQUEST, amount=amount))


async def test_order_leads_to_momos_page_and_shows_no_code_we_cannot_check(world):
    route = world.post("/create").respond(json=PAGE)

    instruction = await create()

    sent = json.loads(route.calls.last.request.content)
    assert (sent["orderId"], sent["amount"], sent["requestType"]) == ("K7ABCDEFR", 350_000, "captureWallet")
    assert sent["signature"] == signature_of(SECRET.encode(), signed_text(sent, CREATE, ACCESS))
    assert "accessKey" not in sent
    assert (instruction.redirect_url, instruction.qr_payload) == (PAGE["payUrl"], "")


async def test_order_made_again_has_the_same_ids(world):
    route = world.post("/create").respond(json=PAGE)

    await create()
    await create()

    first, again = (json.loads(call.request.content) for call in route.calls)
    assert first == again


@pytest.mark.parametrize("amount", [999, 50_000_001])
async def test_amount_outside_momos_limits_is_refused_without_a_call(world, amount):
    route = world.post("/create")

    with pytest.raises(PaymentRefused):
        await create(amount)

    assert not route.called


@pytest.mark.parametrize("code", [11, 13, 20, 21, 22])
async def test_order_that_momo_refuses_for_our_fault_is_refused(world, code):
    world.post("/create").respond(json={**PAGE, "resultCode": code})

    with pytest.raises(PaymentRefused):
        await create()


@pytest.mark.parametrize(
    "changed",
    [
        {"resultCode": 40},
        {"resultCode": 41},
        {"resultCode": 99},
        {"resultCode": 7000},
        {"payUrl": None},
        {"payUrl": "javascript:alert(1)"},
        {"amount": 1},
        {"orderId": "K7ABCDEFS"},
        {"partnerCode": "OTHERMOMO"},
    ],
)
async def test_order_that_may_have_been_made_is_queried(world, changed):
    world.post("/create").respond(json={**PAGE, **changed})

    with pytest.raises(PaymentUnknown):
        await create()


async def test_order_without_an_answer_is_unknown_and_shows_no_secret(world, caplog):
    route = world.post("/create")
    route.side_effect = AFTER_SENDING["timeout after sending"]

    with pytest.raises(PaymentUnknown) as raised:
        await create()

    assert route.call_count == 1
    shown = f"{raised.value!r} {raised.value.__cause__!r} {caplog.text}"
    assert SECRET not in shown
    assert ACCESS not in shown


@pytest.mark.parametrize("trouble", sorted(BEFORE_SENDING))
async def test_order_that_was_never_sent_is_refused(world, trouble):
    world.post("/create").side_effect = BEFORE_SENDING[trouble]

    with pytest.raises(PaymentRefused):
        await create()


async def queried() -> Notice:
    async with httpx.AsyncClient() as client:
        return one(await account(client).query_payment(KNOWN))


async def test_paid_is_reported_as_its_ipn_reports_it(world):
    world.post("/query").respond(json=PAID)

    ours, theirs = await queried(), one(account().read_callback(signed_callback()))

    assert (ours.event_key, ours.movement_keys) == (theirs.event_key, theirs.movement_keys)
    assert ours.fingerprint == theirs.fingerprint


@pytest.mark.parametrize(
    ("changed", "outcome"),
    [
        ({"resultCode": 1000}, Outcome.PENDING),
        ({"resultCode": 9000}, Outcome.PENDING),
        ({"resultCode": 1005}, Outcome.EXPIRED),
        ({"resultCode": 1001}, Outcome.FAILED),
        ({"resultCode": 42}, Outcome.NOT_FOUND),
        ({"resultCode": 98}, Outcome.UNKNOWN),
        ({"resultCode": 777}, Outcome.UNKNOWN),
        ({"resultCode": "0"}, Outcome.UNKNOWN),
        ({"orderId": "K7ABCDEFS"}, Outcome.UNKNOWN),
        ({"partnerCode": "OTHERMOMO"}, Outcome.UNKNOWN),
        ({"amount": 3.5}, Outcome.UNKNOWN),
    ],
)
async def test_answer_is_read_by_its_code(world, changed, outcome):
    world.post("/query").respond(json={**PAID, **changed})

    assert (await queried()).outcome is outcome


async def test_question_without_an_answer_is_unknown(world):
    world.post("/query").side_effect = AFTER_SENDING["timeout after sending"]

    assert (await queried()).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (0, Outcome.SUCCEEDED),
        (7002, Outcome.PENDING),
        (41, Outcome.PENDING),
        (1080, Outcome.PENDING),
        (1088, Outcome.FAILED),
        (43, Outcome.FAILED),
        (1081, Outcome.UNKNOWN),
        (5, Outcome.UNKNOWN),
    ],
)
async def test_refund_is_an_order_of_its_own_and_read_by_its_code(world, code, outcome):
    route = world.post("/refund").respond(json={"resultCode": code, "transId": 4000000077})

    async with httpx.AsyncClient() as client:
        assert (await account(client).refund(REFUND_REQUEST)).outcome is outcome

    sent = json.loads(route.calls.last.request.content)
    assert (sent["orderId"], sent["transId"], sent["amount"]) == ("RF0000001", 4000000001, 100_000)
    assert sent["signature"] == signature_of(SECRET.encode(), signed_text(sent, REFUND, ACCESS))


async def test_refund_without_an_answer_is_unknown_and_sent_once(world):
    route = world.post("/refund")
    route.side_effect = AFTER_SENDING["timeout after sending"]

    async with httpx.AsyncClient() as client:
        assert (await account(client).refund(REFUND_REQUEST)).outcome is Outcome.UNKNOWN

    assert route.call_count == 1


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (0, Outcome.SUCCEEDED),
        (42, Outcome.NOT_FOUND),
        (1088, Outcome.FAILED),
        (99, Outcome.UNKNOWN),
        (13, Outcome.UNKNOWN),  # MoMo refused the query; the answer does not state the refund's result
        (20, Outcome.UNKNOWN),
        (43, Outcome.UNKNOWN),
    ],
)
async def test_refund_is_followed_by_its_own_order(world, code, outcome):
    route = world.post("/query").respond(json={"orderId": "RF0000001", "resultCode": code})

    async with httpx.AsyncClient() as client:
        found = await account(client).query_refund(REFUND_REQUEST, provider_reference="", queried_at=KNOWN.queried_at)

    assert found.outcome is outcome
    assert json.loads(route.calls.last.request.content)["orderId"] == "RF0000001"

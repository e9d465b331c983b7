"""Requests to ZaloPay: orders, status queries, refunds, and faults of the network."""

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest

from providers.contract import (
    Notice,
    Outcome,
    PaymentRefused,
    PaymentUnknown,
)
from providers.zalopay.signing import CREATE, REFUND, joined, mac_of
from tests.providers.network_faults import AFTER_SENDING, BEFORE_SENDING
from tests.providers.zalopay_samples import (
    ANSWER,
    HOST,
    KEY1,
    KNOWN,
    REFUND_REQUEST,
    REQUEST,
    application,
    one,
    signed_callback,
)

WORLD_URL = HOST


async def created(**settings: Any) -> str:
    async with httpx.AsyncClient() as client:
        return (await application(client, **settings).create_payment(REQUEST)).redirect_url


async def test_order_leads_to_zalopays_page_and_shows_no_code_we_cannot_check(world):
    route = world.post("/v2/create").respond(
        json={"return_code": 1, "order_url": "https://qcgateway.zalopay.vn/x", "qr_code": "00020101021226…"}
    )

    async with httpx.AsyncClient() as client:
        instruction = await application(client).create_payment(REQUEST)

    sent = dict(parse_qsl(route.calls.last.request.content.decode(), keep_blank_values=True))
    assert (sent["app_trans_id"], sent["amount"]) == ("260102_K7ABCDEFR", "350000")
    assert (sent["expire_duration_seconds"], sent["app_user"]) == ("1800", "hospital")
    assert sent["mac"] == mac_of(KEY1.encode(), joined(sent, CREATE))
    assert (instruction.redirect_url, instruction.qr_payload) == ("https://qcgateway.zalopay.vn/x", "")


@pytest.mark.parametrize("sub", [-401, -402])
async def test_order_that_zalopay_refuses_for_our_fault_is_refused(world, sub):
    world.post("/v2/create").respond(json={"return_code": 2, "sub_return_code": sub})

    with pytest.raises(PaymentRefused):
        await created()


@pytest.mark.parametrize(
    "answer",
    [
        {"return_code": 2, "sub_return_code": -68},
        {"return_code": 2, "sub_return_code": -500},
        {"return_code": 2, "sub_return_code": -429},
        {"return_code": 3},
        {"return_code": 1},
        {"return_code": 1, "order_url": "javascript:alert(1)"},
        {"return_code": 1, "order_url": 5},
    ],
)
async def test_order_that_may_have_been_made_is_queried(world, answer):
    world.post("/v2/create").respond(json=answer)

    with pytest.raises(PaymentUnknown):
        await created()


async def test_order_without_an_answer_is_unknown(world, caplog):
    route = world.post("/v2/create")
    route.side_effect = AFTER_SENDING["timeout after sending"]

    with pytest.raises(PaymentUnknown) as raised:
        await created()

    assert route.call_count == 1
    assert KEY1 not in f"{raised.value!r} {raised.value.__cause__!r} {caplog.text}"


@pytest.mark.parametrize("trouble", sorted(BEFORE_SENDING))
async def test_order_that_was_never_sent_is_refused(world, trouble):
    world.post("/v2/create").side_effect = BEFORE_SENDING[trouble]

    with pytest.raises(PaymentRefused):
        await created()


async def queried() -> Notice:
    async with httpx.AsyncClient() as client:
        return one(await application(client).query_payment(KNOWN))


async def test_paid_is_reported_as_its_callback_reports_it(world):
    world.post("/v2/query").respond(json=ANSWER)

    ours, theirs = await queried(), one(application().read_callback(signed_callback()))

    assert (ours.event_key, ours.movement_keys, ours.fingerprint) == (
        theirs.event_key,
        theirs.movement_keys,
        theirs.fingerprint,
    )


@pytest.mark.parametrize(
    ("changed", "outcome"),
    [
        ({"return_code": 3}, Outcome.PENDING),
        ({"is_processing": True}, Outcome.PENDING),
        ({"return_code": 2, "sub_return_code": -54}, Outcome.EXPIRED),
        ({"return_code": 2, "sub_return_code": -63}, Outcome.FAILED),
        ({"return_code": 2, "sub_return_code": -1331}, Outcome.FAILED),
        ({"return_code": 2, "sub_return_code": -101}, Outcome.NOT_FOUND),
        ({"return_code": 2, "sub_return_code": -999}, Outcome.UNKNOWN),
        ({"return_code": 2, "sub_return_code": -1}, Outcome.UNKNOWN),
        ({"return_code": 7}, Outcome.UNKNOWN),
        ({"amount": "350000"}, Outcome.UNKNOWN),
        ({"zp_trans_id": 0}, Outcome.UNKNOWN),
    ],
)
async def test_answer_is_read_by_its_codes(world, changed, outcome):
    world.post("/v2/query").respond(json={**ANSWER, **changed})

    assert (await queried()).outcome is outcome


async def test_question_without_an_answer_is_unknown(world):
    world.post("/v2/query").side_effect = AFTER_SENDING["timeout after sending"]

    assert (await queried()).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ({"return_code": 3}, Outcome.PENDING),
        ({"return_code": 1}, Outcome.SUCCEEDED),
        ({"return_code": 2, "sub_return_code": -23}, Outcome.PENDING),
        ({"return_code": 2, "sub_return_code": -14}, Outcome.FAILED),
        ({"return_code": 2, "sub_return_code": -500}, Outcome.UNKNOWN),
    ],
)
async def test_refund_is_read_by_its_codes_and_signed_without_its_id(world, answer, outcome):
    route = world.post("/v2/refund").respond(json=answer)

    async with httpx.AsyncClient() as client:
        assert (await application(client).refund(REFUND_REQUEST)).outcome is outcome

    sent = dict(parse_qsl(route.calls.last.request.content.decode()))
    assert sent["m_refund_id"] == "260103_9999_RF0000001"
    assert sent["mac"] == mac_of(KEY1.encode(), joined(sent, REFUND))


async def test_refund_without_an_answer_is_unknown_and_sent_once(world):
    route = world.post("/v2/refund")
    route.side_effect = AFTER_SENDING["timeout after sending"]

    async with httpx.AsyncClient() as client:
        assert (await application(client).refund(REFUND_REQUEST)).outcome is Outcome.UNKNOWN

    assert route.call_count == 1


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ({"return_code": 1}, Outcome.SUCCEEDED),
        ({"return_code": 2, "sub_return_code": 0}, Outcome.FAILED),
        ({"return_code": 3, "sub_return_code": -1}, Outcome.PENDING),
        ({"return_code": 3, "sub_return_code": 2}, Outcome.PENDING),
        ({"return_code": 2, "sub_return_code": -101}, Outcome.NOT_FOUND),
        ({"return_code": 2, "sub_return_code": -7}, Outcome.UNKNOWN),
        ({"return_code": 2}, Outcome.UNKNOWN),
        ({"return_code": 2, "sub_return_code": None}, Outcome.UNKNOWN),
        ({"return_code": 2, "sub_return_code": "0"}, Outcome.UNKNOWN),
    ],
)
async def test_refund_is_followed_to_its_end(world, answer, outcome):
    world.post("/v2/query_refund").respond(json=answer)

    async with httpx.AsyncClient() as client:
        found = await application(client).query_refund(
            replace(REFUND_REQUEST), provider_reference="", queried_at=KNOWN.queried_at
        )

    assert found.outcome is outcome

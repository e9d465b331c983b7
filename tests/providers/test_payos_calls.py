"""Requests to payOS: links, status queries, cancellations, and faults of the network."""

import json
from dataclasses import replace

import httpx
import pytest

from providers.contract import Notices, Outcome, PaymentRefused, PaymentUnknown
from providers.payos.signing import create_text, signature_of
from tests.providers.network_faults import AFTER_SENDING, BEFORE_SENDING
from tests.providers.payos_samples import (
    API_KEY,
    HOST,
    KEY,
    KNOWN,
    LINK,
    ORDER,
    REQUEST,
    TRANSFER,
    channel,
    link,
    one,
    qr_for,
    signed,
    signed_callback,
)

PATH = f"/v2/payment-requests/{ORDER}"


def state(status: str, *transfers: dict[str, object], **changed: object) -> dict[str, object]:
    return signed(
        {"id": LINK, "orderCode": ORDER, "amount": 350000, "status": status, "transactions": list(transfers), **changed}
    )


def transfer(**changed: object) -> dict[str, object]:
    names = ("reference", "amount", "accountNumber", "description")
    return {
        **{name: TRANSFER[name] for name in names},
        "transactionDateTime": "2026-01-02T09:15:30+07:00",
        "counterAccountName": None,
        **changed,
    }


WORLD_URL = HOST


async def create(**settings: object):
    async with httpx.AsyncClient() as client:
        return await channel(client, **settings).create_payment(REQUEST)


async def queried() -> Notices:
    async with httpx.AsyncClient() as client:
        return await channel(client).query_payment(KNOWN)


async def test_link_is_made_and_its_code_shown(world):
    route = world.post("/v2/payment-requests").respond(json=link())

    instruction = await create()

    request = route.calls.last.request
    sent = json.loads(request.content)
    assert (sent["orderCode"], sent["description"], sent["amount"]) == (ORDER, "K7ABCDEFR", 350_000)
    assert sent["expiredAt"] == 1767321600
    assert sent["signature"] == signature_of(KEY.encode(), create_text(sent))
    assert (request.headers["x-client-id"], request.headers["x-api-key"]) == ("fake-client", API_KEY)
    assert instruction.qr_payload == qr_for()
    assert instruction.redirect_url == f"https://pay.payos.vn/web/{LINK}"


async def test_linked_account_carries_the_whole_purpose(world):
    route = world.post("/v2/payment-requests").respond(json=link())

    await create(description_length=25)

    assert json.loads(route.calls.last.request.content)["description"] == "K7ABCDEFR VIEN PHI"


@pytest.mark.parametrize(
    "changed",
    [
        {"qrCode": qr_for("0000000000018")},
        {"qrCode": qr_for(amount=1)},
        {"qrCode": qr_for(bank_bin="970436")},
        {"qrCode": "000201TEST"},
        {"accountNumber": "0000000000018", "qrCode": qr_for("0000000000018")},
        {"bin": "970436", "qrCode": qr_for(bank_bin="970436")},
    ],
)
async def test_code_that_does_not_pay_the_approved_account_is_not_shown(world, changed):
    world.post("/v2/payment-requests").respond(json=link(**changed))

    with pytest.raises(PaymentRefused):
        await create()


@pytest.mark.parametrize("changed", [{"amount": 1}, {"orderCode": 1}, {"currency": "USD"}, {"qrCode": None}])
async def test_answer_for_another_payment_is_no_answer(world, changed):
    world.post("/v2/payment-requests").respond(json=link(**changed))

    with pytest.raises(PaymentUnknown):
        await create()


async def test_answer_of_another_channel_is_no_answer(world):
    world.post("/v2/payment-requests").respond(json={**link(), "signature": "0" * 64})

    with pytest.raises(PaymentUnknown):
        await create()


async def test_link_that_payos_refuses_is_refused_even_with_status_200(world):
    world.post("/v2/payment-requests").respond(json={"code": "20", "desc": "Thông tin không hợp lệ"})

    with pytest.raises(PaymentRefused):
        await create()


async def test_link_that_exists_already_is_shown_by_its_page(world):
    world.post("/v2/payment-requests").respond(json={"code": "231", "desc": "Đơn thanh toán đã tồn tại"})
    world.get(PATH).respond(json=state("PENDING"))

    assert (await create()).redirect_url == f"https://pay.payos.vn/web/{LINK}"


@pytest.mark.parametrize("there", [state("PENDING", amount=1), state("CANCELLED"), state("PENDING", id="../x y")])
async def test_link_that_exists_otherwise_is_refused(world, there):
    world.post("/v2/payment-requests").respond(json={"code": "231"})
    world.get(PATH).respond(json=there)

    with pytest.raises(PaymentRefused):
        await create()


async def test_link_without_an_answer_is_unknown_and_shows_no_secret(world, caplog):
    route = world.post("/v2/payment-requests")
    route.side_effect = AFTER_SENDING["timeout after sending"]

    with pytest.raises(PaymentUnknown) as raised:
        await create()

    assert route.call_count == 1
    shown = f"{raised.value!r} {raised.value.__cause__!r} {caplog.text}"
    assert KEY not in shown
    assert API_KEY not in shown


@pytest.mark.parametrize("trouble", sorted(BEFORE_SENDING))
async def test_link_that_was_never_sent_is_refused(world, trouble):
    world.post("/v2/payment-requests").side_effect = BEFORE_SENDING[trouble]

    with pytest.raises(PaymentRefused):
        await create()


async def test_reference_that_is_no_code_is_refused_without_a_call(world):
    route = world.post("/v2/payment-requests")

    with pytest.raises(PaymentRefused):
        await channel().create_payment(replace(REQUEST, reference="HPB7K2QF9XA"))

    assert not route.called


async def test_transfers_are_reported_as_their_webhooks_report_them(world):
    world.get(PATH).respond(json=state("PAID", transfer()))

    ours, theirs = one(await queried()), one(channel().read_callback(signed_callback()))

    assert (ours.event_key, ours.movement_keys, ours.amount) == (theirs.event_key, theirs.movement_keys, theirs.amount)
    assert ours.fingerprint == theirs.fingerprint
    assert ours.occurred_at == theirs.occurred_at


async def test_part_that_came_is_reported_with_where_the_link_stands(world):
    world.get(PATH).respond(json=state("UNDERPAID", transfer(amount=100_000), transfer(amount=1, reference="TF2")))

    reported_of = await queried()

    assert [(notice.outcome, notice.amount) for notice in reported_of.notices] == [
        (Outcome.SUCCEEDED, 100_000),
        (Outcome.SUCCEEDED, 1),
        (Outcome.PENDING, 350_000),
    ]


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("PENDING", Outcome.PENDING),
        ("PROCESSING", Outcome.PENDING),
        ("CANCELLED", Outcome.CANCELLED),
        ("EXPIRED", Outcome.EXPIRED),
        ("FAILED", Outcome.FAILED),
        ("PAID", Outcome.UNKNOWN),
        ("NEW WORD", Outcome.UNKNOWN),
    ],
)
async def test_link_without_transfers_stands_as_its_status_states(world, status, outcome):
    world.get(PATH).respond(json=state(status))

    assert one(await queried()).outcome is outcome


async def test_money_under_a_cancelled_link_is_reported(world):
    world.get(PATH).respond(json=state("CANCELLED", transfer()))

    assert [notice.outcome for notice in (await queried()).notices] == [Outcome.SUCCEEDED, Outcome.CANCELLED]


@pytest.mark.parametrize(
    "answer",
    [
        state("PAID", transfer(amount="x")),
        state("PAID", orderCode=5),
        state("PAID", transactions=None),
        state("PAID", transactions=[5]),
        {**state("PAID", transfer()), "signature": "0" * 64},
        {"code": "20", "desc": "?"},
    ],
)
async def test_answer_that_makes_no_sense_is_unknown(world, answer):
    world.get(PATH).respond(json=answer)

    assert one(await queried()).outcome is Outcome.UNKNOWN


async def test_link_that_payos_never_had_is_not_found(world):
    world.get(PATH).respond(404)

    assert one(await queried()).outcome is Outcome.NOT_FOUND


async def test_question_without_an_answer_is_unknown(world):
    world.get(PATH).side_effect = AFTER_SENDING["timeout after sending"]

    assert one(await queried()).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (state("CANCELLED"), Outcome.CANCELLED),
        (state("PAID", transfer()), Outcome.SUCCEEDED),
        ({"code": "101"}, Outcome.UNKNOWN),
    ],
)
async def test_link_is_closed_unless_it_is_paid(world, answer, outcome):
    world.post(f"{PATH}/cancel").respond(json=answer)

    async with httpx.AsyncClient() as client:
        assert (await channel(client).cancel_payment(KNOWN, reason="benh nhan doi y")).outcome is outcome


async def test_cancellation_without_an_answer_is_unknown(world):
    world.post(f"{PATH}/cancel").side_effect = AFTER_SENDING["timeout after sending"]

    async with httpx.AsyncClient() as client:
        assert (await channel(client).cancel_payment(KNOWN, reason="x")).outcome is Outcome.UNKNOWN

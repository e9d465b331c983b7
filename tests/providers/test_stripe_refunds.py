"""Requests to Stripe: refunds, refund queries, cancellations, and faults of the network."""

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest
import respx

from providers.contract import OperationResult, Outcome
from tests.providers.network_faults import AFTER_SENDING, BEFORE_SENDING
from tests.providers.stripe_samples import (
    HOST,
    INTENT,
    KEY,
    KNOWN,
    NEW_INTENT,
    REFUND,
    REFUND_REQUEST,
    SESSION,
    account,
    without,
)

INTENTS, SESSIONS, REFUNDS = "/v1/payment_intents", "/v1/checkout/sessions", "/v1/refunds"
PAGE = "https://checkout.stripe.com/c/pay/cs_1"
NEW_SESSION = {**SESSION, "status": "open", "payment_status": "unpaid", "payment_intent": None, "url": PAGE}
UNKNOWN_REF = replace(KNOWN, provider_reference="")
NOTHING = {"object": "list", "data": [], "has_more": False}


WORLD_URL = HOST


def error(code: str = "invalid", kind: str = "invalid_request_error") -> dict[str, Any]:
    return {"error": {"type": kind, "code": code, "message": f"No such key {KEY}"}}


def sent(route: respx.Route) -> dict[str, str]:
    return dict(parse_qsl(route.calls.last.request.content.decode(), keep_blank_values=True))


async def refunded(request=REFUND_REQUEST) -> OperationResult:
    async with httpx.AsyncClient() as client:
        return await account(client).refund(request)


async def queried_refund(provider_reference: str) -> OperationResult:
    async with httpx.AsyncClient() as client:
        return await account(client).query_refund(
            REFUND_REQUEST, provider_reference=provider_reference, queried_at=KNOWN.queried_at
        )


async def cancelled(known=KNOWN) -> OperationResult:
    async with httpx.AsyncClient() as client:
        return await account(client).cancel_payment(known, reason="")


# ---- refunds


async def test_refund_names_its_payment_and_its_own_code(world):
    world.get(REFUNDS).respond(json=NOTHING)
    route = world.post(REFUNDS).respond(json=REFUND)

    answer = await refunded()

    assert (answer.outcome, answer.provider_reference) == (Outcome.SUCCEEDED, "re_1")
    assert sent(route) == {
        "payment_intent": "pi_1",
        "amount": "100000",
        "metadata[invoice]": "K7ABCDEFR",
        "metadata[refund]": "RF0000001",
    }


async def test_refund_of_a_charge_names_the_charge(world):
    world.get(REFUNDS).respond(json=NOTHING)
    route = world.post(REFUNDS).respond(json=REFUND)

    await refunded(replace(REFUND_REQUEST, transaction="ch_1"))

    assert (sent(route)["charge"], "payment_intent" in sent(route)) == ("ch_1", False)


async def test_refund_that_the_server_has_is_not_sent_again_where_the_key_is_ignored(world):
    world.get(REFUNDS).respond(json={**NOTHING, "data": [{**REFUND, "status": "pending"}]})
    route = world.post(REFUNDS)

    answer = await refunded()

    assert (answer.outcome, answer.provider_reference, route.call_count) == (Outcome.PENDING, "re_1", 0)


async def test_refund_that_may_be_the_one_the_server_has_is_not_sent_again(world):
    world.get(REFUNDS).respond(json={**NOTHING, "data": [without(REFUND, "metadata")]})
    route = world.post(REFUNDS).respond(json=REFUND)

    assert ((await refunded()).outcome, route.call_count) == (Outcome.UNKNOWN, 0)


async def test_refund_is_sent_to_a_server_that_does_not_list(world):
    world.get(REFUNDS).respond(404, json=error())
    world.post(REFUNDS).respond(json=REFUND)

    assert (await refunded()).outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (200, {**REFUND, "status": "pending"}, Outcome.PENDING),
        (200, {**REFUND, "status": "requires_action"}, Outcome.PENDING),
        (200, {**REFUND, "status": "failed"}, Outcome.FAILED),
        (200, {**REFUND, "status": "canceled"}, Outcome.FAILED),
        (200, {**REFUND, "status": "invented"}, Outcome.UNKNOWN),
        (200, without(REFUND, "status"), Outcome.UNKNOWN),
        (200, {**REFUND, "amount": 350_000}, Outcome.UNKNOWN),
        (200, {**REFUND, "currency": "usd"}, Outcome.UNKNOWN),
        (200, {**REFUND, "metadata": {"refund": "RF0000002"}}, Outcome.UNKNOWN),
        (200, without(REFUND, "metadata", "currency", "payment_intent"), Outcome.SUCCEEDED),
        (400, error("charge_already_refunded"), Outcome.FAILED),
        (402, error("insufficient_funds"), Outcome.FAILED),
        (400, error("other", "idempotency_error"), Outcome.UNKNOWN),
        (409, error(), Outcome.UNKNOWN),
        (429, error(), Outcome.UNKNOWN),
    ],
)
async def test_refund_is_read_by_its_status(world, status, body, outcome):
    world.get(REFUNDS).respond(json=NOTHING)
    world.post(REFUNDS).respond(status, json=body)

    assert (await refunded()).outcome is outcome


@pytest.mark.parametrize("trouble", sorted(AFTER_SENDING))
async def test_refund_without_an_answer_is_unknown_and_sent_once(world, trouble):
    world.get(REFUNDS).respond(json=NOTHING)
    route = world.post(REFUNDS)
    route.side_effect = AFTER_SENDING[trouble]

    assert (await refunded()).outcome is Outcome.UNKNOWN
    assert route.call_count == 1


async def test_refund_of_which_it_is_not_known_whether_it_was_sent_before_is_not_sent(world):
    world.get(REFUNDS).respond(503)
    route = world.post(REFUNDS)

    assert ((await refunded()).outcome, route.call_count) == (Outcome.UNKNOWN, 0)


@pytest.mark.parametrize("trouble", sorted(BEFORE_SENDING))
async def test_refund_that_was_never_sent_has_failed(world, trouble):
    world.get(REFUNDS).respond(json=NOTHING)
    world.post(REFUNDS).side_effect = BEFORE_SENDING[trouble]

    assert (await refunded()).outcome is Outcome.FAILED


async def test_refund_without_an_intent_has_failed():
    known = replace(KNOWN, provider_reference="cs_1")

    assert (await refunded(replace(REFUND_REQUEST, transaction="", payment=known))).outcome is Outcome.FAILED


async def test_refund_is_followed_by_its_id_to_its_end(world):
    world.get(f"{REFUNDS}/re_1").respond(json={**REFUND, "status": "failed"})

    assert (await queried_refund("re_1")).outcome is Outcome.FAILED


@pytest.mark.parametrize(
    ("listed", "outcome"),
    [
        ([{**REFUND, "id": "re_9", "metadata": {"refund": "RF0000009"}}, REFUND], Outcome.SUCCEEDED),
        ([{**REFUND, "metadata": {"refund": "RF0000009"}}], Outcome.NOT_FOUND),
        ([], Outcome.NOT_FOUND),
        ([without(REFUND, "metadata")], Outcome.UNKNOWN),  # equal, but without our refund code
        ([{**REFUND, "amount": 1, "metadata": {}}], Outcome.NOT_FOUND),
    ],
)
@pytest.mark.parametrize("provider_reference", ["", "re_lost"])
async def test_refund_whose_id_was_lost_is_found_by_its_code(world, listed, outcome, provider_reference):
    world.get(f"{REFUNDS}/re_lost").respond(404, json=error())
    route = world.get(REFUNDS).respond(json={**NOTHING, "data": listed})

    assert (await queried_refund(provider_reference)).outcome is outcome
    assert route.calls.last.request.url.params["payment_intent"] == "pi_1"


async def test_question_of_a_refund_without_an_answer_is_unknown(world):
    world.get(path__startswith="/v1/").side_effect = AFTER_SENDING["timeout after sending"]

    for provider_reference in ("", "re_1"):
        assert (await queried_refund(provider_reference)).outcome is Outcome.UNKNOWN


# ---- cancellation


@pytest.mark.parametrize(
    ("number", "path", "answer"),
    [
        ("pi_1", f"{INTENTS}/pi_1/cancel", {**NEW_INTENT, "status": "canceled"}),
        ("cs_1", f"{SESSIONS}/cs_1/expire", {**NEW_SESSION, "status": "expired"}),
    ],
)
async def test_payment_is_cancelled_in_the_servers_way(world, number, path, answer):
    world.post(path).respond(json=answer)

    assert (await cancelled(replace(KNOWN, provider_reference=number))).outcome is Outcome.CANCELLED


async def test_payment_that_is_paid_already_is_not_cancelled(world):
    world.post(f"{INTENTS}/pi_1/cancel").respond(400, json=error("payment_intent_unexpected_state"))
    world.get(f"{INTENTS}/pi_1").respond(json=INTENT)

    assert (await cancelled()).outcome is Outcome.SUCCEEDED


async def test_payment_whose_id_was_lost_is_looked_for_and_cancelled(world):
    world.get(INTENTS).respond(json={**NOTHING, "data": [NEW_INTENT]})
    world.post(f"{INTENTS}/pi_1/cancel").respond(json={**NEW_INTENT, "status": "canceled"})

    assert (await cancelled(UNKNOWN_REF)).outcome is Outcome.CANCELLED


async def test_cancellation_without_an_answer_is_unknown(world):
    world.route(path__startswith="/v1/").side_effect = AFTER_SENDING["timeout after sending"]

    assert (await cancelled()).outcome is Outcome.UNKNOWN

"""Queries to Stripe for a payment: by its intent, its session, or our reference where its id was lost."""

from dataclasses import replace
from datetime import timedelta

import httpx
import pytest

from providers.contract import Outcome
from tests.providers.network_faults import AFTER_SENDING, BEFORE_SENDING
from tests.providers.stripe_samples import (
    AT,
    CREATED,
    HOST,
    INTENT,
    INTENTS,
    KNOWN,
    NEW_INTENT,
    NEW_SESSION,
    SESSION,
    SESSIONS,
    UNKNOWN_REF,
    error,
    one,
    queried,
    signed_callback,
    without,
)

WORLD_URL = HOST


@pytest.mark.parametrize("charge", ["ch_1", {"id": "ch_1", "created": CREATED}, None])
async def test_paid_is_reported_as_its_event_reports_it(world, charge):
    world.get(f"{INTENTS}/pi_1").respond(json={**INTENT, "latest_charge": charge})

    [ours] = await queried()

    theirs = one(signed_callback("payment_intent.succeeded", INTENT))
    assert (ours.event_key, ours.movement_keys, ours.fingerprint) == (
        theirs.event_key,
        theirs.movement_keys,
        theirs.fingerprint,
    )
    assert (ours.occurred_at == theirs.occurred_at) is isinstance(charge, dict)


async def test_timestamp_of_payment_is_also_read_from_a_list_of_charges(world):
    charges = [{"id": "ch_0", "status": "failed", "created": 1}, {"status": "succeeded", "created": CREATED}]
    world.get(f"{INTENTS}/pi_1").respond(json={**without(INTENT, "latest_charge"), "charges": {"data": charges}})

    [notice] = await queried()

    assert notice.occurred_at == AT - timedelta(seconds=10)


@pytest.mark.parametrize(
    ("changed", "outcome"),
    [
        ({"status": "requires_payment_method"}, Outcome.PENDING),
        ({"status": "requires_confirmation"}, Outcome.PENDING),
        ({"status": "requires_action"}, Outcome.PENDING),
        ({"status": "processing"}, Outcome.PENDING),
        ({"status": "requires_capture"}, Outcome.PENDING),
        ({"status": "canceled"}, Outcome.CANCELLED),
        ({"status": "invented"}, Outcome.UNKNOWN),
        ({"status": None}, Outcome.UNKNOWN),
        ({"amount_received": "350000"}, Outcome.UNKNOWN),
        ({"currency": "usd"}, Outcome.UNKNOWN),
        ({"id": "pi_2"}, Outcome.UNKNOWN),
        ({"metadata": {"invoice": "K7ABCDEGP"}}, Outcome.UNKNOWN),
        ({"metadata": None}, Outcome.SUCCEEDED),
        ({"amount_received": None}, Outcome.SUCCEEDED),
    ],
)
async def test_answer_is_read_by_its_status(world, changed, outcome):
    world.get(f"{INTENTS}/pi_1").respond(json={**INTENT, **changed})

    [notice] = await queried()

    assert (notice.outcome, notice.reference) == (outcome, "K7ABCDEFR")


@pytest.mark.parametrize(("status", "outcome"), [(404, Outcome.NOT_FOUND), (401, Outcome.UNKNOWN)])
async def test_intent_that_is_not_there_is_not_found(world, status, outcome):
    world.get(f"{INTENTS}/pi_1").respond(status, json=error("resource_missing"))

    [notice] = await queried()

    assert notice.outcome is outcome


@pytest.mark.parametrize("trouble", sorted({**BEFORE_SENDING, **AFTER_SENDING}))
async def test_question_about_a_session_without_an_answer_is_unknown(world, trouble):
    """The conformance suite queries payment intents."""
    world.get(f"{SESSIONS}/cs_1").side_effect = {**BEFORE_SENDING, **AFTER_SENDING}[trouble]

    [notice] = await queried(replace(KNOWN, provider_reference="cs_1"))

    assert notice.outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("known", [KNOWN, UNKNOWN_REF])
async def test_question_without_an_answer_is_unknown(world, known):
    world.get(path__startswith="/v1/").side_effect = AFTER_SENDING["timeout after sending"]

    [notice] = await queried(known)

    assert notice.outcome is Outcome.UNKNOWN


async def test_paid_session_is_reported_as_its_event_reports_it(world):
    world.get(f"{SESSIONS}/cs_1").respond(json=SESSION)

    [ours] = await queried(replace(KNOWN, provider_reference="cs_1"))

    theirs = one(signed_callback("checkout.session.completed", SESSION))
    assert (ours.event_key, ours.movement_keys, ours.fingerprint) == (
        theirs.event_key,
        theirs.movement_keys,
        theirs.fingerprint,
    )


async def test_paid_session_that_does_not_state_how_much_is_reported_by_its_intent(world):
    world.get(f"{SESSIONS}/cs_1").respond(json={**SESSION, "amount_total": None})
    world.get(f"{INTENTS}/pi_1").respond(json=INTENT)

    [notice] = await queried(replace(KNOWN, provider_reference="cs_1"))

    assert (notice.outcome, notice.amount) == (Outcome.SUCCEEDED, 350_000)


@pytest.mark.parametrize(
    ("changed", "outcome"),
    [({}, Outcome.PENDING), ({"status": "expired"}, Outcome.EXPIRED), ({"id": 1}, Outcome.UNKNOWN)],
)
async def test_session_without_money_is_read_by_its_status(world, changed, outcome):
    world.get(f"{SESSIONS}/cs_1").respond(json={**NEW_SESSION, **changed})

    [notice] = await queried(replace(KNOWN, provider_reference="cs_1"))

    assert notice.outcome is outcome


async def test_intent_whose_id_was_lost_is_found_by_our_reference_on_a_later_page(world):
    others = [{**INTENT, "id": f"pi_x{number}", "metadata": {}, "created": CREATED} for number in range(100)]
    route = world.get(INTENTS)
    route.side_effect = [
        httpx.Response(200, json={"data": others, "has_more": True}),
        httpx.Response(200, json={"data": [INTENT], "has_more": False}),
    ]

    [notice] = await queried(UNKNOWN_REF)

    assert (notice.outcome, notice.provider_reference) == (Outcome.SUCCEEDED, "pi_1")
    assert route.calls.last.request.url.params["starting_after"] == "pi_x99"


async def test_of_two_intents_of_one_reference_the_paid_one_is_reported(world):
    unpaid = {**NEW_INTENT, "id": "pi_2"}
    world.get(INTENTS).respond(json={"data": [unpaid, INTENT], "has_more": False})

    [notice] = await queried(UNKNOWN_REF)

    assert (notice.outcome, notice.provider_reference) == (Outcome.SUCCEEDED, "pi_1")


async def test_two_paid_intents_of_one_reference_are_both_reported(world):
    world.get(INTENTS).respond(json={"data": [{**INTENT, "id": "pi_2"}, INTENT], "has_more": False})

    assert [each.provider_reference for each in await queried(UNKNOWN_REF)] == ["pi_2", "pi_1"]


@pytest.mark.parametrize(
    ("timestamps", "has_more", "outcome"),
    [
        ([], False, Outcome.NOT_FOUND),
        ([CREATED, CREATED - 3600], True, Outcome.NOT_FOUND),  # newest first, and past the timestamp of our request
        ([CREATED - 3600, CREATED - 3600], True, Outcome.UNKNOWN),
        ([CREATED - 7200, CREATED - 3600], True, Outcome.UNKNOWN),  # oldest first: ours may be further on
        ([CREATED, CREATED - 60], True, Outcome.UNKNOWN),
    ],
)
async def test_lost_intent_is_not_found_only_where_all_were_seen(world, timestamps, has_more, outcome):
    data = [{"id": f"pi_x{number}", "created": made} for number, made in enumerate(timestamps)]
    world.get(INTENTS).respond(json={"data": data, "has_more": has_more})

    [notice] = await queried(UNKNOWN_REF)

    assert notice.outcome is outcome


async def test_lost_intent_is_unknown_where_the_server_does_not_list(world):
    world.get(INTENTS).respond(400, json=error())

    [notice] = await queried(UNKNOWN_REF)

    assert notice.outcome is Outcome.UNKNOWN

"""Requests to Stripe: creation of payments, and faults of the network."""

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest
import respx

from providers.contract import PaymentInstruction, PaymentRefused, PaymentUnknown
from providers.stripe.adapter import Stripe
from providers.stripe.settings import StripeSettings
from tests.providers.network_faults import AFTER_SENDING, BEFORE_SENDING
from tests.providers.stripe_samples import (
    HOST,
    INTENT,
    INTENTS,
    KEY,
    NEW_INTENT,
    NEW_SESSION,
    PAGE,
    REQUEST,
    SESSIONS,
    SETTINGS,
    account,
    error,
    without,
)

WORLD_URL = HOST
NOTHING = {"object": "list", "data": [], "has_more": False}


def sent(route: respx.Route) -> dict[str, str]:
    return dict(parse_qsl(route.calls.last.request.content.decode(), keep_blank_values=True))


async def created(**settings: Any) -> PaymentInstruction:
    async with httpx.AsyncClient() as client:
        return await account(client, **settings).create_payment(REQUEST)


# ---- payments


async def test_intent_is_requested_in_few_fields_and_kept_without_a_page(world):
    route = world.post(INTENTS).respond(json=NEW_INTENT)

    instruction = await created()

    assert sent(route) == {"amount": "350000", "currency": "vnd", "metadata[invoice]": "K7ABCDEFR"}
    assert (instruction.provider_reference, instruction.redirect_url) == ("pi_1", "")
    headers = route.calls.last.request.headers
    assert (headers["Authorization"], headers["Stripe-Version"]) == (f"Bearer {KEY}", "2024-06-20")


async def test_key_is_the_same_when_repeated_and_another_for_another_payment(world):
    route = world.post(INTENTS).respond(json=NEW_INTENT)

    await created()
    await created()
    async with httpx.AsyncClient() as client:
        with pytest.raises(PaymentUnknown):  # the sample answers of another payment
            await account(client).create_payment(replace(REQUEST, reference="K7ABCDEGP"))

    first, again, other = (call.request.headers["Idempotency-Key"] for call in route.calls)
    assert first == again != other
    assert len(first) <= 255


async def test_method_is_named_and_charged_at_creation_where_the_settings_state_so(world):
    world.get(INTENTS).respond(json=NOTHING)
    route = world.post(INTENTS).respond(json=INTENT)

    await created(payment_method="pm_card_visa", payment_method_types=["card"], confirm=True)

    assert sent(route) == {
        "amount": "350000",
        "currency": "vnd",
        "metadata[invoice]": "K7ABCDEFR",
        "payment_method": "pm_card_visa",
        "payment_method_types[0]": "card",
        "confirm": "true",
    }


async def test_payment_that_charges_at_creation_is_not_made_twice_where_the_key_is_ignored(world):
    world.get(INTENTS).respond(json={**NOTHING, "data": [INTENT]})
    route = world.post(INTENTS)

    instruction = await created(payment_method="pm_card_visa", confirm=True)

    assert (instruction.provider_reference, route.call_count) == ("pi_1", 0)


async def test_page_of_the_next_action_is_where_the_payer_goes(world):
    action = {"type": "redirect_to_url", "redirect_to_url": {"url": "https://bank.example/3ds"}}
    world.post(INTENTS).respond(json={**NEW_INTENT, "status": "requires_action", "next_action": action})

    assert (await created()).redirect_url == "https://bank.example/3ds"


async def test_session_leads_to_its_page_and_carries_our_reference_twice(world):
    route = world.post(SESSIONS).respond(json=NEW_SESSION)

    instruction = await created(mode="checkout")

    form = sent(route)
    assert (instruction.redirect_url, instruction.provider_reference) == (PAGE, "cs_1")
    assert form["line_items[0][price_data][unit_amount]"] == "350000"
    assert form["payment_intent_data[metadata][invoice]"] == form["client_reference_id"] == "K7ABCDEFR"
    assert form["success_url"] == form["cancel_url"] == REQUEST.return_url


async def test_account_with_default_settings_gives_the_patient_a_page_to_pay_on(world):
    world.post(SESSIONS).respond(json=NEW_SESSION)
    defaults = {name: value for name, value in SETTINGS.items() if name != "mode"}

    async with httpx.AsyncClient() as client:
        instruction = await Stripe(StripeSettings.model_validate(defaults), client).create_payment(REQUEST)

    assert instruction.redirect_url == PAGE


async def test_session_without_a_page_is_unknown(world):
    world.post(SESSIONS).respond(json={**NEW_SESSION, "url": None})

    with pytest.raises(PaymentUnknown, match="no page"):
        await created(mode="checkout")


async def test_session_without_an_address_to_return_to_is_refused():
    async with httpx.AsyncClient() as client:
        with pytest.raises(PaymentRefused, match="return_url"):
            await account(client, mode="checkout").create_payment(replace(REQUEST, return_url=""))


async def test_page_over_plain_http_is_taken_only_from_a_server_that_is_queried_so():
    answer = {**NEW_SESSION, "url": "http://127.0.0.1:1/pay"}
    with respx.mock:
        respx.post(f"{HOST}{SESSIONS}").respond(json=answer)
        respx.post(f"http://127.0.0.1:1{SESSIONS}").respond(json=answer)

        assert (await created(mode="checkout", base_url="http://127.0.0.1:1")).redirect_url == "http://127.0.0.1:1/pay"
        with pytest.raises(PaymentUnknown):
            await created(mode="checkout")


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, error("parameter_unknown")),
        (400, error("amount_too_small")),
        (401, error()),
        (402, error("card_declined", "card_error")),
        (402, error("card_declined")),
        (403, error()),
        (404, error("resource_missing")),
    ],
)
async def test_payment_that_the_server_refuses_is_refused(world, status, body, caplog):
    world.post(INTENTS).respond(status, json=body)

    with pytest.raises(PaymentRefused) as raised:
        await created()

    assert KEY not in f"{raised.value!r} {caplog.text}"


@pytest.mark.parametrize("amount", [0, -1, 100_000_000])
async def test_amount_that_stripe_does_not_take_is_refused(amount):
    async with httpx.AsyncClient() as client:
        with pytest.raises(PaymentRefused):
            await account(client).create_payment(replace(REQUEST, amount=amount))


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (409, error("idempotency_key_in_use", "idempotency_error")),
        (409, error()),
        (400, error("other_parameters", "idempotency_error")),
        (429, error("rate_limit")),
        (404, {"detail": "no such page"}),
        (400, {"error": "text"}),
        (200, {**NEW_INTENT, "amount": 3_500_000}),
        (200, {**NEW_INTENT, "amount": "350000"}),
        (200, {**NEW_INTENT, "amount": None}),
        (200, {**NEW_INTENT, "currency": "usd"}),
        (200, {**NEW_INTENT, "id": 5}),
        (200, {**NEW_INTENT, "metadata": {"invoice": "K7ABCDEGP"}}),
        (200, {**NEW_INTENT, "next_action": {"redirect_to_url": {"url": "javascript:alert(1)"}}}),
    ],
)
async def test_payment_that_may_have_been_made_is_queried(world, status, body):
    world.post(INTENTS).respond(status, json=body)

    with pytest.raises(PaymentUnknown):
        await created()


@pytest.mark.parametrize(
    "changed",
    [
        {"metadata": None},
        {"latest_charge": {"id": "ch_1"}, "charges": {"data": []}, "more": {"a": [1]}},
        {"next_action": {"type": "use_stripe_sdk", "use_stripe_sdk": {}}},
        {"livemode": None, "client_secret": "x"},
    ],
)
async def test_more_or_less_in_the_answer_does_no_harm(world, changed):
    world.post(INTENTS).respond(201, json={**without(NEW_INTENT, "object", "amount_received"), **changed})

    assert (await created()).provider_reference == "pi_1"


async def test_payment_without_an_answer_is_unknown(world, caplog):
    route = world.post(INTENTS)
    route.side_effect = AFTER_SENDING["timeout after sending"]

    with pytest.raises(PaymentUnknown) as raised:
        await created()

    assert route.call_count == 1
    assert KEY not in f"{raised.value!r} {raised.value.__cause__!r} {caplog.text}"


@pytest.mark.parametrize("trouble", sorted(BEFORE_SENDING))
async def test_payment_that_was_never_sent_is_refused(world, trouble):
    world.post(INTENTS).side_effect = BEFORE_SENDING[trouble]

    with pytest.raises(PaymentRefused):
        await created()

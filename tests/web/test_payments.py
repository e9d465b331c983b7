"""Payments over HTTP: their position and allocations."""

from providers.sandbox.bank_simulator import Behaviour
from tests.builders import ACCOUNT_NAME
from tests.web.site import UNKNOWN_ID, Site, problem


async def test_payment_states_its_position(site: Site) -> None:
    intent = await site.open_intent()
    await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.EXACT)
    [listed] = (await site.read("/v1/payments"))["items"]

    payment = await site.read(f"/v1/payments/{listed['id']}")

    assert (payment["amount"], payment["account"], payment["intent_id"]) == (136_000, ACCOUNT_NAME, intent["id"])
    assert payment["position"]["on_invoices"] == 136_000
    [allocation] = payment["allocations"]
    assert (allocation["invoice_id"], allocation["amount"]) == (intent["invoice_ids"][0], 136_000)
    problem(await site.client.get(f"/v1/payments/{UNKNOWN_ID}"), 404, "not_found")


async def test_paid_invoice_answers_with_its_payment(site: Site) -> None:
    intent = await site.open_intent()
    await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.EXACT)
    [payment] = (await site.read("/v1/payments"))["items"]

    body = {"account": ACCOUNT_NAME, "invoice_ids": intent["invoice_ids"]}
    refused = problem(await site.client.post("/v1/intents", json=body), 409, "invoice_already_paid")

    assert refused["payments"] == [payment["id"]]

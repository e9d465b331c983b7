"""Payments over HTTP: their position and allocations."""

from providers.sandbox.bank_simulator import Behaviour
from tests.builders import ACCOUNT_NAME
from tests.web.bill_day import collect, open_charged, open_shift
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


async def test_cash_for_a_deposit_is_a_payment_of_its_visit(site: Site) -> None:
    await open_shift(site.client)
    visit_id = await open_charged(site.client, "LK-0001")
    await collect(site.client, visit_id, 50_000)

    [listed] = (await site.read("/v1/payments?ma_lk=LK-0001"))["items"]
    payment = await site.read(f"/v1/payments/{listed['id']}")

    assert (payment["method"], payment["account"], payment["amount"]) == ("cash", None, 50_000)
    assert payment["position"]["on_deposits"] == 50_000
    [allocation] = payment["allocations"]
    deposit = (await site.read(f"/v1/visits/{visit_id}/account"))["account"]["deposit"]
    assert (allocation["deposit_id"], allocation["invoice_id"]) == (deposit["id"], None)
    assert (await site.read("/v1/payments?ma_lk=LK-0002"))["items"] == []

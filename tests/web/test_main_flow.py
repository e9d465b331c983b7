"""The main job over HTTP, as an integrator does it: visit, invoice, intent, the bank's call, state."""

import httpx

from providers.sandbox.bank_simulator import Behaviour
from tests.builders import ACCOUNT_NAME
from tests.web.site import Site, claim_file


async def test_claim_file_becomes_a_paid_invoice(site: Site) -> None:
    # Patient: 382 182.90 self-pay + 179 435.98 co-payment = 561 618.88; whole visit 1 279 362.78 (the file's own XML1).
    taken = await site.client.post("/v1/visits", content=claim_file(), headers={"Content-Type": "application/xml"})
    visit = taken.json()["visits"][0]
    assert visit["price"]["shares"] == {
        "patient": 561_619,
        "insurer": 717_744,
        "other": 0,
        "private": 0,
        "total": 1_279_363,
    }

    issued = await site.client.post("/v1/invoices", json={"visit_id": visit["id"]})
    invoice = issued.json()
    assert (issued.status_code, invoice["state"], invoice["owed"]) == (201, "issued", 561_619)

    opened = await site.client.post("/v1/intents", json={"account": ACCOUNT_NAME, "invoice_ids": [invoice["id"]]})
    intent = opened.json()
    assert (opened.status_code, intent["state"], intent["amount"]) == (201, "pending", 561_619)

    answers = await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.TWICE)
    assert [(answer.status, answer.result) for answer in answers] == [(200, "ok"), (200, "duplicate")]
    assert answers[0].receipt == answers[1].receipt

    paid = await site.read(opened.headers["Location"])
    assert (paid["state"], paid["received"], paid["remaining"]) == ("succeeded", 561_619, 0)
    assert [payment["amount"] for payment in paid["payments"]] == [561_619]
    paid_invoice = await site.read(issued.headers["Location"])
    assert (paid_invoice["owed"], paid_invoice["paid"]) == (0, 561_619)


async def test_payment_in_two_parts_pays_the_intent(site: Site) -> None:
    intent = await site.open_intent()
    payload = intent["instruction"]["qr_payload"]

    await site.bank().pay(payload, Behaviour.SHORT)

    short = await site.read(f"/v1/intents/{intent['id']}")
    assert (short["state"], short["received"], short["remaining"]) == ("pending", 68_000, 68_000)
    invoice_ids = intent["invoice_ids"]
    rest = (await site.client.post("/v1/intents", json={"account": ACCOUNT_NAME, "invoice_ids": invoice_ids})).json()
    assert rest["amount"] == 68_000
    await site.bank().pay(rest["instruction"]["qr_payload"], Behaviour.SPLIT)
    assert (await site.read(f"/v1/invoices/{invoice_ids[0]}"))["owed"] == 0


async def test_responses_name_no_version_and_are_not_cached(site: Site) -> None:
    addresses = ["/healthz", "/readyz", "/v1/visits/none", "/nowhere", site.hospital.callback_path]

    answers: list[httpx.Response] = [await site.client.get(address) for address in addresses]

    for answer in answers:
        assert answer.headers["Server"] == "vienphi"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Request-Id"]

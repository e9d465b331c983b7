"""Opening intents over HTTP: amount, code, picture, and every refusal with nothing written."""

from xml.etree import ElementTree

import pytest

from billing.core.reference_code import is_reference_code
from providers.emvqr import parse
from providers.sandbox.bank_simulator import Behaviour
from tests.builders import ACCOUNT_NAME, BANK_BIN, DemoHospital
from tests.web.site import UNKNOWN_ID, Site, problem

JSON = {"Content-Type": "application/json"}


async def test_intent_requests_all_that_is_owed_under_one_code(site: Site) -> None:
    first, second = await site.issue_invoice(), await site.issue_invoice(ma_lk="LK0002")
    invoice_ids = [second["id"], first["id"]]

    answer = await site.client.post("/v1/intents", json={"account": ACCOUNT_NAME, "invoice_ids": invoice_ids})

    intent = answer.json()
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/v1/intents/{intent['id']}"
    assert (intent["amount"], intent["received"], intent["remaining"]) == (272_000, 0, 272_000)
    assert (intent["state"], intent["payments"], intent["invoice_ids"]) == ("pending", [], invoice_ids)
    assert is_reference_code(intent["reference_code"])
    instruction = intent["instruction"]
    code = parse(instruction["qr_payload"])
    assert (code.amount, code.bank_bin) == (272_000, BANK_BIN)
    assert (code.purpose or "").startswith(intent["reference_code"])
    assert code.account_number == instruction["account_number"] == site.hospital.settings.account_number
    assert await site.read(answer.headers["Location"]) == intent


async def test_intent_may_request_a_part(site: Site) -> None:
    invoice = await site.issue_invoice()
    body = {"account": ACCOUNT_NAME, "invoice_ids": [invoice["id"]], "amount": 36_000}

    answer = await site.client.post("/v1/intents", json=body)

    assert (answer.status_code, answer.json()["amount"]) == (201, 36_000)


async def test_code_is_drawn_as_a_picture(site: Site) -> None:
    intent = await site.open_intent()

    picture = await site.client.get(intent["instruction"]["qr_svg"])

    assert picture.status_code == 200
    assert picture.headers["Content-Type"].startswith("image/svg+xml")
    assert picture.headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert ElementTree.fromstring(picture.text).tag.endswith("svg")


async def test_picture_of_an_unknown_intent_is_not_found(site: Site) -> None:
    problem(await site.client.get(f"/v1/intents/{UNKNOWN_ID}/qr.svg"), 404, "not_found")


@pytest.mark.parametrize(
    ("amount", "status", "code"),
    [
        ("136000.0", 422, "invalid_body"),
        ("1000.5", 422, "invalid_body"),
        ("1e3", 422, "invalid_body"),
        ("true", 422, "invalid_body"),
        ('"1000"', 422, "invalid_body"),
        ("[1000]", 422, "invalid_body"),
        ("-1", 422, "invalid_value"),
        ("0", 422, "amount_above_owed"),
        ("136001", 422, "amount_above_owed"),
        ("1" + "0" * 50, 422, "invalid_value"),
        ("1" + "0" * 5_000, 400, "body_unreadable"),
        ("Infinity", 400, "body_unreadable"),
    ],
)
async def test_amount_that_is_no_whole_dong_within_what_is_owed_is_refused(
    site: Site, amount: str, status: int, code: str
) -> None:
    invoice = await site.issue_invoice()
    content = f'{{"account": "sandbox", "invoice_ids": ["{invoice["id"]}"], "amount": {amount}}}'

    async with site.nothing_written():
        answer = await site.client.post("/v1/intents", content=content.encode(), headers=JSON)

    problem(answer, status, code)


@pytest.mark.parametrize(
    ("changes", "status", "code", "field"),
    [
        ({"account": "elsewhere"}, 404, "not_found", "account"),
        ({"account": "x" * 41}, 422, "invalid_body", "account"),
        ({"account": 1}, 422, "invalid_body", "account"),
        ({"invoice_ids": []}, 422, "invalid_body", "invoice_ids"),
        ({"invoice_ids": UNKNOWN_ID}, 422, "invalid_body", "invoice_ids"),
        ({"invoice_ids": [UNKNOWN_ID]}, 404, "not_found", "invoice_ids"),
        ({"invoice_ids": ["BK2026-000001"]}, 404, "not_found", "invoice_ids"),
        ({"invoice_ids": [UNKNOWN_ID, UNKNOWN_ID]}, 422, "invalid_value", "invoice_ids"),
        ({"invoice_ids": [UNKNOWN_ID] * 51}, 422, "invalid_body", "invoice_ids"),
        ({"currency": "USD"}, 422, "invalid_body", "currency"),
    ],
)
async def test_intent_for_something_else_is_refused_by_field(
    site: Site, changes: dict[str, object], status: int, code: str, field: str
) -> None:
    invoice = await site.issue_invoice()
    body = {"account": ACCOUNT_NAME, "invoice_ids": [invoice["id"]], **changes}

    async with site.nothing_written():
        answer = await site.client.post("/v1/intents", json=body)

    assert problem(answer, status, code)["errors"][0]["field"] == field


async def test_paid_invoice_opens_no_further_intent(site: Site) -> None:
    intent = await site.open_intent()
    await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.EXACT)

    async with site.nothing_written():
        body = {"account": ACCOUNT_NAME, "invoice_ids": intent["invoice_ids"]}
        answer = await site.client.post("/v1/intents", json=body)

    problem(answer, 409, "invoice_already_paid")


async def test_intent_of_another_organization_does_not_exist(site: Site, other_organization: DemoHospital) -> None:
    intent = await site.open_intent()
    body = {"account": ACCOUNT_NAME, "invoice_ids": intent["invoice_ids"]}

    async with site.nothing_written():
        headers = other_organization.authorization
        found = await site.anonymous_client.get(f"/v1/intents/{intent['id']}", headers=headers)
        picture = await site.anonymous_client.get(f"/v1/intents/{intent['id']}/qr.svg", headers=headers)
        opened = await site.anonymous_client.post("/v1/intents", json=body, headers=headers)

    for answer in (found, picture, opened):
        problem(answer, 404, "not_found")


async def test_cancelled_intent_requests_nothing_and_its_money_is_still_booked(site: Site) -> None:
    intent = await site.open_intent()
    address = f"/v1/intents/{intent['id']}"

    cancelled = await site.client.post(f"{address}/cancel")
    async with site.nothing_written():
        again = await site.client.post(f"{address}/cancel")
    await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.EXACT)
    refused = await site.client.post(f"{address}/cancel")

    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
    assert again.json() == cancelled.json()
    assert (await site.read(address))["state"] == "succeeded"
    assert (await site.read(f"/v1/invoices/{intent['invoice_ids'][0]}"))["owed"] == 0
    problem(refused, 409, "intent_already_succeeded")
    problem(await site.client.post(f"/v1/intents/{UNKNOWN_ID}/cancel"), 404, "not_found")

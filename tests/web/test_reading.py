"""Reading over HTTP: lists by cursor, payments, quotes, books, exceptions, callbacks; and who may."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from billing.core.actor import Role
from billing.core.errors import InvalidValue
from billing.db.context import Ids
from billing.db.database import Database
from billing.organizations.service.setup import Setup
from billing.payments.service import intake
from billing.web.routes import API
from providers.sandbox.bank_simulator import Behaviour
from tests.builders import ACCOUNT_NAME, DemoHospital, visit_document
from tests.web.site import Site, claim_file, problem

UNKNOWN = "00000000-0000-7000-8000-000000000000"
LISTS = [
    "visits", "invoices", "intents", "payments", "exceptions", "ledger/entries", "callbacks", "tariffs",
    "facility-pricing", "price-differences",
]  # fmt: skip


async def key_of(site: Site, *roles: Role) -> dict[str, str]:
    database = await Database.open(site.database.owner_url)
    try:
        setup = Setup(database, site.context.clock, Ids(site.context.clock))
        name = "-".join(role.value for role in roles)
        key = await setup.add_key(site.hospital.organization_id, person_name=f"Người {name}", name=name, roles=roles)
    finally:
        await database.close()
    return {"Authorization": f"Bearer {key}"}


async def every_page(site: Site, address: str, *, limit: int) -> list[list[dict[str, Any]]]:
    pages, cursor = [], ""
    while True:
        page = await site.read(f"{address}?limit={limit}{cursor}")
        pages.append(page["items"])
        if page["next_cursor"] is None:
            return pages
        cursor = f"&cursor={page['next_cursor']}"


async def test_list_is_read_page_by_page_the_newest_first(site: Site) -> None:
    visit_ids = [await site.record_visit(ma_lk=f"LK{number}") for number in range(5)]

    pages = await every_page(site, "/v1/visits", limit=2)

    assert [[visit["id"] for visit in page] for page in pages] == [
        [visit_ids[4], visit_ids[3]],
        [visit_ids[2], visit_ids[1]],
        [visit_ids[0]],
    ]
    assert "document" not in pages[0][0]


@pytest.mark.parametrize("name", LISTS)
async def test_list_refuses_what_it_does_not_know(site: Site, name: str) -> None:
    for query in ("limit=0", "limit=201", "limit=x", "limit=1&limit=2", "cursor=x", "cursor=AAAA", "total=1", "limit="):
        problem(await site.client.get(f"/v1/{name}?{query}"), 400, "invalid_query")
    assert (await site.read(f"/v1/{name}?limit=200"))["next_cursor"] is None


async def test_lists_are_filtered(site: Site) -> None:
    first, second = await site.open_intent(), await site.open_intent(ma_lk="LK0002")
    await site.bank().pay(second["instruction"]["qr_payload"], Behaviour.EXACT)
    [invoice_id] = second["invoice_ids"]
    visit_id = (await site.read(f"/v1/invoices/{invoice_id}"))["visit_id"]

    async def ids(address: str) -> list[str]:
        return [item["id"] for item in (await site.read(address))["items"]]

    assert await ids(f"/v1/intents?reference_code={first['reference_code']}") == [first["id"]]
    assert await ids(f"/v1/intents?invoice_id={invoice_id}") == [second["id"]]
    assert await ids(f"/v1/invoices?visit_id={visit_id}") == [invoice_id]
    assert await ids("/v1/visits?ma_lk=LK0002") == [visit_id]
    [payment_id] = await ids(f"/v1/payments?intent_id={second['id']}")
    assert await ids(f"/v1/payments?invoice_id={invoice_id}") == [payment_id]
    assert await ids(f"/v1/payments?intent_id={first['id']}") == []
    problem(await site.client.get("/v1/payments?intent_id=x"), 400, "invalid_query")


async def test_payment_tells_where_its_money_stands(site: Site) -> None:
    intent = await site.open_intent()
    await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.EXACT)
    [listed] = (await site.read("/v1/payments"))["items"]

    payment = await site.read(f"/v1/payments/{listed['id']}")

    assert (payment["amount"], payment["account"], payment["intent_id"]) == (136_000, ACCOUNT_NAME, intent["id"])
    assert payment["position"]["on_invoices"] == 136_000
    [allocation] = payment["allocations"]
    assert (allocation["invoice_id"], allocation["amount"]) == (intent["invoice_ids"][0], 136_000)
    problem(await site.client.get(f"/v1/payments/{UNKNOWN}"), 404, "not_found")


async def test_paid_invoice_answers_with_its_payment(site: Site) -> None:
    intent = await site.open_intent()
    await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.EXACT)
    [payment] = (await site.read("/v1/payments"))["items"]

    body = {"account": ACCOUNT_NAME, "invoice_ids": intent["invoice_ids"]}
    refused = problem(await site.client.post("/v1/intents", json=body), 409, "invoice_already_paid")

    assert refused["payments"] == [payment["id"]]


async def test_quote_prices_and_keeps_nothing(site: Site) -> None:
    async with site.nothing_written():
        visit = await site.client.post("/v1/quotes", json=visit_document(facility_code="99999"))
        file = await site.client.post("/v1/quotes", content=claim_file(), headers={"Content-Type": "application/xml"})
        wrong = await site.client.post("/v1/quotes", json=visit_document(MA_LOAI_KCB="99"))

    price = visit.json()["visits"][0]["price"]
    assert price["shares"]["patient"] == 136_000
    drug = price["lines"][0]
    assert drug["breakdown"][2] == {
        "field": "T_BHTT",
        "formula": {"vi": "80.000 × 80 %", "en": "80.000 × 80 %"},
        "amount": "64000.00",
    }
    rules = [price["explanations"][number]["rule"] for number in (*price["rule_refs"], *drug["rule_refs"])]
    assert rules == ["B-030", "B-042", "B-020", "B-010", "B-010"]
    assert price["explanations"][1]["period"] == {"vi": "từ 01/01/2025", "en": "since 01/01/2025"}
    assert file.json()["visits"][0]["price"]["shares"]["patient"] == 561_619
    assert wrong.status_code == 422


async def test_rules_are_listed_with_source_and_period(site: Site) -> None:
    rules = {rule["id"]: rule for rule in (await site.read("/v1/rules"))["items"]}

    assert rules["B-044"]["since"] == "2025-01-01"
    assert rules["B-044"]["note"] is None
    assert "K3 is an island" in rules["B-017"]["note"]["en"]
    assert all(rule["citation"]["vi"] and rule["proof"] for rule in rules.values())


async def test_books_balance_and_entries_can_be_read(site: Site) -> None:
    intent = await site.open_intent()
    await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.EXACT)

    balances = await site.read("/v1/ledger/balances")
    [[newest], [oldest]] = await every_page(site, "/v1/ledger/entries", limit=1)

    assert balances["debit"] == balances["credit"] == 736_000  # 600 000 charged, 136 000 received
    assert (newest["kind"], oldest["kind"]) != (oldest["kind"], newest["kind"])
    assert await site.read(f"/v1/ledger/entries/{newest['id']}") == newest
    assert sum(posting["amount"] for posting in newest["postings"]) == 136_000
    problem(await site.client.get("/v1/ledger/balances?on=2026-13-01"), 400, "invalid_query")
    problem(await site.client.get(f"/v1/ledger/entries/{UNKNOWN}"), 404, "not_found")


async def test_exception_has_reason_age_and_due(site: Site) -> None:
    intent = await site.open_intent()
    bank = site.bank()
    await bank.pay(intent["instruction"]["qr_payload"], Behaviour.EXACT)
    await bank.pay(intent["instruction"]["qr_payload"], Behaviour.EXACT)
    opened = (await site.read("/v1/exceptions"))["items"]
    now = site.context.clock()
    site.context.clock = lambda: now + timedelta(days=2)
    headers = await key_of(site, Role.FINANCE)

    [late] = (await site.client.get("/v1/exceptions", headers=headers)).json()["items"]

    assert [one["reason"] for one in opened] == [late["reason"]]
    assert (late["is_overdue"], late["age_s"] > 86_400, late["owner_id"]) == (True, True, None)
    assert (await site.client.get("/v1/exceptions?state=closed", headers=headers)).json()["items"] == []


async def test_callback_can_be_read_as_it_was_answered(site: Site) -> None:
    intent = await site.open_intent()
    [answer] = await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.EXACT)

    callback = await site.read(f"/v1/callbacks/{answer.receipt}")

    assert (callback["state"], callback["verdict"], callback["account"]) == ("answered", "accepted", ACCOUNT_NAME)
    assert (await site.read("/v1/callbacks"))["items"] == []
    problem(await site.client.post(f"/v1/callbacks/{answer.receipt}/retry"), 404, "not_found")


async def test_callback_that_could_not_be_written_is_retried_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    intent = await site.open_intent()

    async def stumble(*_: object) -> object:
        raise InvalidValue("what no rule foresaw")

    with monkeypatch.context() as patch:
        patch.setattr(intake, "apply_deliveries", stumble)
        [stored] = await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.EXACT)
    [waiting] = (await site.read("/v1/callbacks"))["items"]
    address = f"/v1/callbacks/{waiting['id']}"

    retried = await site.client.post(f"{address}/retry")
    again = await site.client.post(f"{address}/retry")

    assert (waiting["id"], waiting["state"], waiting["fault"]) == (stored.receipt, "waiting", "invalid_value")
    assert (retried.status_code, retried.json()["verdict"]) == (200, "accepted")
    problem(again, 409, "already_retried")
    replayed = await site.read(address)
    assert (replayed["state"], replayed["retried_at"] is None) == ("retried", False)
    assert (await site.read(f"/v1/callbacks/{replayed['retried_as']}"))["verdict"] == "accepted"
    assert (await site.read("/v1/callbacks"))["items"] == []
    assert (await site.read(f"/v1/intents/{intent['id']}"))["state"] == "succeeded"


async def test_cancelled_intent_asks_for_nothing_and_its_money_is_booked_all_the_same(site: Site) -> None:
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
    problem(await site.client.post(f"/v1/intents/{UNKNOWN}/cancel"), 404, "not_found")


async def test_nothing_of_another_organization_is_listed_or_touched(
    site: Site, other_organization: DemoHospital
) -> None:
    intent = await site.open_intent()
    await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.EXACT)
    [payment] = (await site.read("/v1/payments"))["items"]
    headers = other_organization.authorization

    for name in LISTS:
        assert (await site.anonymous_client.get(f"/v1/{name}", headers=headers)).json()["items"] == [], name
    problem(await site.anonymous_client.get(f"/v1/payments/{payment['id']}", headers=headers), 404, "not_found")
    problem(await site.anonymous_client.post(f"/v1/intents/{intent['id']}/cancel", headers=headers), 404, "not_found")


@pytest.mark.parametrize("role", list(Role))
async def test_each_address_opens_to_the_roles_it_names_and_to_no_other(site: Site, role: Role) -> None:
    headers = {**await key_of(site, role), "Idempotency-Key": "x", "Content-Type": "application/json"}

    for route in API:
        address = route.path.replace("{id}", UNKNOWN).replace("{role}", "revenue")
        answer: httpx.Response = await site.anonymous_client.request(
            route.method, address, headers=headers, content=b"[]"
        )
        assert route.roles is not None
        if role in route.roles:
            assert answer.status_code in (200, 400, 404, 415), (route, answer.text)  # a price list is no JSON
        else:
            problem(answer, 403, "not_permitted")

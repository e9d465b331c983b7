"""Lists over HTTP by cursor and filter, and the roles that may call each path."""

import httpx
import pytest

from billing.core.actor import Role
from billing.web.routes import API
from providers.sandbox.bank_simulator import Behaviour
from tests.builders import DemoHospital
from tests.web.site import UNKNOWN_ID, Site, every_page, key_of, problem

LISTS = [
    "visits", "invoices", "intents", "payments", "exceptions", "ledger/entries", "callbacks", "tariffs",
    "facility-pricing", "price-differences",
]  # fmt: skip


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
        address = route.path.replace("{id}", UNKNOWN_ID).replace("{role}", "revenue")
        answer: httpx.Response = await site.anonymous_client.request(
            route.method, address, headers=headers, content=b"[]"
        )
        assert route.roles is not None
        if role in route.roles:
            assert answer.status_code in (200, 400, 404, 415), (route, answer.text)  # a price list is no JSON
        else:
            problem(answer, 403, "not_permitted")

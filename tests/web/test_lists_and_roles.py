"""Lists over HTTP by cursor and filter, and the roles that may call each path."""

import re

import httpx
import pytest

from billing.core.actor import Role
from billing.organizations.domain.rights import RIGHTS
from billing.web.operation import Route
from billing.web.routes import API
from providers.sandbox.bank_simulator import Behaviour
from tests.builders import FACILITY_CODE, DemoHospital
from tests.web.site import UNKNOWN_ID, Site, every_page, key_of, problem

LISTS = [
    "visits", "invoices", "intents", "payments", "exceptions", "ledger/entries", "callbacks", "tariffs",
    "facility-pricing", "price-differences", "facility-policies", "account-changes", "approvals",
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


@pytest.mark.parametrize(
    ("address", "known"),
    [
        ("price-differences?field=xyz", "T_BNCCT"),
        ("ledger/entries?kind=xyz", "payment_received"),
        ("callbacks?state=answered", "waiting, retried, closed"),
        ("account-changes?state=open", "proposed"),
        ("approvals?state=open", "proposed"),
        ("approvals?kind=xyz", "account_change"),
        ("exceptions?reason=xyz", "no_reference"),
        ("tariffs?state=xyz", "draft"),
        ("visits?state=xyz", "open"),
        ("intents?state=xyz", "pending"),
        ("intents?reference_code=XYZ", "nine characters"),
        ("intents?reference_code=ABCDEFGHJ", "check character"),
    ],
)
async def test_value_that_no_row_can_have_is_rejected_with_the_known_values(
    site: Site, address: str, known: str
) -> None:
    name = address.partition("?")[2].partition("=")[0]

    rejected = problem(await site.client.get(f"/v1/{address}"), 400, "invalid_query")

    assert known in rejected["detail"]
    assert rejected["errors"][0]["field"] == name


@pytest.mark.parametrize("name", ["facility-pricing", "facility-policies"])
async def test_facility_of_a_filter_belongs_to_the_organization(site: Site, name: str) -> None:
    rejected = problem(await site.client.get(f"/v1/{name}?facility=99999"), 404, "not_found")

    assert rejected["errors"][0]["field"] == "facility"
    assert (await site.read(f"/v1/{name}?facility={FACILITY_CODE}"))["items"] == []


@pytest.mark.parametrize("name", ["ledger/entries", "callbacks", "account-changes", "approvals"])
async def test_days_of_a_list_are_days_in_order(site: Site, name: str) -> None:
    problem(await site.client.get(f"/v1/{name}?from=2026-13-01"), 400, "invalid_query")
    problem(await site.client.get(f"/v1/{name}?from=2026-11-02&to=2026-11-01"), 400, "invalid_query")
    assert (await site.read(f"/v1/{name}?from=2026-11-01&to=2026-11-01"))["items"] == []


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


def _address(route: Route) -> str:
    address = (
        route.path.replace("{id}", UNKNOWN_ID)
        .replace("{role}", "revenue")
        .replace("{day}", "2026-11-01")
        .replace("{month}", "2026-11")
    )
    return re.sub(r"\{[a-z_]+\}", "X1", address.replace("{facility_code}", FACILITY_CODE))


@pytest.mark.parametrize("role", list(Role))
async def test_each_address_opens_to_the_roles_of_its_right_and_to_no_other(site: Site, role: Role) -> None:
    headers = {**await key_of(site, role), "Idempotency-Key": "x", "Content-Type": "application/json"}

    for route in API:
        assert route.right is not None, route
        answer: httpx.Response = await site.anonymous_client.request(
            route.method, _address(route), headers=headers, content=b"[]"
        )
        if role in RIGHTS[route.right]:
            assert answer.status_code in (200, 400, 404, 409, 415), (route, answer.text)  # a price list is no JSON
        else:
            problem(answer, 403, "not_permitted")


async def test_no_address_opens_without_a_key(site: Site) -> None:
    for route in API:
        answer = await site.anonymous_client.request(route.method, _address(route), content=b"[]")
        problem(answer, 401, "not_authenticated")


async def test_key_of_some_facilities_is_refused_at_another(site: Site) -> None:
    settings = f"/v1/facilities/{FACILITY_CODE}/cash-settings"
    here = await key_of(site, Role.ADMINISTRATOR, facility_codes=[FACILITY_CODE])
    other = await key_of(site, Role.ADMINISTRATOR, Role.AUDITOR, facility_codes=["99999"])

    problem(await site.anonymous_client.put(settings, headers=here, json=[]), 400, "body_unreadable")
    problem(await site.anonymous_client.put(settings, headers=other, json=[]), 403, "not_permitted")

"""Order clearance and discharge clearance over HTTP."""

from datetime import timedelta

import httpx
import pytest

from billing.core.actor import Role
from billing.core.clock import business_date
from tests.builders import FACILITY_CODE, DemoHospital
from tests.visit_accounts.open_visits import OpenVisit, open_visit
from tests.web.live_visit import VISIT, charge, header
from tests.web.site import UNKNOWN_ID, Site, key_of, problem

FACILITY = f"/v1/facilities/{FACILITY_CODE}"
ORDER = f"{FACILITY}/orders/ORDER-1/clearance"
POLICIES = f"{FACILITY}/clearance-policies"


@pytest.fixture
async def visit(site: Site) -> OpenVisit:
    return await open_visit(site.context)


def policy(site: Site, **changes: object) -> dict[str, object]:
    today = business_date(site.context.clock()).isoformat()
    return {"department": "", "valid_from": today, "term": "pay_after", **changes}


async def test_order_is_not_cleared_until_it_is_paid(site: Site, visit: OpenVisit) -> None:
    await visit.add("L1", patient=100_000, is_elective=True)
    before = await site.read(ORDER)
    await visit.collect(L1=100_000)
    after = await site.read(ORDER)

    assert before == {
        "order_number": "ORDER-1",
        "is_cleared": False,
        "reason": "not_paid",
        "lines": [
            {
                "line": "L1",
                "visit_id": str(visit.id),
                "department": "K01",
                "state": "ordered",
                "is_cleared": False,
                "reason": "not_paid",
                "amount_due": 100_000,
            }
        ],
        "policy": {"department": "", "valid_from": None, "term": "pay_before", "deposit_exhausted": "warn"},
    }
    assert (after["is_cleared"], after["reason"], after["lines"][0]["amount_due"]) == (True, "paid", 0)


@pytest.mark.parametrize("number", ["ORDER-2", "A%2FB%20C", "A" * 101, "%00", "Đ"])
async def test_unknown_order_is_not_found_by_name(site: Site, visit: OpenVisit, number: str) -> None:
    await visit.add("L1")

    problem(await site.client.get(f"{FACILITY}/orders/{number}/clearance"), 404, "order_not_found")
    problem(await site.client.get("/v1/facilities/99999/orders/ORDER-1/clearance"), 404, "order_not_found")


async def test_order_number_may_have_a_slash_and_spaces(site: Site, visit: OpenVisit) -> None:
    await visit.add("L1", order="CĐHA 12/2026")

    assert (await site.read(f"{FACILITY}/orders/C%C4%90HA%2012%2F2026/clearance"))["order_number"] == "CĐHA 12/2026"


async def test_policy_is_set_listed_and_decides(site: Site, visit: OpenVisit) -> None:
    await visit.add("L1")
    body = policy(site, department="K01", deposit_exhausted="stop_elective")
    key = {"Idempotency-Key": "policy-1"}
    created = await site.client.post(POLICIES, json=body, headers=key)
    again = await site.client.post(POLICIES, json=body, headers=key)

    assert (created.status_code, again.json()) == (201, created.json())
    assert again.headers["Idempotent-Replayed"] == "true"
    assert created.json().items() >= body.items()
    assert (await site.read(POLICIES))["items"] == [created.json()]
    found = await site.read(ORDER)
    assert (found["is_cleared"], found["reason"], found["policy"]["department"]) == (True, "pay_after", "K01")


async def test_order_that_the_policy_releases_is_cleared_as_it_is_recorded(site: Site) -> None:
    assert (await site.client.put(VISIT, json=header())).status_code in (200, 201)
    await site.client.put(f"{VISIT}/charges/L1", json=charge())
    await site.client.post(POLICIES, json=policy(site))
    await site.client.put(f"{VISIT}/charges/L2", json=charge(order_number="XN-2"))

    [rows] = await site.as_owner("SELECT array_agg(state ORDER BY line) AS states FROM charge_item")
    sent = await site.as_owner(
        "SELECT payload ->> 'line' AS line FROM outbox WHERE topic = 'charge.cleared' ORDER BY id"
    )
    found = await site.read(f"{FACILITY}/orders/XN-2/clearance")

    # The policy of a day holds for all orders of the day: the first one is cleared with the next message.
    assert (rows["states"], {row["line"] for row in sent}) == (["cleared", "cleared"], {"L1", "L2"})
    assert (found["reason"], found["lines"][0]["state"]) == ("pay_after", "cleared")


async def test_wrong_policy_is_rejected_by_name(site: Site) -> None:
    yesterday = (business_date(site.context.clock()) - timedelta(days=1)).isoformat()
    async with site.nothing_written():
        for changes, code in (
            ({"term": "never"}, "invalid_body"),
            ({"deposit_exhausted": "stop"}, "invalid_body"),
            ({"valid_from": "2026-02-30"}, "invalid_value"),
            ({"valid_from": yesterday}, "clearance_policy_backdated"),
            ({"department": "K\n01"}, "invalid_value"),
        ):
            problem(await site.client.post(POLICIES, json=policy(site, **changes)), 422, code)
        address = "/v1/facilities/99999/clearance-policies"
        problem(await site.client.post(address, json=policy(site)), 404, "not_found")
    problem(await site.client.get(address), 404, "not_found")


async def test_blocker_is_listed_overridden_and_kept(site: Site, visit: OpenVisit) -> None:
    await visit.add("L1", kind="drug", stage="issued", order="")
    address = f"/v1/visits/{visit.id}"
    before = await site.read(f"{address}/discharge-clearance")
    body = {"kind": "drug_issued", "line": "L1", "reason": "điều dưỡng xác nhận qua điện thoại"}
    made = await site.client.post(f"{address}/discharge-overrides", json=body)
    after = await site.read(f"{address}/discharge-clearance")

    [blocker] = before["blockers"]
    assert (before["is_clear"], blocker["kind"], blocker["line"]) == (False, "drug_issued", "L1")
    assert (blocker["department"], blocker["may_override"], blocker["is_overridden"]) == ("K01", "head_cashier", False)
    assert blocker["way_out"].keys() == {"vi", "en"}
    assert (made.status_code, made.json(), after["is_clear"]) == (201, after, True)
    assert [(each["line"], each["reason"]) for each in after["overrides"]] == [("L1", body["reason"])]
    problem(await site.client.post(f"{address}/discharge-overrides", json=body), 409, "blocker_overridden")


async def test_override_of_nothing_is_rejected_by_name(site: Site, visit: OpenVisit) -> None:
    address = f"/v1/visits/{visit.id}/discharge-overrides"
    body = {"kind": "drug_issued", "reason": "không rõ"}

    problem(await site.client.post(address, json=body), 404, "blocker_not_found")
    problem(await site.client.post(address, json=body | {"kind": "weather"}), 422, "invalid_body")
    problem(await site.client.post(address, json=body | {"reason": ""}), 422, "invalid_body")
    problem(await site.client.post(f"/v1/visits/{UNKNOWN_ID}/discharge-overrides", json=body), 404, "not_found")
    problem(await site.client.get(f"/v1/visits/{UNKNOWN_ID}/discharge-clearance"), 404, "not_found")
    await visit.close()
    problem(await site.client.post(address, json=body), 409, "visit_closed")


async def test_another_organization_finds_nothing(
    site: Site, visit: OpenVisit, other_organization: DemoHospital
) -> None:
    await visit.add("L1")
    headers = other_organization.authorization
    async with httpx.AsyncClient(base_url=site.address, headers=headers) as client:
        problem(await client.get(ORDER), 404, "order_not_found")
        problem(await client.get(f"/v1/visits/{visit.id}/discharge-clearance"), 404, "not_found")


async def test_cashier_and_integrator_override_nothing_and_set_no_policy(site: Site, visit: OpenVisit) -> None:
    for role in (Role.CASHIER, Role.INTEGRATOR):
        headers = {**await key_of(site, role), "Idempotency-Key": "one"}
        body = {"kind": "drug_issued", "reason": "không rõ"}
        address = f"/v1/visits/{visit.id}/discharge-overrides"
        problem(await site.client.post(address, json=body, headers=headers), 403, "not_permitted")
        problem(await site.client.post(POLICIES, json=policy(site), headers=headers), 403, "not_permitted")

"""One list of what waits for a second person: by kind and state, for the roles that decide each kind."""

from collections.abc import AsyncIterator

import httpx
import pytest

from billing.core.actor import Role
from tests.builders import ACCOUNT_NAME, FACILITY_CODE
from tests.persons import give_keys
from tests.web.conftest import HOOKS
from tests.web.site import Site, key_of, problem
from tests.web.test_tariffs import Persons, approve, draft, persons

__all__ = ["persons"]

POLICY = {"facility": FACILITY_CODE, "valid_from": "2026-07-01", "options": {"copay_crossing": "cap"}}
CHANGE = {"account": ACCOUNT_NAME, "settings": {"tolerance_s": 60}}


@pytest.fixture
async def administrator(site: Site) -> AsyncIterator[httpx.AsyncClient]:
    [key] = await give_keys(site.database, site.context, ("admin", "D"), roles=(Role.ADMINISTRATOR,))
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=site.address, headers=headers, timeout=20, event_hooks=HOOKS) as client:
        yield client


async def kinds(client: httpx.AsyncClient, query: str = "") -> list[str]:
    answer = await client.get(f"/v1/approvals{query}")
    assert answer.status_code == 200, answer.text
    return [each["kind"] for each in answer.json()["items"]]


async def test_proposals_of_all_kinds_are_listed_the_newest_first_and_filtered(
    persons: Persons, administrator: httpx.AsyncClient
) -> None:
    tariff_id = await draft(persons)
    policy = (await persons.a.post("/v1/facility-policies", json=POLICY)).json()
    await administrator.post("/v1/account-changes", json=CHANGE)

    approved = await approve(persons.b, policy)

    assert await kinds(persons.b) == ["account_change", "facility_policy", "tariff"]
    assert await kinds(persons.b, "?state=proposed") == ["account_change", "tariff"]
    assert await kinds(persons.b, "?kind=tariff") == ["tariff"]
    problem(await persons.b.get("/v1/approvals?kind=x"), 400, "invalid_query")
    first = (await persons.b.get("/v1/approvals?limit=1")).json()
    rest = (await persons.b.get(f"/v1/approvals?limit=2&cursor={first['next_cursor']}")).json()
    assert [each["kind"] for each in rest["items"]] == ["facility_policy", "tariff"]
    assert rest["items"][1]["subject_id"] == tariff_id
    assert rest["items"][0] == approved.json() == (await persons.a.get(f"/v1/approvals/{approved.json()['id']}")).json()
    assert (approved.json()["proposed_by"], approved.json()["decided_by"]) == ("A", "B")
    assert approved.json()["payload"]["options"] == POLICY["options"]


async def test_administrator_decides_account_changes_and_nothing_of_the_books(
    persons: Persons, administrator: httpx.AsyncClient, site: Site
) -> None:
    policy = (await persons.a.post("/v1/facility-policies", json=POLICY)).json()
    change = (await site.client.post("/v1/account-changes", json=CHANGE)).json()
    problem(await persons.a.post("/v1/account-changes", json=CHANGE), 403, "not_permitted")

    assert await kinds(administrator) == ["account_change"]
    assert await kinds(administrator, "?kind=facility_policy") == []
    problem(await administrator.get(f"/v1/approvals/{policy['approval']['id']}"), 403, "not_permitted")
    problem(await approve(administrator, policy), 403, "not_permitted")
    problem(await persons.cashier.get("/v1/approvals"), 403, "not_permitted")
    assert (await approve(administrator, change)).json()["state"] == "approved"


async def test_proposal_is_rejected_by_another_and_withdrawn_by_its_proposer(persons: Persons) -> None:
    states = {}
    for name, client in (("another", persons.b), ("proposer", persons.also_a)):
        policy = (await persons.a.post("/v1/facility-policies", json=POLICY)).json()
        address = f"/v1/approvals/{policy['approval']['id']}"
        states[name] = (await client.post(f"{address}/reject")).json()["state"]
        problem(await persons.b.post(f"{address}/approve"), 409, "already_decided")
        problem(await persons.b.post(f"{address}/reject"), 409, "already_decided")

    assert states == {"another": "rejected", "proposer": "withdrawn"}


async def test_rejected_price_list_is_discarded_and_a_discarded_one_is_rejected(persons: Persons) -> None:
    rejected, discarded = await draft(persons), await draft(persons, query="from=2026-08-01")
    approval_id = (await persons.b.get(f"/v1/tariffs/{rejected}")).json()["approval"]["id"]

    await persons.b.post(f"/v1/approvals/{approval_id}/reject")
    await persons.b.post(f"/v1/tariffs/{discarded}/discard")

    for tariff_id in (rejected, discarded):
        found = (await persons.a.get(f"/v1/tariffs/{tariff_id}")).json()
        assert (found["state"], found["approval"]["state"]) == ("discarded", "rejected")


async def test_unknown_proposal_is_not_found(persons: Persons) -> None:
    address = "/v1/approvals/00000000-0000-0000-0000-000000000001"

    problem(await persons.a.get(address), 404, "not_found")
    problem(await persons.a.post(f"{address}/approve"), 404, "not_found")


async def test_auditor_reads_proposals_of_all_kinds_and_decides_none(persons: Persons, site: Site) -> None:
    policy = (await persons.a.post("/v1/facility-policies", json=POLICY)).json()
    address = f"/v1/approvals/{policy['approval']['id']}"
    headers = await key_of(site, Role.AUDITOR)

    assert (await site.anonymous_client.get(address, headers=headers)).json()["kind"] == "facility_policy"
    problem(await site.anonymous_client.post(f"{address}/approve", headers=headers), 403, "not_permitted")
    problem(await site.anonymous_client.post(f"{address}/reject", headers=headers), 403, "not_permitted")
    assert (await approve(persons.b, policy)).status_code == 200

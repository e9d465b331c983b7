"""The chart of accounts over HTTP: proposed by one person, approved by another, never for a closed day."""

import asyncpg
import pytest

from billing.core.actor import Role
from billing.core.clock import business_date
from tests.web.site import Site, key_of, problem

NUMBER = {"role": "revenue", "number": "5113", "name": "Doanh thu khám chữa bệnh", "valid_from": "2099-01-01"}

_ADD_NUMBER = """
    INSERT INTO ledger_number (organization_id, account_id, valid_from, number, name)
    SELECT 1, id, '2099-01-01', '5113', $1 FROM ledger_account WHERE role = 'revenue'
"""


async def _numbers(site: Site, role: str) -> list[tuple[str, str]]:
    items = (await site.read("/v1/ledger/chart"))["items"]
    return [(each["number"], each["valid_from"]) for each in items if each["account"]["role"] == role]


async def test_number_takes_effect_when_another_person_approves_it(site: Site) -> None:
    other = await key_of(site, Role.FINANCE)
    [first] = await _numbers(site, "revenue")
    answer = await site.client.post("/v1/ledger/chart", json=NUMBER)
    assert answer.status_code == 201, answer.text
    proposal = answer.json()
    assert (proposal["kind"], proposal["state"], proposal["payload"]["number"]) == ("chart", "proposed", "5113")
    address = f"/v1/approvals/{proposal['id']}/approve"

    assert await _numbers(site, "revenue") == [first]
    problem(await site.client.post(address), 409, "second_person_required")
    problem(await site.client.post("/v1/ledger/chart", json=NUMBER), 409, "proposal_waiting")
    approved = await site.anonymous_client.post(address, headers=other)

    assert approved.json()["state"] == "approved"
    assert await _numbers(site, "revenue") == [first, ("5113", "2099-01-01")]
    problem(await site.client.post("/v1/ledger/chart", json=NUMBER), 409, "chart_not_changeable")
    later = (await site.client.post("/v1/ledger/chart", json={**NUMBER, "valid_from": "2099-02-01"})).json()
    await site.anonymous_client.post(f"/v1/approvals/{later['id']}/approve", headers=other)
    assert len(await _numbers(site, "revenue")) == 3


async def test_number_of_a_closed_day_is_refused(site: Site) -> None:
    today = business_date(site.context.clock())
    await site.as_owner("INSERT INTO business_day VALUES (1, $1, 'open', now(), NULL) ON CONFLICT DO NOTHING", today)
    proposed = await site.client.post("/v1/ledger/chart", json={**NUMBER, "role": "safe", "valid_from": str(today)})
    await site.as_owner("UPDATE business_day SET state = 'closed', closed_at = now() WHERE organization_id = 1")
    other = await key_of(site, Role.FINANCE)

    refused = await site.client.post("/v1/ledger/chart", json={**NUMBER, "valid_from": str(today)})

    problem(refused, 409, "chart_not_changeable")
    if proposed.status_code == 201:
        address = f"/v1/approvals/{proposed.json()['id']}/approve"
        problem(await site.anonymous_client.post(address, headers=other), 409, "chart_not_changeable")


async def test_malformed_numbers_and_unknown_accounts_are_refused(site: Site) -> None:
    problem(await site.client.post("/v1/ledger/chart", json={**NUMBER, "number": "51A"}), 422, "invalid_body")
    problem(await site.client.post("/v1/ledger/chart", json={**NUMBER, "role": "nothing"}), 422, "invalid_body")
    problem(await site.client.post("/v1/ledger/chart", json={**NUMBER, "subject": "x"}), 404, "not_found")


async def test_database_refuses_a_number_that_nobody_approved(site: Site) -> None:
    with pytest.raises(asyncpg.RestrictViolationError, match="approved by two persons"):
        await site.as_owner(_ADD_NUMBER, "Doanh thu")

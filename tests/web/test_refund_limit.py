"""The amount above which a second person approves a refund, over HTTP: it is itself approved by another person."""

import asyncpg
import pytest

from billing.core.actor import Role
from tests.web.refund_day import pay_deposit
from tests.web.site import Site, key_of, problem

LIMIT = "/v1/refund-limit"


async def test_limit_holds_once_another_person_has_approved_it(site: Site) -> None:
    other = await key_of(site, Role.FINANCE)
    visit_id = await pay_deposit(site.client, site, 200_000)
    refund = {"visit_id": visit_id, "amount": 50_000, "way": "cash", "reason": "hoàn tạm ứng"}

    proposal = (await site.client.post(LIMIT, json={"amount": 50_000})).json()

    assert (proposal["kind"], proposal["state"]) == ("refund_limit", "proposed")
    assert proposal["payload"] == {"amount": 50_000, "former_amount": 0}
    assert await site.read(LIMIT) == {"amount": 0}
    assert (await site.client.post("/v1/refunds", json=refund)).json()["needs_approval"]
    approve = f"/v1/approvals/{proposal['id']}/approve"
    problem(await site.client.post(approve), 409, "second_person_required")
    problem(await site.client.post(LIMIT, json={"amount": 60_000}), 409, "proposal_waiting")
    assert (await site.anonymous_client.post(approve, headers=other)).json()["state"] == "approved"
    assert await site.read(LIMIT) == {"amount": 50_000}
    below = (await site.client.post("/v1/refunds", json=refund)).json()
    above = (await site.client.post("/v1/refunds", json=refund | {"amount": 50_001})).json()
    assert (below["needs_approval"], below["state"], above["needs_approval"]) == (False, "approved", True)

    lowered = (await site.client.post(LIMIT, json={"amount": 0})).json()
    await site.anonymous_client.post(f"/v1/approvals/{lowered['id']}/approve", headers=other)
    assert await site.read(LIMIT) == {"amount": 0}


async def test_limit_is_an_amount_and_is_read_by_those_who_handle_money(site: Site) -> None:
    problem(await site.client.post(LIMIT, json={"amount": -1}), 422, "invalid_value")
    problem(await site.client.post(LIMIT, json={}), 422, "invalid_body")
    cashier = await key_of(site, Role.CASHIER)
    assert (await site.anonymous_client.get(LIMIT, headers=cashier)).json() == {"amount": 0}
    problem(await site.anonymous_client.post(LIMIT, headers=cashier, json={"amount": 5}), 403, "not_permitted")


async def test_database_keeps_the_limit_that_two_persons_approved(site: Site) -> None:
    other = await key_of(site, Role.FINANCE)
    first = (await site.client.post(LIMIT, json={"amount": 50_000})).json()
    statement = "UPDATE organization SET refund_approval_above = $1 WHERE id = 1"

    for amount in (50_000, 1_000_000):
        with pytest.raises(asyncpg.RestrictViolationError):
            await site.as_owner(statement, amount)
    await site.anonymous_client.post(f"/v1/approvals/{first['id']}/approve", headers=other)
    second = (await site.client.post(LIMIT, json={"amount": 0})).json()
    await site.anonymous_client.post(f"/v1/approvals/{second['id']}/approve", headers=other)

    with pytest.raises(asyncpg.RestrictViolationError):
        await site.as_owner(statement, 50_000)

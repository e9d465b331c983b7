"""Contracts of providers and rule sets of matching over HTTP: proposed by one person, approved by another."""

from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from billing.core.actor import Role
from billing.core.clock import business_date
from tests.builders import ACCOUNT_NAME
from tests.web.site import Site, key_of, problem

CONTRACTS, RULES = "/v1/provider-contracts", "/v1/match-rule-sets"
CONTRACT = {
    "account": ACCOUNT_NAME,
    "valid_from": "2026-01-01",
    "pays_out": True,
    "fee_basis_points": 50,
    "fee_fixed": 1_000,
}


async def _approve(site: Site, proposal: dict[str, Any], headers: dict[str, str]) -> None:
    answer = await site.anonymous_client.post(f"/v1/approvals/{proposal['id']}/approve", headers=headers)
    assert answer.status_code == 200, answer.text


async def _channel(site: Site) -> bool:
    [row] = await site.as_owner("SELECT pays_out FROM provider_channel WHERE organization_id = 1")
    pays_out: bool = row["pays_out"]
    return pays_out


async def test_contract_is_in_force_from_its_day_once_another_person_has_approved_it(site: Site) -> None:
    other = await key_of(site, Role.FINANCE)
    tomorrow = business_date(site.context.clock()) + timedelta(days=1)

    proposal = (await site.client.post(CONTRACTS, json=CONTRACT)).json()

    assert (proposal["kind"], proposal["payload"]) == ("provider_contract", CONTRACT)
    assert await site.read(CONTRACTS) == {"contracts": []}
    problem(await site.client.post(CONTRACTS, json={**CONTRACT, "pays_out": False}), 409, "proposal_waiting")
    problem(await site.client.post(f"/v1/approvals/{proposal['id']}/approve"), 409, "second_person_required")
    assert not await _channel(site)
    await _approve(site, proposal, other)
    [stored] = (await site.read(CONTRACTS))["contracts"]
    assert {name: stored[name] for name in CONTRACT} == CONTRACT
    assert await _channel(site)
    problem(await site.client.post(CONTRACTS, json=CONTRACT), 409, "contract_exists")
    later = (
        await site.client.post(CONTRACTS, json={**CONTRACT, "valid_from": f"{tomorrow}", "pays_out": False})
    ).json()
    await _approve(site, later, other)
    assert await _channel(site), "the next contract is not in force today"
    assert len((await site.read(CONTRACTS))["contracts"]) == 2


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"account": "unknown"}, "not_found"),
        ({"fee_fixed": None}, "invalid_value"),
        ({"fee_basis_points": 10_001}, "invalid_value"),
        ({"fee_fixed": -1}, "invalid_value"),
        ({"valid_from": "1.1.2026"}, "invalid_value"),
    ],
)
async def test_contract_that_cannot_be_is_refused(site: Site, changes: dict[str, object], code: str) -> None:
    refused = await site.client.post(CONTRACTS, json={**CONTRACT, **changes})

    problem(refused, 404 if code == "not_found" else 422, code)
    assert await site.as_owner("SELECT id FROM approval") == []


async def test_rules_have_versions_that_two_persons_approved(site: Site) -> None:
    other = await key_of(site, Role.FINANCE)
    [first] = (await site.read(RULES))["rule_sets"]
    assert (first["version"], first["tolerance"], first["cut_off"], first["created_by"]) == (1, 0, "23:00", None)

    change = {"tolerance": 500, "terms": {"payout": 3}, "cut_off": "16:30"}
    proposal = (await site.client.post(RULES, json=change)).json()
    await _approve(site, proposal, other)
    again = (await site.client.post(RULES, json={"terms": {"payment": 2}})).json()
    await _approve(site, again, other)

    assert proposal["payload"]["former_rules"]["tolerance"] == 0
    third, second, _ = (await site.read(RULES))["rule_sets"]
    assert (second["version"], second["tolerance"], second["cut_off"]) == (2, 500, "16:30")
    assert (third["tolerance"], third["terms"], third["cut_off"]) == (500, {"payout": 3, "payment": 2}, "16:30")
    run = (await site.client.post("/v1/match-runs", json={}, headers={"Idempotency-Key": "run-1"})).json()
    assert run["rule_set"] == 3


@pytest.mark.parametrize("change", [{}, {"tolerance": 100_001}, {"terms": {"coin": 1}}, {"cut_off": "4pm"}])
async def test_rules_that_cannot_be_are_refused(site: Site, change: dict[str, object]) -> None:
    problem(await site.client.post(RULES, json=change), 422, "invalid_value")
    assert await site.as_owner("SELECT id FROM approval") == []


async def test_contracts_and_rules_are_of_finance(site: Site) -> None:
    cashier = await key_of(site, Role.CASHIER)
    for address, body in ((CONTRACTS, CONTRACT), (RULES, {"tolerance": 5})):
        problem(await site.client.get(address, headers=cashier), 403, "not_permitted")
        problem(await site.client.post(address, json=body, headers=cashier), 403, "not_permitted")


async def test_database_keeps_contracts_and_rules_that_two_persons_approved(site: Site) -> None:
    proposal = (await site.client.post(CONTRACTS, json=CONTRACT)).json()
    await site.read(RULES)

    for statement in (
        "INSERT INTO provider_contract (organization_id, provider_account_id, valid_from, pays_out, fee_basis_points, "
        "fee_fixed, recorded_at) SELECT 1, id, '2026-01-01', true, 50, 1000, now() FROM provider_account",
        "INSERT INTO match_rule_set (organization_id, version, rules, created_at) VALUES (1, 2, '{}', now())",
    ):
        with pytest.raises(asyncpg.RestrictViolationError):
            await site.as_owner(statement)
    assert proposal["state"] == "proposed"

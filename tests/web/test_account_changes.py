"""Payee, thresholds and settings are changed by two persons: by the rules, and by the database behind them."""

from dataclasses import dataclass
from datetime import timedelta

import asyncpg
import httpx
import pytest

from billing.core.actor import Role
from billing.core.clock import business_date
from billing.db.context import Ids, utc_now
from billing.db.database import Database
from billing.organizations.service.provider_accounts import CACHE_TTL
from billing.organizations.service.setup import Setup
from providers.addresses import AddressRules
from tests.builders import ACCOUNT_NAME, DemoHospital
from tests.web.site import Site, problem

NEW = {"bank_bin": "970436", "account_number": "0999000111", "holder": "BENH VIEN 1"}


@dataclass(frozen=True, slots=True)
class Two:
    """The person of the site's own key, and another one."""

    site: Site
    other: dict[str, str]
    same: dict[str, str]

    async def propose(self, **body: object) -> httpx.Response:
        return await self.site.client.post("/v1/account-changes", json={"account": ACCOUNT_NAME, **body})

    async def decide(self, change: httpx.Response, what: str, headers: dict[str, str]) -> httpx.Response:
        return await self.site.anonymous_client.post(f"/v1/approvals/{change.json()['id']}/{what}", headers=headers)

    async def stored(self) -> asyncpg.Record:
        [row] = await self.site.as_owner(
            "SELECT account.settings::text, account.is_active, bank.bank_bin, bank.account_number"
            " FROM provider_account AS account JOIN bank_account AS bank ON bank.id = account.bank_account_id"
        )
        return row


@pytest.fixture
async def two(site: Site) -> Two:
    owner = await Database.open(site.database.owner_url)
    setup = Setup(owner, utc_now, Ids(utc_now))
    organization_id = site.hospital.organization_id
    other = await setup.add_key(organization_id, person_name="Kế toán", name="books", roles=[Role.FINANCE])
    same = await setup.add_key(organization_id, person_name="Thu ngân", name="second-key", roles=[Role.FINANCE])
    await owner.close()
    return Two(site, {"Authorization": f"Bearer {other}"}, {"Authorization": f"Bearer {same}"})


async def test_payee_is_changed_once_another_person_approves(two: Two) -> None:
    before = await two.stored()

    proposed = await two.propose(payee=NEW)
    waiting = await two.stored()
    approved = await two.decide(proposed, "approve", two.other)

    assert (proposed.status_code, proposed.json()["approval"]["state"], waiting) == (201, "proposed", before)
    assert [each["name"] for each in proposed.json()["settings"]] == ["account_number", "bank_bin"]
    assert (approved.status_code, approved.json()["state"]) == (200, "approved")
    after = await two.stored()
    assert (after["bank_bin"], after["account_number"]) == (NEW["bank_bin"], NEW["account_number"])
    assert '"account_number": "0999000111"' in after["settings"]
    now = two.site.context.clock()
    two.site.context.accounts._clock = lambda: now + CACHE_TTL + timedelta(seconds=1)  # type: ignore[attr-defined]
    intent = await two.site.open_intent()
    assert intent["instruction"]["account_number"] == NEW["account_number"]
    audit = await two.site.as_owner("SELECT action, acting_for FROM audit WHERE subject_kind = 'approval' ORDER BY id")
    assert [row["action"] for row in audit] == ["account_change_proposed", "account_change_approved"]
    assert audit[0]["acting_for"] != audit[1]["acting_for"]


async def test_who_proposed_cannot_approve_not_even_by_another_key(two: Two) -> None:
    proposed = await two.propose(settings={"tolerance_s": 60})

    before = await two.site.content()
    for headers in (two.same, two.site.hospital.authorization):
        problem(await two.decide(proposed, "approve", headers), 409, "second_person_required")

    assert await two.site.content() == before


@pytest.mark.parametrize("path", ["account-changes", "approvals"])
async def test_proposals_are_listed_by_state_and_day(two: Two, path: str) -> None:
    rejected = (await two.propose(is_active=False)).json()["id"]
    await two.site.anonymous_client.post(f"/v1/approvals/{rejected}/reject", headers=two.other)
    waiting = (await two.propose(payee=NEW)).json()["id"]
    today = business_date(utc_now())

    async def ids(query: str) -> list[str]:
        return [item["id"] for item in (await two.site.read(f"/v1/{path}?{query}"))["items"]]

    assert await ids("state=proposed") == [waiting]
    assert await ids(f"state=rejected&from={today}") == [rejected]
    assert await ids(f"from={today + timedelta(days=1)}") == []
    assert await ids(f"to={today - timedelta(days=1)}") == []


async def test_change_is_decided_once(two: Two) -> None:
    first = await two.propose(settings={"tolerance_s": 60})
    problem(await two.propose(settings={"tolerance_s": 70}), 409, "proposal_waiting")

    rejected = await two.decide(first, "reject", two.same)

    assert rejected.json()["state"] == "withdrawn"
    problem(await two.decide(first, "approve", two.other), 409, "already_decided")
    assert "tolerance_s" not in (await two.stored())["settings"]
    second = await two.propose(settings={"tolerance_s": 70}, is_active=False)
    assert (await two.decide(second, "approve", two.other)).status_code == 200
    assert (await two.stored())["is_active"] is False
    listed = await two.site.client.get("/v1/account-changes")
    assert [each["approval"]["state"] for each in listed.json()["items"]] == ["approved", "withdrawn"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"account": "elsewhere"}, "not_found"),
        ({"settings": {"account_number": "1"}}, "invalid_value"),
        ({"payee": {**NEW, "bank_bin": "12"}}, "invalid_body"),
        ({"payee": {"bank_bin": "970436"}}, "invalid_body"),
        ({"typo": 1}, "invalid_body"),
    ],
)
async def test_invalid_proposal_is_rejected_and_nothing_is_written(
    two: Two, body: dict[str, object], code: str
) -> None:
    before = await two.site.content()

    answer = await two.propose(**body)

    assert answer.json()["code"] == code, answer.text
    assert await two.site.content() == before


async def test_bank_account_of_another_organization_is_not_taken(two: Two, other_organization: DemoHospital) -> None:
    theirs = {
        "bank_bin": other_organization.settings.bank_bin,
        "account_number": other_organization.settings.account_number,
        "holder": "BENH VIEN 1",
    }
    proposed = await two.propose(payee=theirs)

    problem(await two.decide(proposed, "approve", two.other), 409, "change_not_possible")

    found = await two.site.client.get(proposed.headers["Location"])
    assert found.json()["approval"]["state"] == "proposed", "it stays to be rejected"


async def test_cashier_neither_proposes_nor_approves(two: Two) -> None:
    owner = await Database.open(two.site.database.owner_url)
    key = await Setup(owner, utc_now, Ids(utc_now)).add_key(
        two.site.hospital.organization_id, person_name="Quầy", name="till", roles=[Role.CASHIER]
    )
    await owner.close()
    proposed = await two.propose(settings={"tolerance_s": 60})

    answer = await two.decide(proposed, "approve", {"Authorization": f"Bearer {key}"})

    problem(answer, 403, "not_permitted")


async def test_database_applies_no_change_without_two_persons(two: Two) -> None:
    proposed = await two.propose(settings={"tolerance_s": 60})
    change_id = proposed.json()["id"]
    database = two.site.context.database

    async def as_service(statement: str, *values: object) -> None:
        async with database.transaction(two.site.hospital.organization_id) as tx:
            await tx.execute(statement, *values)

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await as_service("UPDATE provider_account SET settings = '{}'")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await as_service("UPDATE approval SET payload = '{}'")
    with pytest.raises(asyncpg.RestrictViolationError):
        await as_service("SELECT vienphi_apply_account_change($1, $1)", change_id)
    with pytest.raises(asyncpg.CheckViolationError):
        await as_service(
            "UPDATE approval SET state = 'approved', decided_by = proposed_by, decided_at = now() WHERE id = $1",
            change_id,
        )


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:1/query", "https://127.0.0.1/query", "https://[::ffff:a00:1]/", "https://u:p@bank.example/"],
)
async def test_address_of_a_private_network_is_not_proposed_unless_the_operator_allows_it(two: Two, url: str) -> None:
    refused = await two.propose(settings={"query_url": url})

    refusal = problem(refused, 422, "invalid_value")
    assert "query_url" in refusal["detail"]
    assert url not in refused.text


async def test_operator_allows_private_addresses_to_be_proposed_and_approved(two: Two) -> None:
    two.site.context.outgoing = AddressRules(allow_private=True, allow_http=True)
    proposed = await two.propose(settings={"query_url": "http://127.0.0.1:1/query"})

    two.site.context.outgoing = AddressRules()
    refused = await two.decide(proposed, "approve", two.other)
    two.site.context.outgoing = AddressRules(allow_private=True, allow_http=True)
    approved = await two.decide(proposed, "approve", two.other)

    assert (proposed.status_code, refused.status_code, approved.status_code) == (201, 422, 200)

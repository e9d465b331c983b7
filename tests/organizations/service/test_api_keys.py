"""Keys: two of a name at once and no third, one person behind them, roles that end with the person's."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from billing.core.actor import Role
from billing.core.errors import InvalidValue, NotFound
from billing.core.ids import OrganizationId
from billing.db.context import Ids
from billing.db.database import Database, DatabaseLimits
from billing.organizations.service.api_keys import NotAuthenticated, authenticate
from billing.organizations.service.setup import (
    AlreadySetUp,
    KeyNameTaken,
    NewBankAccount,
    NewOrganization,
    Setup,
    TwoKeysAlive,
)
from tests.conftest import DatabaseAddress
from tests.flow import PaymentFlow


@pytest.fixture
async def setup(flow: PaymentFlow, database: DatabaseAddress) -> AsyncIterator[Setup]:
    owner = await Database.open(database.owner_url, limits=DatabaseLimits(connections_max=2))

    def now() -> datetime:  # the clock: tests set it on
        return flow.context.clock()

    yield Setup(owner, now, Ids(now))
    await owner.close()


async def test_key_is_replaced_without_a_pause(flow: PaymentFlow, setup: Setup) -> None:
    organization_id = flow.hospital.organization_id
    old = await setup.add_key(organization_id, person_name="A", name="his")
    new = await setup.add_key(organization_id, person_name="A", name="his", roles=[Role.FINANCE])

    first, second = await authenticate(flow.context, old), await authenticate(flow.context, new)
    with pytest.raises(TwoKeysAlive):
        await setup.add_key(organization_id, person_name="A", name="his")
    assert first.actor.id is not None
    [kept] = [key for key in await setup.list_keys(organization_id) if key.id == first.actor.id]
    await setup.revoke_key(organization_id, kept.id)

    assert (first.name, first.actor.person) == (second.name, second.actor.person), "one program, one person"
    assert (first.roles, second.roles) == ({Role.CASHIER}, {Role.FINANCE})
    with pytest.raises(NotAuthenticated):
        await authenticate(flow.context, old)
    with pytest.raises(NotFound):
        await setup.revoke_key(organization_id, kept.id)
    assert (await authenticate(flow.context, new)).name == "his"
    await setup.add_key(organization_id, person_name="A", name="his")


async def test_expired_key_leaves_its_place(flow: PaymentFlow, setup: Setup) -> None:
    organization_id = flow.hospital.organization_id
    now = flow.context.clock()
    for _ in range(2):
        await setup.add_key(organization_id, person_name="A", name="his", expires_at=now + timedelta(minutes=1))

    flow.context.clock = lambda: now + timedelta(minutes=2)

    assert await setup.add_key(organization_id, person_name="A", name="his")


async def test_two_keys_added_at_once_never_make_three(flow: PaymentFlow, setup: Setup) -> None:
    organization_id = flow.hospital.organization_id
    await setup.add_key(organization_id, person_name="A", name="his")

    done = await asyncio.gather(
        *(setup.add_key(organization_id, person_name="A", name="his") for _ in range(4)), return_exceptions=True
    )

    assert sum(isinstance(one, str) for one in done) == 1
    assert all(isinstance(one, (str, TwoKeysAlive)) for one in done)


async def test_living_keys_of_a_name_act_for_one_person(flow: PaymentFlow, setup: Setup) -> None:
    organization_id = flow.hospital.organization_id
    await setup.add_key(organization_id, person_name="A", name="his")

    with pytest.raises(KeyNameTaken):
        await setup.add_key(organization_id, person_name="B", name="his")


async def test_role_taken_from_a_person_leaves_their_keys(
    flow: PaymentFlow, setup: Setup, database: DatabaseAddress
) -> None:
    organization_id = flow.hospital.organization_id
    key = await setup.add_key(organization_id, person_name="A", name="his", roles=[Role.CASHIER, Role.FINANCE])
    owner = await Database.open(database.owner_url)
    async with owner.transaction(organization_id) as tx:
        await tx.execute("UPDATE person SET roles = '{finance}' WHERE organization_id = 1 AND name = 'A'")
    await owner.close()

    assert (await authenticate(flow.context, key)).roles == {Role.FINANCE}


@pytest.mark.parametrize(("name", "roles"), [("Bệnh viện", [Role.CASHIER]), ("", [Role.CASHIER]), ("his", [])])
async def test_key_without_plain_name_or_role_is_refused(
    setup: Setup, flow: PaymentFlow, name: str, roles: list[Role]
) -> None:
    with pytest.raises(InvalidValue):
        await setup.add_key(flow.hospital.organization_id, person_name="A", name=name, roles=roles)


async def test_what_is_set_up_already_or_for_nobody_is_refused_by_name(flow: PaymentFlow, setup: Setup) -> None:
    hospital = NewOrganization(
        id=flow.hospital.organization_id,
        name="x",
        tax_code="1",
        facility_code="01001",
        facility_name="x",
        technical_level="basic",
    )
    bank = NewBankAccount(bank_bin="970422", account_number="1", holder="X")

    async def add_account(organization: int, name: str, bank_account: NewBankAccount) -> None:
        await setup.add_provider_account(
            OrganizationId(organization),
            name=name,
            provider="sandbox",
            bank_account=bank_account,
            settings={},
            secret_name="x",
        )

    with pytest.raises(AlreadySetUp):
        await setup.add_organization(hospital)
    with pytest.raises(NotFound):
        await add_account(77, "b", bank)
    with pytest.raises(NotFound):
        await setup.add_key(OrganizationId(77), person_name="A")
    with pytest.raises(InvalidValue):
        await add_account(1, "B!", bank)
    with pytest.raises(AlreadySetUp):
        await add_account(1, "b", replace(bank, account_number=flow.hospital.settings.account_number))

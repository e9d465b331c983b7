"""Accounts made ready: one that cannot be is refused alone and named; several of one provider and bank live on."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from billing.core.ids import OrganizationId
from billing.db.context import Ids, utc_now
from billing.db.database import Database, DatabaseLimits
from billing.organizations.service.context import AccountUnusable
from billing.organizations.service.provider_accounts import (
    CACHE_TTL,
    KNOWN_FOR,
    MISSES_PER_S,
    BuiltProvider,
    StoredProviderAccounts,
)
from billing.organizations.service.setup import AlreadySetUp, NewBankAccount, Setup
from billing.organizations.store.organizations import ProviderAccountRow
from tests.builders import ACCOUNT_NAME, BANK_BIN, add_demo_hospital, build_sandbox
from tests.conftest import DatabaseAddress
from tests.flow import PaymentFlow
from tests.worker.webhook_env import ManualClock


@dataclass(slots=True)
class Workshop:
    """Builds every account but those that are broken."""

    accounts: StoredProviderAccounts
    clock: ManualClock
    broken: set[str] = field(default_factory=set)


@pytest.fixture
def workshop(flow: PaymentFlow) -> Workshop:
    clock = ManualClock()

    def build(row: ProviderAccountRow) -> BuiltProvider:
        if row.name in made.broken:
            raise AccountUnusable("secret: missing")
        return build_sandbox(row)

    made = Workshop(StoredProviderAccounts(flow.context.database, build, clock), clock)
    return made


@pytest.fixture
async def setup(flow: PaymentFlow, database: DatabaseAddress) -> AsyncIterator[Setup]:
    owner = await Database.open(database.owner_url, limits=DatabaseLimits(connections_max=2))
    yield Setup(owner, utc_now, Ids(utc_now))
    await owner.close()


async def add_second(setup: Setup, flow: PaymentFlow, *, name: str = "second", holder: str = "BENH VIEN 1") -> None:
    settings = flow.hospital.settings
    await setup.add_provider_account(
        flow.hospital.organization_id,
        name=name,
        provider="sandbox",
        bank_account=NewBankAccount(bank_bin=BANK_BIN, account_number=settings.account_number, holder=holder),
        settings=settings.model_dump(mode="json", exclude={"secret"}, exclude_defaults=True),
        secret_name="sandbox",
    )


async def test_broken_account_is_refused_alone_and_named(flow: PaymentFlow, setup: Setup, workshop: Workshop) -> None:
    organization_id = flow.hospital.organization_id
    await add_second(setup, flow)
    workshop.broken = {"second"}

    named = await workshop.accounts.check_all()

    assert named == {"1/second": "secret: missing"}
    assert await workshop.accounts.find(organization_id, ACCOUNT_NAME) is not None
    with pytest.raises(AccountUnusable):
        await workshop.accounts.find(organization_id, "second")


async def test_account_that_was_put_right_is_found_without_a_restart(flow: PaymentFlow, workshop: Workshop) -> None:
    workshop.broken = {ACCOUNT_NAME}
    await workshop.accounts.check_all()
    workshop.broken = set()

    with pytest.raises(AccountUnusable):  # read just before
        await workshop.accounts.find(flow.hospital.organization_id, ACCOUNT_NAME)
    workshop.clock.now += CACHE_TTL + timedelta(seconds=1)

    assert await workshop.accounts.find(flow.hospital.organization_id, ACCOUNT_NAME) is not None
    assert workshop.accounts.unusable() == {}


async def test_second_contract_on_one_bank_account_is_a_channel_of_it(
    flow: PaymentFlow, setup: Setup, workshop: Workshop
) -> None:
    await add_second(setup, flow)

    first, second = [
        await workshop.accounts.find(flow.hospital.organization_id, name) for name in (ACCOUNT_NAME, "second")
    ]

    assert first is not None
    assert second is not None
    assert (first.channels, second.channels) == (2, 2)
    assert first.bank_account_id == second.bank_account_id
    with pytest.raises(AlreadySetUp):
        await add_second(setup, flow)


async def test_bank_account_under_another_holder_or_of_another_organization_is_refused(
    flow: PaymentFlow, setup: Setup, database: DatabaseAddress
) -> None:
    other = await add_demo_hospital(database.owner_url, organization=2, facility_code="01002")

    with pytest.raises(AlreadySetUp):
        await add_second(setup, flow, holder="SOMEBODY ELSE")
    with pytest.raises(AlreadySetUp):
        await setup.add_provider_account(
            other.organization_id,
            name="second",
            provider="sandbox",
            bank_account=NewBankAccount(
                bank_bin=BANK_BIN, account_number=flow.hospital.settings.account_number, holder="BENH VIEN 1"
            ),
            settings={},
            secret_name="x",
        )


async def test_unknown_names_cost_no_transaction_of_their_own(
    flow: PaymentFlow, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = 0
    transaction = Database.transaction

    def counted(self: Database, *arguments: Any, **options: Any) -> Any:
        nonlocal begun
        begun += 1
        return transaction(self, *arguments, **options)

    monkeypatch.setattr(Database, "transaction", counted)
    organization_id = flow.hospital.organization_id

    found = [await workshop.accounts.find_known(organization_id, f"unknown-{number}") for number in range(50)]
    found += [await workshop.accounts.find_known(OrganizationId(number), "unknown") for number in range(5, 55)]

    assert found == [None] * 100
    assert begun <= 1 + MISSES_PER_S, "the names of one organization were read again a few times, not for each miss"
    assert await workshop.accounts.find_known(organization_id, ACCOUNT_NAME) is not None


async def test_account_that_was_added_takes_its_first_callback_at_once(
    flow: PaymentFlow, setup: Setup, workshop: Workshop
) -> None:
    organization_id = flow.hospital.organization_id
    assert await workshop.accounts.find_known(organization_id, "second") is None
    await add_second(setup, flow)

    assert await workshop.accounts.find_known(organization_id, "second") is not None


async def test_account_that_was_added_during_a_flood_is_known_at_once(
    flow: PaymentFlow, setup: Setup, workshop: Workshop
) -> None:
    organization_id = flow.hospital.organization_id
    for number in range(2 * MISSES_PER_S):
        assert await workshop.accounts.find_known(organization_id, f"unknown-{number}") is None
    await add_second(setup, flow)
    workshop.clock.now += KNOWN_FOR

    assert await workshop.accounts.find_known(organization_id, "second") is not None

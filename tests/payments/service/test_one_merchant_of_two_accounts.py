"""Two accounts on one merchant of a provider: the second is refused, and a notice to both is booked once."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import asyncpg
import httpx
import pytest

from billing.core.ids import OrganizationId
from billing.db.context import Ids
from billing.db.database import Database, DatabaseLimits
from billing.organizations.service.context import ProviderAccount
from billing.organizations.service.setup import AlreadySetUp, NewBankAccount, NewOrganization, Setup
from providers.contract import Provider
from providers.stripe.adapter import Stripe
from providers.stripe.settings import StripeSettings
from tests.conftest import DatabaseAddress
from tests.flow import OWED, PaymentFlow, assert_books_are_right
from tests.payments.service.test_stripe_outflows import read
from tests.payments.service.test_strong_and_weak_names import deliver, owed, payments, second
from tests.providers import momo_samples, vnpay_samples
from tests.providers.stripe_samples import INTENT, SESSION

__all__ = ["second"]

HERE, OTHER = OrganizationId(1), OrganizationId(2)


def stripe(account: str) -> Provider:
    settings = {"secret_key": "sk_test_00000000", "endpoint_secret": "whsec_00000000", "account": account}
    return Stripe(StripeSettings.model_validate(settings), httpx.AsyncClient())


def pair(
    flow: PaymentFlow, other: ProviderAccount, one: Provider, two: Provider
) -> tuple[ProviderAccount, ProviderAccount]:
    """Accounts of different bank accounts, so that only the provider's id shows that it is one charge."""
    return (
        replace(flow.account, provider=one, bank_account_id=None, channels=1),
        replace(other, provider=two, bank_account_id=None, channels=1),
    )


@pytest.mark.parametrize("batched", [False, True])
@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
async def test_charge_of_one_stripe_account_is_booked_once(
    flow: PaymentFlow, second: ProviderAccount, batched: bool, order: list[int]
) -> None:
    started = await flow.start_intent()
    accounts = pair(flow, second, stripe(""), stripe("acct_1"))
    found: dict[str, Any] = {**SESSION, "amount_total": OWED, "client_reference_id": started.code}
    session = read(flow, "checkout.session.completed", found)
    found = {**INTENT, "amount": OWED, "amount_received": OWED, "metadata": {"invoice": started.code}}
    intent = read(flow, "payment_intent.succeeded", found)

    received = [(notice, accounts[place]) for place in order for notice in (session, intent)]
    await deliver(flow, *received, *received, batched=batched)

    assert await payments(flow) == [OWED]
    assert await owed(flow) == [0]
    await assert_books_are_right(flow.context.database)


@pytest.mark.parametrize(("code", "number"), [("FAKETMN1", 1), ("OTHERTMN", 2)])
async def test_vnpay_number_is_one_payment_inside_one_terminal(
    flow: PaymentFlow, second: ProviderAccount, code: str, number: int
) -> None:
    started = await flow.start_intent()
    accounts = pair(flow, second, vnpay_samples.terminal(), vnpay_samples.terminal(tmn_code=code))
    notice = flow.notice("14000001", started.code, payee=(("tmn_code", "FAKETMN1"),), bank_reference="")
    notice = replace(notice, movement_keys=frozenset({"transaction:14000001"}))
    other = replace(notice, payee=(("tmn_code", code),))

    await deliver(flow, (notice, accounts[0]), (other, accounts[1]))

    assert await payments(flow) == [OWED] * number


async def test_momo_number_is_one_payment_inside_one_partner(flow: PaymentFlow, second: ProviderAccount) -> None:
    accounts = pair(flow, second, momo_samples.account(), momo_samples.account())
    notice = replace(
        flow.notice("4000000001", "chuyen tien", payee=(("partner_code", "P"),), bank_reference=""),
        movement_keys=frozenset({"transaction:4000000001"}),
    )

    await deliver(flow, (notice, accounts[0]), (notice, accounts[1]))

    assert await payments(flow) == [OWED]


ONE_CONTRACT: dict[str, dict[str, Any]] = {
    "vnpay": {"tmn_code": "FAKETMN1"},
    "momo": {"partner_code": "PARTNER1"},
    "zalopay": {"app_id": 2553},
    "payos": {"client_id": "client-1"},
    "sepay_gateway": {"merchant_id": "SP-1"},
    "stripe": {"account": "acct_1"},
}
BANKS = [NewBankAccount(bank_bin="970436", account_number=f"777000{number}", holder="BENH VIEN") for number in range(6)]


@pytest.fixture
async def setup(flow: PaymentFlow, database: DatabaseAddress) -> AsyncIterator[Setup]:
    owner = await Database.open(database.owner_url, limits=DatabaseLimits(connections_max=4))
    made = Setup(owner, flow.context.clock, Ids(flow.context.clock))
    await made.add_organization(
        NewOrganization(
            id=OTHER, name="B", tax_code="0100000002", facility_code="79002", facility_name="B", technical_level="basic"
        )
    )
    yield made
    await owner.close()


async def add(setup: Setup, number: OrganizationId, name: str, provider: str, bank: int, **changes: Any) -> None:
    settings = {**ONE_CONTRACT[provider], **changes.pop("settings", {})}
    await setup.add_provider_account(
        number,
        name=name,
        provider=provider,
        bank_account=BANKS[bank],
        settings=settings,
        secret_name=changes.get("secret_name", name),
    )


@pytest.mark.parametrize("number", [HERE, OTHER], ids=["same-organization", "other-organization"])
@pytest.mark.parametrize("provider", ONE_CONTRACT)
async def test_second_account_of_one_contract_is_refused(setup: Setup, provider: str, number: OrganizationId) -> None:
    await add(setup, HERE, "first", provider, 0)

    with pytest.raises(AlreadySetUp, match="an account has this contract") as refused:
        await add(setup, number, "again", provider, 1)

    assert "first" not in str(refused.value)
    other = {name: 4711 if name == "app_id" else f"{value}X" for name, value in ONE_CONTRACT[provider].items()}
    await add(setup, number, "again", provider, 1, settings=other)


async def test_stripe_account_without_a_number_is_known_by_its_secret(setup: Setup) -> None:
    await add(setup, HERE, "stripe", "stripe", 0, settings={"account": ""})

    with pytest.raises(AlreadySetUp, match="an account has this contract"):
        await add(setup, OTHER, "stripe", "stripe", 1, settings={"account": ""})
    await add(setup, OTHER, "stripe", "stripe", 1, settings={"account": ""}, secret_name="stripe-of-two")


async def test_accounts_of_one_contract_added_at_once_leave_one(setup: Setup) -> None:
    done = await asyncio.gather(
        *(add(setup, [HERE, OTHER][place % 2], f"a{place}", "vnpay", place) for place in range(4)),
        return_exceptions=True,
    )

    assert [type(one) for one in done if one is not None] == [AlreadySetUp] * 3


async def test_change_to_the_contract_of_another_is_refused(
    flow: PaymentFlow, setup: Setup, database: DatabaseAddress
) -> None:
    """Also the database's own statement, and only where the contract changes."""
    await add(setup, OTHER, "theirs", "vnpay", 0)
    await add(setup, HERE, "ours", "vnpay", 1, settings={"tmn_code": "OURTMN01"})
    owner = await asyncpg.connect(database.owner_url)
    await owner.execute("SELECT set_config('vienphi.organization', '1', false)")
    change = "UPDATE provider_account SET settings = settings || $1::jsonb WHERE name = 'ours'"

    with pytest.raises(asyncpg.UniqueViolationError):
        await owner.execute(change, '{"tmn_code": "FAKETMN1"}')
    await owner.execute(change, '{"life_minutes": 20}')
    await owner.execute(change, '{"tmn_code": "OURTMN02"}')

    assert await owner.fetchval("SELECT current_setting('vienphi.organization')") == "1"
    await owner.close()

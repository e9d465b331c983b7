"""Two providers report one bank account: a transfer that both report at once is booked twice and held once.

Without a shared key only amount and time show that two notices may be one transfer. Each looks for the
other's payment, so the two must not look at once: the bank account's lock is what this is about. Source: docs/design.md
§5, Duplicates.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from random import Random
from typing import Any

import asyncpg
import pytest

from billing.core.ids import ProviderAccountId
from billing.db.database import Database
from billing.organizations.service.context import ProviderAccount
from billing.payments.service.context import PaymentContext
from billing.payments.service.intake import Intake, IntakeLimits
from providers.contract import Notice
from tests.builders import ACCOUNT_NAME, build_context
from tests.conftest import DatabaseAddress
from tests.flow import OWED, PaymentFlow, assert_books_are_right

SEEDS = range(10)

_SECOND_CONTRACT = """
    INSERT INTO provider_account (organization_id, id, name, provider, bank_account_id, settings, secret_name)
    SELECT organization_id, $1, 'second', provider, bank_account_id, settings, secret_name FROM provider_account
"""

_ITS_CLEARING_ACCOUNT = """
    INSERT INTO ledger_account (organization_id, id, role, subject, kind, normal_side)
    SELECT organization_id, $1, role, $2, kind, normal_side FROM ledger_account WHERE role = 'clearing'
"""


@dataclass(frozen=True, slots=True)
class Channel:
    """One provider's contract, served by a process of its own: a pool, a memory and an intake."""

    context: PaymentContext
    account: ProviderAccount


@pytest.fixture
async def channels(flow: PaymentFlow, database: DatabaseAddress) -> AsyncIterator[tuple[Channel, Channel]]:
    second_id = ProviderAccountId(flow.context.ids.new())
    owner = await asyncpg.connect(database.owner_url)
    await owner.execute("SELECT set_config('vienphi.organization', '1', false)")
    await owner.execute(_SECOND_CONTRACT, second_id)
    await owner.execute(_ITS_CLEARING_ACCOUNT, flow.context.ids.new(), str(second_id))
    await owner.close()
    pools = [await Database.open(database.app_url) for _ in range(2)]
    found = []
    for pool, name in zip(pools, (ACCOUNT_NAME, "second"), strict=True):
        context = build_context(pool)
        account = await context.accounts.find(flow.hospital.organization_id, name)
        assert account is not None
        assert account.channels == 2
        found.append(Channel(context, account))
    yield found[0], found[1]
    for pool in pools:
        await pool.close()


def notice_of(flow: PaymentFlow, name: str, text: str, *, amount: int) -> Notice:
    """A notice that names the money by its provider's transaction alone."""
    return flow.notice(name, text, amount=amount, movement_keys=frozenset({f"transaction:{name}"}), bank_reference="")


async def deliver_at_once(
    flow: PaymentFlow, chance: Random, channels: tuple[Channel, Channel], notices: tuple[list[Notice], list[Notice]]
) -> None:
    """Each channel's notices through an intake of its own, all begun at about the same time."""

    async def deliver(intake: Intake, channel: Channel, notice: Notice) -> None:
        await asyncio.sleep(chance.uniform(0, 0.004))
        await intake.submit(flow.delivery(notice, account=channel.account))

    limits = IntakeLimits(queues=1, batch_max=chance.choice([1, 2, 8]))
    async with Intake(channels[0].context, limits) as one, Intake(channels[1].context, limits) as other:
        jobs = [(one, channels[0], each) for each in notices[0]] + [(other, channels[1], each) for each in notices[1]]
        chance.shuffle(jobs)
        await asyncio.gather(*(deliver(*each) for each in jobs))


async def rows(flow: PaymentFlow, query: str) -> list[dict[str, Any]]:
    async with flow.context.database.transaction(flow.hospital.organization_id) as tx:
        return [dict(row) for row in await tx.fetch(query)]


_HOLDS = """
    SELECT held.amount, held.provider_account_id <> candidate.provider_account_id AS is_of_the_other,
        position.on_invoices, position.unallocated
    FROM payment_hold AS hold
    JOIN payment AS held ON held.id = hold.payment_id
    JOIN payment AS candidate ON candidate.id = hold.other_payment_id AND candidate.amount = held.amount
    JOIN payment_position AS position ON position.payment_id = hold.payment_id
    ORDER BY held.amount
"""


@pytest.mark.parametrize("coded", [(True, True), (True, False), (False, False)], ids=["both", "one", "neither"])
@pytest.mark.parametrize("seed", SEEDS)
async def test_one_transfer_reported_by_two_providers_at_once_is_held_once(
    flow: PaymentFlow, channels: tuple[Channel, Channel], seed: int, coded: tuple[bool, bool]
) -> None:
    chance = Random(seed)
    started = await flow.start_intent()
    texts = [started.code if has_code else "chuyen tien" for has_code in coded]

    first, second = (notice_of(flow, name, text, amount=OWED) for name, text in zip(("A1", "B1"), texts, strict=True))
    await deliver_at_once(flow, chance, channels, ([first], [second]))

    assert [row["amount"] for row in await rows(flow, "SELECT amount FROM payment")] == [OWED, OWED]
    assert await rows(flow, _HOLDS) == [
        {"amount": OWED, "is_of_the_other": True, "on_invoices": 0, "unallocated": OWED}
    ]
    cases = await rows(flow, "SELECT reason FROM exception_case WHERE reason = 'probable_duplicate'")
    assert len(cases) == 1
    assert (await flow.read(started.intent_id)).received == (OWED if any(coded) else 0)
    await assert_books_are_right(flow.context.database)


@pytest.mark.parametrize("seed", SEEDS)
async def test_many_transfers_reported_by_two_providers_at_once_are_each_held_once(
    flow: PaymentFlow, channels: tuple[Channel, Channel], seed: int
) -> None:
    """Some of equal amount, in batches of any size: as many are held as were reported twice."""
    chance = Random(seed)
    amounts = [chance.choice([10_000, 20_000, 30_000, 40_000]) for _ in range(8)]
    notices = tuple(
        [notice_of(flow, f"{letter}{number}", "chuyen tien", amount=amount) for number, amount in enumerate(amounts)]
        for letter in "AB"
    )

    await deliver_at_once(flow, chance, channels, (notices[0], notices[1]))

    held = await rows(flow, _HOLDS)
    assert [row["amount"] for row in held] == sorted(amounts)
    assert all(row["is_of_the_other"] for row in held)
    assert len(await rows(flow, "SELECT FROM payment")) == 16
    await assert_books_are_right(flow.context.database)


async def test_stopped_contract_still_tells_and_so_remains_a_channel(
    flow: PaymentFlow, channels: tuple[Channel, Channel], database: DatabaseAddress
) -> None:
    """It starts no payment, but money under its codes is booked: the same transfer may still be reported twice."""
    owner = await asyncpg.connect(database.owner_url)
    await owner.execute("SELECT set_config('vienphi.organization', '1', false)")
    await owner.execute("UPDATE provider_account SET is_active = false WHERE name = 'second'")
    await owner.close()
    fresh = build_context(channels[0].context.database)

    for name in (ACCOUNT_NAME, "second"):
        account = await fresh.accounts.find(flow.hospital.organization_id, name)
        assert account is not None
        assert account.channels == 2


async def test_equal_money_of_one_provider_alone_is_never_held(
    flow: PaymentFlow, channels: tuple[Channel, Channel]
) -> None:
    notices = [notice_of(flow, f"A{number}", "chuyen tien", amount=OWED) for number in range(6)]

    await deliver_at_once(flow, Random(1), channels, (notices, []))

    assert await rows(flow, _HOLDS) == []
    assert len(await rows(flow, "SELECT FROM payment")) == 6

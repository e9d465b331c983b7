"""With a synchronous standby: an answer that acknowledges is on the standby, also the answer to a repeated request.

Source: docs/design.md §5, point 6; docs/decisions/0006-idempotency-keys.md.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg
import pytest

from billing.core.errors import CommitUnknown, Unavailable
from billing.db.database import Database, DatabaseLimits
from billing.db.idempotency import IdempotentRequest, find_previous_result, save_result
from billing.db.migrator import migrate
from billing.payments.service.intake import Intake
from billing.payments.service.payment_events import Answer
from providers.contract import Notice, Verdict
from tests.builders import add_demo_hospital
from tests.db.standby import PairOfServers, pair_of_servers
from tests.flow import OWED, PaymentFlow, assert_books_are_right, open_flow

pytestmark = pytest.mark.own_server

_SHORT_S = 0.5


@dataclass(frozen=True, slots=True)
class Replicated:
    """The payment flow on a primary with its standby."""

    pair: PairOfServers
    flow: PaymentFlow
    intake: Intake

    def deliver(self, notice: Notice) -> "asyncio.Task[Answer]":
        return asyncio.create_task(self.intake.submit(self.flow.delivery(notice)))


@pytest.fixture
async def replicated() -> AsyncIterator[Replicated]:
    async with pair_of_servers() as pair:
        await migrate(pair.primary.owner_url)
        hospital = await add_demo_hospital(pair.primary.owner_url)
        database = await Database.open(pair.primary.app_url, limits=DatabaseLimits(connections_max=4))
        flow = await open_flow(database, hospital)
        async with Intake(flow.context) as intake:
            yield Replicated(pair, flow, intake)
        await database.close()


async def still_waits(task: "asyncio.Task[object]", pair: PairOfServers) -> bool:
    waiting = asyncio.create_task(pair.commits_wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    done, _ = await asyncio.wait({task}, timeout=_SHORT_S)
    return not done


async def test_delivery_and_its_repeats_are_acknowledged_only_when_the_standby_has_them(replicated: Replicated) -> None:
    flow, pair = replicated.flow, replicated.pair
    started = await flow.start_intent()
    with_code, without = flow.notice("T1", started.code), flow.notice("T2", "chuc mau khoe")
    await pair.stop_standby()

    for notice in (with_code, without):
        for _ in ("first", "again", "and again"):
            delivered = replicated.deliver(notice)
            assert await still_waits(delivered, pair)
            await pair.cancel_waits()
            with pytest.raises(Unavailable) as refused:
                await delivered
            assert isinstance(refused.value.__cause__, CommitUnknown)

    waiting = replicated.deliver(with_code)
    assert await still_waits(waiting, pair)
    await pair.start_standby()

    assert (await waiting).verdict is Verdict.DUPLICATE
    assert (await flow.read(started.intent_id)).received == OWED
    await assert_books_are_right(flow.context.database)


async def test_repeated_request_is_answered_only_when_the_standby_has_its_result(replicated: Replicated) -> None:
    flow, pair = replicated.flow, replicated.pair
    database, organization_id = flow.context.database, flow.hospital.organization_id

    async def answer() -> bool:
        request = IdempotentRequest(caller="desk", route="/collections", key="1", request_hash=bytes(32))
        async with database.transaction(organization_id) as tx:
            earlier = await find_previous_result(tx, request)
            if earlier is None:
                await save_result(tx, request, [flow.context.ids.new()], now=flow.context.clock())
        return earlier is not None

    await pair.stop_standby()
    for _ in ("first", "again"):
        answered = asyncio.create_task(answer())
        assert await still_waits(answered, pair)
        await pair.cancel_waits()
        with pytest.raises(CommitUnknown):
            await answered

    waiting = asyncio.create_task(answer())
    assert await still_waits(waiting, pair)
    await pair.start_standby()

    assert await waiting
    [on_standby] = await _fetch(pair, "SELECT count(*) AS keys FROM idempotency_key")
    assert on_standby["keys"] == 1


async def _fetch(pair: PairOfServers, query: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(pair.standby_url)
    try:
        return await connection.fetch(query)
    finally:
        await connection.close()

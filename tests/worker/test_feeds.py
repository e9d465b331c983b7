"""Feeds: a listed movement is booked once, also after a second reading, a callback or a crash."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from billing.core.errors import Unavailable
from billing.db.database import Database
from billing.ops.recovery import recover
from billing.organizations.service.provider_accounts import BuiltProvider
from billing.organizations.store.organizations import ProviderAccountRow
from billing.payments.service import feeds
from billing.payments.service.feeds import FeedBlocked, poll_feed
from providers.contract import Feeds, FeedUnavailable, Movement, Notice, Notices
from providers.sandbox.adapter import Sandbox
from tests.builders import ACCOUNT_NAME, add_demo_hospital, build_context, build_sandbox
from tests.conftest import DatabaseAddress
from tests.flow import OWED, PaymentFlow, assert_books_are_right
from tests.worker.webhook_env import ManualClock


@dataclass(slots=True)
class List:
    """A provider's list; a page is `page_size` movements, and the cursor counts those that were read."""

    movements: list[Notice] = field(default_factory=list)
    page_size: int = 2
    fault: Callable[[], Exception] | None = None
    read: list[str] = field(default_factory=list)

    def page(self, cursor: str) -> tuple[Notices, str]:
        self.read.append(cursor)
        if self.fault is not None:
            raise self.fault()
        start = int(cursor or "0")
        page = self.movements[start : start + self.page_size]
        return Notices(tuple(page), f"page from {start}".encode()), str(start + len(page)) if page else cursor


class ListingSandbox(Sandbox, Feeds):
    """The sandbox with a list."""

    feeds_per_minute = 6
    list: List

    async def read_since(self, cursor: str, *, now: datetime) -> tuple[Notices, str]:
        await asyncio.sleep(0)
        return self.list.page(cursor)


@dataclass(slots=True)
class FeedFlow:
    flow: PaymentFlow
    clock: ManualClock
    list: List

    async def feed(self) -> int:
        return await poll_feed(self.flow.context, self.flow.hospital.organization_id)

    async def rows(self, statement: str) -> list[dict[str, object]]:
        async with self.flow.context.database.transaction(self.flow.hospital.organization_id) as tx:
            return [dict(row) for row in await tx.fetch(statement)]

    async def cursor(self) -> object:
        return (await self.rows("SELECT cursor FROM feed_cursor"))[0]["cursor"]


@pytest.fixture
async def feed_flow(database: DatabaseAddress, app_database: Database) -> FeedFlow:
    clock, listed = ManualClock(), List()
    hospital = await add_demo_hospital(database.owner_url, clock=clock)

    def build(row: ProviderAccountRow) -> BuiltProvider:
        plain = build_sandbox(row).provider
        assert isinstance(plain, Sandbox)
        provider = ListingSandbox(plain._settings, plain._client)
        provider.list = listed
        return BuiltProvider(provider)

    context = build_context(app_database, clock=clock, build_provider=build)
    account = await context.accounts.find(hospital.organization_id, ACCOUNT_NAME)
    assert account is not None
    return FeedFlow(PaymentFlow(context, hospital, account), clock, listed)


async def test_listed_money_is_booked_page_by_page_with_its_evidence(feed_flow: FeedFlow) -> None:
    started = await feed_flow.flow.start_intent()
    notice = feed_flow.flow.notice
    feed_flow.list.movements = [
        notice("T1", started.code),
        notice("T2", "nothing", amount=7),
        notice("T3", "x", amount=8),
    ]

    assert await feed_flow.feed() == 3

    assert (await feed_flow.flow.read(started.intent_id)).state == "succeeded"
    assert feed_flow.list.read == ["", "2", "3"]
    assert await feed_flow.cursor() == "3"
    bodies = await feed_flow.rows("SELECT method, body FROM delivery_body ORDER BY id")
    assert [(row["method"], row["body"]) for row in bodies] == [("FEED", b"page from 0"), ("FEED", b"page from 2")]
    await assert_books_are_right(feed_flow.flow.context.database)


async def test_listed_and_called_back_is_booked_once(feed_flow: FeedFlow) -> None:
    started = await feed_flow.flow.start_intent()
    notice = feed_flow.flow.notice("T1", started.code)
    await feed_flow.flow.deliver(notice)
    feed_flow.list.movements = [notice]

    await feed_flow.feed()

    assert (await feed_flow.flow.read(started.intent_id)).received == OWED
    assert len(await feed_flow.rows("SELECT id FROM payment")) == 1
    assert await feed_flow.rows("SELECT id FROM exception_case") == []


async def test_crash_before_the_page_was_written_reads_it_again(
    feed_flow: FeedFlow, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = await feed_flow.flow.start_intent()
    feed_flow.list.movements = [feed_flow.flow.notice("T1", started.code)]

    async def crash(*_: object, **__: object) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as patch:
        patch.setattr(feeds, "move_feed", crash)
        with pytest.raises(asyncio.CancelledError):
            await feed_flow.feed()
    assert await feed_flow.rows("SELECT id FROM payment") == [], "page and place are one transaction"
    assert await feed_flow.feed() == 0, "still leased by the worker that crashed"
    feed_flow.clock.turn(minutes=4)

    assert await feed_flow.feed() == 1

    assert (await feed_flow.flow.read(started.intent_id)).received == OWED
    await assert_books_are_right(feed_flow.flow.context.database)


async def test_budget_of_a_minute_is_one_for_all_workers(feed_flow: FeedFlow) -> None:
    for _ in range(10):
        await asyncio.gather(*(feed_flow.feed() for _ in range(3)))

    assert len(feed_flow.list.read) == 6
    feed_flow.clock.turn(minutes=1)
    await feed_flow.feed()
    assert len(feed_flow.list.read) == 7


@pytest.mark.parametrize("fault", [FeedUnavailable, TimeoutError, KeyError])
async def test_list_that_cannot_be_read_keeps_its_place_and_is_left_alone_for_a_while(
    feed_flow: FeedFlow, fault: Callable[[], Exception]
) -> None:
    feed_flow.list.movements = [feed_flow.flow.notice("T1", "x")]
    feed_flow.list.fault = fault

    assert [await feed_flow.feed(), await feed_flow.feed()] == [0, 0]
    feed_flow.list.fault = None
    feed_flow.clock.turn(minutes=1)

    assert await feed_flow.feed() == 1
    assert feed_flow.list.read == ["", "", "1"]


async def test_notice_that_cannot_be_written_is_not_skipped_and_holds_up_only_what_comes_after(
    feed_flow: FeedFlow,
) -> None:
    started = await feed_flow.flow.start_intent()
    broken = feed_flow.flow.notice("T0", "x", amount=-1)
    feed_flow.list.movements = [broken, feed_flow.flow.notice("T1", started.code)]

    with pytest.raises(FeedBlocked):
        await feed_flow.feed()

    assert (await feed_flow.flow.read(started.intent_id)).state == "succeeded"
    assert await feed_flow.cursor() == ""
    feed_flow.list.movements[0] = feed_flow.flow.notice("T0", "x", amount=1)
    feed_flow.clock.turn(minutes=1)
    assert await feed_flow.feed() == 2
    assert await feed_flow.cursor() == "2"
    assert len(await feed_flow.rows("SELECT id FROM payment")) == 2
    await assert_books_are_right(feed_flow.flow.context.database)


async def test_money_that_came_and_left_in_one_page_is_booked_in_that_order(feed_flow: FeedFlow) -> None:
    started = await feed_flow.flow.start_intent()
    came = feed_flow.flow.notice("T1", started.code)
    left = feed_flow.flow.notice("T1", started.code, movement=Movement.REVERSED, status="REVERSED")
    feed_flow.list.movements = [left, came]

    assert await feed_flow.feed() == 2

    assert (await feed_flow.flow.read(started.intent_id)).received == 0
    assert await feed_flow.cursor() == "2"
    await assert_books_are_right(feed_flow.flow.context.database)


async def test_blocked_feed_is_handed_over_to_a_person_once(feed_flow: FeedFlow) -> None:
    feed_flow.list.movements = [feed_flow.flow.notice("T0", "x", amount=-1)]

    for _ in range(3):
        with pytest.raises(FeedBlocked):
            await feed_flow.feed()
        feed_flow.clock.turn(minutes=10)

    cases = await feed_flow.rows("SELECT reason, provider_account_id FROM exception_case")
    assert cases == [{"reason": "feed_blocked", "provider_account_id": feed_flow.flow.account.id}]


@pytest.mark.parametrize("where", ["read", "written"])
async def test_feed_that_fails_repeatedly_is_handed_over_to_a_person(
    feed_flow: FeedFlow, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    async def fail(*_: object) -> None:
        raise Unavailable("busy")

    feed_flow.list.movements = [feed_flow.flow.notice("T0", "x")]
    if where == "read":
        feed_flow.list.fault = lambda: FeedUnavailable("away")
    else:
        monkeypatch.setattr(feeds, "apply_deliveries", fail)
    opened = []
    for _ in range(14):
        with suppress(Unavailable):
            await feed_flow.feed()
        feed_flow.clock.turn(minutes=10)
        opened.append(len(await feed_flow.rows("SELECT id FROM exception_case WHERE reason = 'feed_blocked'")))

    assert opened == [0] * 11 + [1] * 3


async def test_recovery_reads_from_the_restored_cursor_and_books_what_is_missing(feed_flow: FeedFlow) -> None:
    """The restored state leases the feed to a worker that is gone, and its cursor is behind the list."""
    started = await feed_flow.flow.start_intent()
    notice = feed_flow.flow.notice
    feed_flow.list.movements = [notice("T1", "nothing", amount=7), notice("T2", "x", amount=8)]
    await feed_flow.feed()
    organization_id = feed_flow.flow.hospital.organization_id
    async with feed_flow.flow.context.database.transaction(organization_id) as tx:
        until = feed_flow.clock() + timedelta(minutes=3)
        await tx.execute("UPDATE feed_cursor SET cursor = '1', leased_until = $1, failures = 3", until)
    feed_flow.list.movements.append(notice("T3", started.code))
    feed_flow.clock.turn(minutes=1)

    recovery = await recover(feed_flow.flow.context, organization_id, since=feed_flow.clock())

    assert recovery.notices == 2
    assert (await feed_flow.flow.read(started.intent_id)).received == OWED
    assert len(await feed_flow.rows("SELECT id FROM payment")) == 3
    await assert_books_are_right(feed_flow.flow.context.database)

"""Notifications between processes: received in another process, few for many changes, and replaced when lost."""

import asyncio
from collections.abc import Collection

import asyncpg
import pytest

from billing.core.ids import OrganizationId
from billing.notifications.service import change_notifier
from billing.notifications.service.change_notifier import format_message, open_change_notifier, parse_message
from billing.notifications.store.notify_channel import CHANNEL
from tests.conftest import DatabaseAddress

Received = list[Collection[OrganizationId] | None]


async def wait_for(received: Received, wanted: object, *, within_s: float = 5.0) -> None:
    async with asyncio.timeout(within_s):
        while wanted not in received:
            await asyncio.sleep(0.01)


async def test_change_of_one_process_reaches_another(database: DatabaseAddress) -> None:
    received: Received = []
    async with open_change_notifier(database.app_url) as sender, open_change_notifier(database.app_url) as receiver:
        receiver.listen(received.append)
        await wait_for(received, None)

        sender.publish(OrganizationId(7))
        sender.publish(OrganizationId(3))

        await wait_for(received, {3, 7})


async def test_thousand_changes_are_few_messages(database: DatabaseAddress) -> None:
    received: Received = []
    connection = await asyncpg.connect(database.app_url)
    messages: list[str] = []
    await connection.add_listener(CHANNEL, lambda *arguments: messages.append(str(arguments[3])))
    async with open_change_notifier(database.app_url) as notifier:
        notifier.listen(received.append)
        await wait_for(received, None)

        for _ in range(100):
            for _ in range(10):
                notifier.publish(OrganizationId(1))
            await asyncio.sleep(0.005)
        await wait_for(received, {1})

    await connection.close()
    assert 1 <= len(messages) <= 25  # at least half a second of noting, a word every 50 ms at most
    assert set(messages) == {"1"}


@pytest.mark.own_server
async def test_lost_connection_is_opened_again_and_reports_that_changes_may_be_missed(
    database: DatabaseAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(change_notifier, "AGAIN_AFTER_S", 0.05)
    received: Received = []
    assert database.superuser_url is not None
    superuser = await asyncpg.connect(database.superuser_url)
    async with open_change_notifier(database.app_url) as notifier:
        notifier.listen(received.append)
        await wait_for(received, None)
        received.clear()

        await superuser.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'vienphi-notify'"
        )
        await superuser.close()

        await wait_for(received, None)
        notifier.publish(OrganizationId(5))
        await wait_for(received, {5})


async def test_server_that_is_away_fails_nobody() -> None:
    async with open_change_notifier("postgresql://nobody@/nothing?host=/nonexistent") as notifier:
        notifier.publish(OrganizationId(1))
        await asyncio.sleep(0.05)


def test_message_names_the_organizations_or_stands_for_all() -> None:
    many = {OrganizationId(number) for number in range(100_000_000, 100_001_000)}

    assert format_message({OrganizationId(12), OrganizationId(3)}) == "3,12"
    assert parse_message("3,12") == {3, 12}
    assert format_message(many) == ""
    for foreign in ("", "x", "1,", "1;2", "-1", "１"):
        assert parse_message(foreign) is None

"""Hints between processes: heard elsewhere, few however much is noted, and made up for when lost."""

import asyncio
from collections.abc import Collection

import asyncpg
import pytest

from billing.core.ids import OrganizationId
from billing.notifications.service import change_notifier as hinting
from billing.notifications.service.change_notifier import open_change_notifier, read_hint, write_hint
from billing.notifications.store.notify_channel import CHANNEL
from tests.conftest import DatabaseAddress

Heard = list[Collection[OrganizationId] | None]


async def wait_for(heard: Heard, wanted: object, *, within_s: float = 5.0) -> None:
    async with asyncio.timeout(within_s):
        while wanted not in heard:
            await asyncio.sleep(0.01)


async def test_what_one_process_notes_another_hears(database: DatabaseAddress) -> None:
    heard: Heard = []
    async with open_change_notifier(database.app_url) as speaking, open_change_notifier(database.app_url) as listening:
        listening.listen(heard.append)
        await wait_for(heard, None)

        speaking.note(OrganizationId(7))
        speaking.note(OrganizationId(3))

        await wait_for(heard, {3, 7})


async def test_thousand_notes_are_few_words(database: DatabaseAddress) -> None:
    heard: Heard = []
    connection = await asyncpg.connect(database.app_url)
    words: list[str] = []
    await connection.add_listener(CHANNEL, lambda *told: words.append(str(told[3])))
    async with open_change_notifier(database.app_url) as hints:
        hints.listen(heard.append)
        await wait_for(heard, None)

        for _ in range(100):
            for _ in range(10):
                hints.note(OrganizationId(1))
            await asyncio.sleep(0.005)
        await wait_for(heard, {1})

    await connection.close()
    assert 1 <= len(words) <= 25  # at least half a second of noting, a word every 50 ms at most
    assert set(words) == {"1"}


@pytest.mark.own_server
async def test_lost_line_is_opened_again_and_says_that_something_may_be_missed(
    database: DatabaseAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hinting, "AGAIN_AFTER_S", 0.05)
    heard: Heard = []
    assert database.superuser_url is not None
    superuser = await asyncpg.connect(database.superuser_url)
    async with open_change_notifier(database.app_url) as hints:
        hints.listen(heard.append)
        await wait_for(heard, None)
        heard.clear()

        await superuser.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'vienphi-hints'"
        )
        await superuser.close()

        await wait_for(heard, None)
        hints.note(OrganizationId(5))
        await wait_for(heard, {5})


async def test_server_that_is_away_fails_nobody() -> None:
    async with open_change_notifier("postgresql://nobody@/nothing?host=/nonexistent") as hints:
        hints.note(OrganizationId(1))
        await asyncio.sleep(0.05)


def test_word_names_the_organizations_or_anybody() -> None:
    many = {OrganizationId(number) for number in range(100_000_000, 100_001_000)}

    assert write_hint({OrganizationId(12), OrganizationId(3)}) == "3,12"
    assert read_hint("3,12") == {3, 12}
    assert write_hint(many) == ""
    for foreign in ("", "x", "1,", "1;2", "-1", "１"):
        assert read_hint(foreign) is None

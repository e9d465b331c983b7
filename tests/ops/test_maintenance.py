"""Partitions are made again after a failure."""

import asyncio
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from billing.db.database import Database
from billing.ops import maintenance
from billing.ops.maintenance import maintain
from tests.conftest import DatabaseAddress


async def test_failure_is_logged_and_partitions_are_tried_again(
    database: DatabaseAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintenance, "AFTER_FAILURE", timedelta(0))
    closed = await Database.open(database.app_url)
    await closed.close()

    with capture_logs() as logs:
        running = asyncio.create_task(maintain(closed))
        while len(logs) < 2:
            await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    assert {entry["event"] for entry in logs} == {"partitions_not_made"}

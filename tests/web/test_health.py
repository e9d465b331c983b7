"""Health and readiness of the process, with the details of failing parts."""

import asyncio
import shutil
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from billing.core.errors import InvalidValue
from billing.core.ids import DeliveryId
from billing.db import background
from billing.db.database import Database, Transaction
from billing.db.migrator import DatabaseAhead, migrate, migrations_directory, pending, read_migrations
from billing.payments.service import intake
from billing.payments.service.apply_notices import apply_deliveries
from billing.payments.service.context import PaymentContext
from billing.payments.service.payment_events import Answer, Delivery
from providers.sandbox.bank_simulator import Behaviour
from tests.builders import DemoHospital
from tests.flow import apply_in_batches
from tests.web.site import Site

READY = {
    "status": "ready",
    "database": "ok",
    "schema": "ok",
    "partitions": "ok",
    "tasks": "ok",
    "accounts": "ok",
}
NO_DETAILS: dict[str, object] = {
    "cells": {},
    "missing_partitions": [],
    "tasks_down": [],
    "task_restarts": {},
    "throttled_accounts": [],
    "circuit_open_accounts": [],
    "unusable_accounts": {},
}


async def test_healthy_and_ready(site: Site) -> None:
    alive, ready = await site.anonymous_client.get("/healthz"), await site.anonymous_client.get("/readyz")
    known = await site.client.get("/readyz")

    assert (alive.status_code, alive.json()) == (200, {"status": "ok"})
    assert (ready.status_code, ready.json()) == (200, {**READY, "details": None})
    assert (known.status_code, known.json()) == (200, {**READY, "details": NO_DETAILS})


async def test_details_need_a_key_that_is_valid(site: Site) -> None:
    refused = await site.anonymous_client.get("/readyz", headers={"Authorization": f"Bearer vp_1_{'0' * 43}"})

    assert refused.status_code == 401


async def test_not_ready_without_a_partition_of_this_month(site: Site) -> None:
    month = datetime.now(UTC).strftime("%Y%m")
    await site.as_owner(f"ALTER TABLE outbox DETACH PARTITION outbox_{month}")

    anonymous_client, known = await site.anonymous_client.get("/readyz"), await site.client.get("/readyz")

    assert (
        anonymous_client.status_code,
        anonymous_client.json()["partitions"],
        anonymous_client.json()["details"],
    ) == (503, "missing", None)
    assert known.json()["details"]["missing_partitions"] == ["outbox"]


async def test_partition_of_next_month_that_is_missing_is_reported_in_time(site: Site) -> None:
    following = datetime.now(UTC).replace(day=1) + timedelta(days=32)
    await site.as_owner(f"ALTER TABLE audit DETACH PARTITION audit_{following:%Y%m}")
    site.context.clock = lambda: following.replace(day=1) - timedelta(days=1)

    answer = await site.anonymous_client.get("/readyz")

    assert (answer.status_code, answer.json()["partitions"]) == (200, "ending")


async def test_not_ready_while_a_task_is_down_and_ready_once_it_runs_again(site: Site) -> None:
    started = asyncio.Event()

    async def work() -> None:
        if not started.is_set():
            started.set()
            raise RuntimeError("hidden")
        await asyncio.sleep(3600)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(background, "PAUSE_S", 3600.0)
        task = site.context.background.start("seal", work)
    await started.wait()
    await asyncio.sleep(0)
    down, known = await site.anonymous_client.get("/readyz"), await site.client.get("/readyz")
    task._start()
    await asyncio.sleep(0)
    again = await site.client.get("/readyz")
    await task.stop()

    assert (down.status_code, down.json()["tasks"], down.json()["details"]) == (503, "down", None)
    assert known.json()["details"]["tasks_down"] == ["seal"]
    assert (again.status_code, again.json()["details"]["task_restarts"]) == (200, {"seal": 1})


@pytest.mark.parametrize(("stated", "status", "schema"), [(True, 200, "ok"), (False, 503, "database_ahead")])
async def test_replica_one_migration_behind_is_ready_where_the_schema_is_compatible(
    site: Site, tmp_path: Path, stated: bool, status: int, schema: str
) -> None:
    """A later version adds a column and states that this version works on the schema after that too."""
    for path in migrations_directory().glob("*.sql"):
        shutil.copy(path, tmp_path)
    newest = len(read_migrations(migrations_directory()))
    line = f"-- compatible-from: {newest:04d}\n" if stated else ""
    (tmp_path / f"{newest + 1:04d}_later.sql").write_text(f"{line}ALTER TABLE desk ADD COLUMN later text;\n")
    await migrate(site.database.owner_url, directory=tmp_path)

    answer = await site.anonymous_client.get("/readyz")
    intent = await site.open_intent()
    paid = await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.EXACT)

    assert (answer.status_code, answer.json()["schema"]) == (status, schema)
    assert [each.status for each in paid] == [200]
    if stated:
        assert await pending(site.database.app_url) == []
    else:
        with pytest.raises(DatabaseAhead):
            await pending(site.database.app_url)


async def test_not_ready_behind_the_schema_of_our_code(site: Site) -> None:
    newest = "(SELECT max(number) FROM schema_migration)"
    await site.as_owner(f"DELETE FROM schema_migration WHERE number = {newest}")

    answer = await site.anonymous_client.get("/readyz")

    assert (answer.status_code, answer.json()["schema"]) == (503, "behind")


async def test_not_ready_ahead_of_the_schema_of_our_code(site: Site) -> None:
    await site.as_owner("INSERT INTO schema_migration (number, name, checksum) VALUES (9999, '9999_later.sql', 'x')")

    answer = await site.anonymous_client.get("/readyz")

    assert (answer.status_code, answer.json()["schema"]) == (503, "database_ahead")


async def test_stopped_account_is_named_and_the_others_go_on(
    site: Site, other_organization: DemoHospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every delivery of one account fails: five become dead letters, then the account is throttled."""

    async def stumble(
        tx: Transaction, deliveries: Sequence[Delivery], context: PaymentContext
    ) -> dict[DeliveryId, Answer]:
        if any(delivery.account.id == site.hospital.account_id for delivery in deliveries):
            raise InvalidValue("what no rule foresaw")
        return await apply_deliveries(tx, deliveries, context)

    intent = await site.open_intent()
    apply_in_batches(monkeypatch, stumble)
    for _ in range(intake.DEAD_LETTERS_PER_MINUTE_MAX):
        await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.EXACT)
    theirs = {
        "account_number": other_organization.settings.account_number,
        "merchant_id": other_organization.settings.merchant_id,
    }
    transfer = site.bank().transfer(intent["instruction"]["qr_payload"])

    refused = await site.bank().deliver(transfer)
    taken = await site.bank(other_organization.settings, other_organization).deliver(transfer.model_copy(update=theirs))
    anonymous, ready = await site.anonymous_client.get("/readyz"), await site.client.get("/readyz")
    other = await site.anonymous_client.get("/readyz", headers=other_organization.authorization)

    assert (refused.status, taken.status) == (503, 200)
    assert (ready.status_code, ready.json()["accounts"]) == (200, "degraded")
    assert ready.json()["details"]["throttled_accounts"] == [str(site.hospital.account_id)]
    assert (anonymous.json()["accounts"], anonymous.json()["details"]) == ("degraded", None)
    assert other.json()["details"]["throttled_accounts"] == []


async def test_not_ready_without_database_but_alive(site: Site, app_database: Database) -> None:
    await app_database.close()

    alive, ready = await site.anonymous_client.get("/healthz"), await site.anonymous_client.get("/readyz")

    assert alive.status_code == 200
    assert (ready.status_code, ready.json()["database"]) == (503, "database_unavailable")


async def test_unresponsive_database_is_reported_within_seconds(site: Site) -> None:
    owner = await asyncpg.connect(site.database.owner_url)
    try:
        async with owner.transaction():
            await owner.execute("LOCK TABLE schema_migration IN ACCESS EXCLUSIVE MODE")
            started = time.monotonic()
            answers = [await site.anonymous_client.get("/readyz") for _ in range(2)]
            elapsed_s = time.monotonic() - started
    finally:
        await owner.close()

    assert [answer.status_code for answer in answers] == [503, 503]
    assert "no answer" in answers[0].json()["database"]
    assert elapsed_s < 4
    assert (await site.anonymous_client.get("/readyz")).status_code == 200

"""Health and readiness: one says that we live, the other whether we can work, and what is in the way."""

import time
from collections.abc import Sequence

import asyncpg
import pytest

from billing.domain.errors import InvalidValue
from billing.domain.ids import DeliveryId
from billing.services import intake
from billing.services.context import Context
from billing.services.steps.notices import Answer, Delivery, apply_deliveries
from billing.storage.database import Database, Transaction
from providers.sandbox.bank import Behaviour
from tests.builders import DemoHospital
from tests.web.site import Site


async def test_healthy_and_ready(site: Site) -> None:
    alive, ready = await site.stranger.get("/healthz"), await site.stranger.get("/readyz")

    assert (alive.status_code, alive.json()) == (200, {"status": "ok"})
    assert (ready.status_code, ready.json()) == (
        200,
        {
            "status": "ready",
            "database": "ok",
            "schema": "ok",
            "tasks": "ok",
            "stopped_accounts": [],
            "silent_accounts": [],
            "unusable_accounts": {},
        },
    )


async def test_not_ready_behind_the_schema_of_our_code(site: Site) -> None:
    newest = "(SELECT max(number) FROM schema_migration)"
    await site.as_owner(f"DELETE FROM schema_migration WHERE number = {newest}")

    answer = await site.stranger.get("/readyz")

    assert (answer.status_code, answer.json()["schema"]) == (503, "behind")


async def test_not_ready_ahead_of_the_schema_of_our_code(site: Site) -> None:
    await site.as_owner("INSERT INTO schema_migration (number, name, checksum) VALUES (9999, '9999_later.sql', 'x')")

    answer = await site.stranger.get("/readyz")

    assert (answer.status_code, answer.json()["schema"]) == (503, "database_ahead")


async def test_stopped_account_is_named_and_the_others_go_on(
    site: Site, neighbour: DemoHospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What no rule foresaw befalls every delivery of one account: five are kept, then it is told to try later."""

    async def stumble(tx: Transaction, deliveries: Sequence[Delivery], context: Context) -> dict[DeliveryId, Answer]:
        if any(delivery.account.id == site.hospital.account_id for delivery in deliveries):
            raise InvalidValue("what no rule foresaw")
        return await apply_deliveries(tx, deliveries, context)

    intent = await site.open_intent()
    monkeypatch.setattr(intake, "apply_deliveries", stumble)
    for _ in range(intake.DEAD_LETTERS_PER_MINUTE_MAX):
        await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.EXACT)
    theirs = {
        "account_number": neighbour.settings.account_number,
        "merchant_id": neighbour.settings.merchant_id,
    }
    told = site.bank().transfer(intent["instruction"]["qr_payload"])

    refused = await site.bank().deliver(told)
    taken = await site.bank(neighbour.settings, neighbour).deliver(told.model_copy(update=theirs))
    ready = await site.stranger.get("/readyz")

    assert (refused.status, taken.status) == (503, 200)
    assert (ready.status_code, ready.json()["stopped_accounts"]) == (200, [str(site.hospital.account_id)])


async def test_not_ready_without_database_but_alive(site: Site, app_database: Database) -> None:
    await app_database.close()

    alive, ready = await site.stranger.get("/healthz"), await site.stranger.get("/readyz")

    assert alive.status_code == 200
    assert (ready.status_code, ready.json()["database"]) == (503, "database_unavailable")


async def test_database_that_does_not_answer_is_told_within_seconds(site: Site) -> None:
    owner = await asyncpg.connect(site.database.owner_url)
    try:
        async with owner.transaction():
            await owner.execute("LOCK TABLE schema_migration IN ACCESS EXCLUSIVE MODE")
            started = time.monotonic()
            answers = [await site.stranger.get("/readyz") for _ in range(2)]
            elapsed_s = time.monotonic() - started
    finally:
        await owner.close()

    assert [answer.status_code for answer in answers] == [503, 503]
    assert "no answer" in answers[0].json()["database"]
    assert elapsed_s < 4
    assert (await site.stranger.get("/readyz")).status_code == 200

"""From the outbox to a receiver: signed, at least once, never skipped, not delayed by another receiver that hangs."""

import asyncio
import base64
import hashlib
import hmac
import json
from datetime import timedelta

import pytest

from billing.core.errors import NotFound
from billing.notifications.service.webhooks import (
    dispatch_once,
    enqueue_once,
    list_dead,
    purge_once,
    redeliver,
    resume_endpoint,
)
from billing.notifications.store.outbox import OutboxRestored
from billing.worker.sender import SenderLimits
from tests.worker.receiver import Receiver, receiving
from tests.worker.webhook_env import SECRET, WebhookEnvironment


async def test_message_reaches_its_endpoint_once_signed_and_with_the_version(webhook_env: WebhookEnvironment) -> None:
    async with receiving(Receiver(status=204)) as receiver:
        await webhook_env.endpoint(receiver.url)
        message_id = await webhook_env.message(invoice_id="i1", version=3)

        assert (await webhook_env.send_due(), await webhook_env.send_due()) == (1, 0)

    ((headers, body),) = receiver.taken
    assert headers["webhook-id"] == str(message_id)
    assert abs(int(headers["webhook-timestamp"]) - webhook_env.clock.now.timestamp()) < 1
    signed = f"{message_id}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.digest(base64.b64decode(SECRET[6:]), signed, hashlib.sha256)).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert json.loads(body)["data"] == {"invoice_id": "i1", "version": 3}
    (row,) = await webhook_env.rows()
    assert (row["state"], row["attempts"], row["last_status"]) == ("delivered", 1, 204)


async def test_endpoint_receives_its_topics_only_and_nothing_from_before_it_was_opened(
    webhook_env: WebhookEnvironment,
) -> None:
    await webhook_env.message("payment.received")
    await enqueue_once(webhook_env.context, webhook_env.organization_id)
    async with receiving(Receiver()) as all_of_it, receiving(Receiver()) as invoices:
        await webhook_env.endpoint(all_of_it.url)
        await webhook_env.endpoint(invoices.url, topics=("invoice.updated",))
        await webhook_env.message("payment.received")
        await webhook_env.message("invoice.updated")
        await webhook_env.send_due()

    assert [json.loads(body)["type"] for _, body in invoices.taken] == ["invoice.updated"]
    assert sorted(json.loads(body)["type"] for _, body in all_of_it.taken) == ["invoice.updated", "payment.received"]


async def test_message_of_a_transaction_that_commits_late_is_not_passed_over(webhook_env: WebhookEnvironment) -> None:
    async with receiving(Receiver()) as receiver:
        await webhook_env.endpoint(receiver.url)
        async with webhook_env.context.database.transaction(webhook_env.organization_id) as slow:
            await slow.execute(
                "INSERT INTO outbox (organization_id, id, topic, payload) VALUES ($1, $2, 'late', '{}')",
                webhook_env.organization_id,
                webhook_env.context.ids.new(),
            )
            await webhook_env.message("early")
            sent_before = await webhook_env.send_due()
        sent_after = await webhook_env.send_due()

    assert (sent_before, sent_after) == (0, 2)
    assert sorted(json.loads(body)["type"] for _, body in receiver.taken) == ["early", "late"]


async def test_failed_message_is_tried_again_with_the_same_id_and_bytes_then_is_dead_and_visible(
    webhook_env: WebhookEnvironment,
) -> None:
    async with receiving(Receiver(status=500)) as receiver:
        await webhook_env.endpoint(receiver.url)
        message_id = await webhook_env.message(version=1)
        await webhook_env.send_due()
        assert await webhook_env.send_due() == 0, "not before its time"
        for _ in range(20):
            webhook_env.clock.turn(hours=23)
            await webhook_env.send_due()

    assert len(receiver.taken) == 10
    assert len({(headers["webhook-id"], body) for headers, body in receiver.taken}) == 1
    assert len({headers["webhook-timestamp"] for headers, _ in receiver.taken}) == 10
    (dead,) = await list_dead(webhook_env.context, webhook_env.organization_id)
    assert (dead.message_id, dead.attempts, dead.last_status) == (message_id, 10, 500)


async def test_dead_message_is_delivered_again_by_hand(webhook_env: WebhookEnvironment) -> None:
    async with receiving(Receiver(status=410)) as receiver:
        endpoint_id = await webhook_env.endpoint(receiver.url)
        message_id = await webhook_env.message(version=1)
        await webhook_env.send_due()
        assert len(await list_dead(webhook_env.context, webhook_env.organization_id)) == 1

        receiver.status = 200
        assert await redeliver(webhook_env.context, webhook_env.organization_id, message_id) == 1
        assert await webhook_env.send_due() == 0, "410 stopped the endpoint"
        await resume_endpoint(webhook_env.context, webhook_env.organization_id, endpoint_id)
        assert await webhook_env.send_due() == 1

    assert [headers["webhook-id"] for headers, _ in receiver.taken] == [str(message_id)] * 2
    assert await list_dead(webhook_env.context, webhook_env.organization_id) == []


async def test_endpoint_that_answers_gone_receives_no_waiting_message(
    webhook_env: WebhookEnvironment,
) -> None:
    async with receiving(Receiver(status=410)) as receiver:
        await webhook_env.endpoint(receiver.url)
        for version in range(20):
            await webhook_env.message(version=version)
        await enqueue_once(webhook_env.context, webhook_env.organization_id)
        (endpoint,) = await webhook_env.due()
        for _ in range(3):
            await dispatch_once(webhook_env.context, webhook_env.organization_id, endpoint, webhook_env.dispatch())

    assert len(receiver.taken) == webhook_env.dispatch().at_once
    assert len(await list_dead(webhook_env.context, webhook_env.organization_id)) == webhook_env.dispatch().at_once


async def test_message_that_is_unknown_or_still_waits_is_not_requeued(webhook_env: WebhookEnvironment) -> None:
    unknown = webhook_env.context.ids.new()
    async with receiving(Receiver(status=500)) as receiver:
        await webhook_env.endpoint(receiver.url)
        waiting = await webhook_env.message()
        await webhook_env.send_due()

    for message_id in (unknown, waiting):
        with pytest.raises(NotFound):
            await redeliver(webhook_env.context, webhook_env.organization_id, message_id)


async def test_endpoint_on_loopback_is_refused_by_default_and_the_attempt_records_it(
    webhook_env: WebhookEnvironment,
) -> None:
    webhook_env.limits = SenderLimits(allow_http=True)
    async with receiving(Receiver()) as receiver:
        await webhook_env.endpoint(receiver.url)
        await webhook_env.message()
        await webhook_env.send_due()

    (row,) = await webhook_env.rows()
    assert receiver.taken == []
    assert (row["state"], row["last_problem"], row["last_status"]) == ("waiting", "webhook_address_refused", None)


async def test_two_workers_share_the_messages_and_send_each_once(webhook_env: WebhookEnvironment) -> None:
    async with receiving(Receiver()) as receiver:
        await webhook_env.endpoint(receiver.url)
        sent = {str(await webhook_env.message(version=version)) for version in range(20)}
        await asyncio.gather(*(enqueue_once(webhook_env.context, webhook_env.organization_id) for _ in range(2)))
        (endpoint,) = await webhook_env.due()
        for _ in range(3):
            await asyncio.gather(
                *(
                    dispatch_once(webhook_env.context, webhook_env.organization_id, endpoint, webhook_env.dispatch())
                    for _ in range(2)
                )
            )

    assert sorted(headers["webhook-id"] for headers, _ in receiver.taken) == sorted(sent)


async def test_message_of_a_worker_that_died_while_sending_is_due_again(webhook_env: WebhookEnvironment) -> None:
    async with receiving(Receiver(hang=True)) as receiver:
        await webhook_env.endpoint(receiver.url)
        await webhook_env.message()
        dying = asyncio.create_task(webhook_env.send_due())
        await receiver.arrived.wait()
        dying.cancel()
        with pytest.raises(asyncio.CancelledError):
            await dying
        receiver.hang = False

        assert await webhook_env.send_due() == 0, "leased by the worker that died"
        webhook_env.clock.turn(minutes=3)
        assert await webhook_env.send_due() == 1

    assert len({headers["webhook-id"] for headers, _ in receiver.taken}) == 1
    (row,) = await webhook_env.rows()
    assert (row["state"], row["attempts"]) == ("delivered", 1)


async def test_result_of_a_lease_that_expired_changes_nothing(webhook_env: WebhookEnvironment) -> None:
    """A delivery that took longer than its lease was leased again; the late result must not change the other's."""
    async with receiving(Receiver(status=500)) as receiver:
        await webhook_env.endpoint(receiver.url)
        await webhook_env.message()
        await enqueue_once(webhook_env.context, webhook_env.organization_id)
        (endpoint,) = await webhook_env.due()
        sender = webhook_env.dispatch().send

        async def overtaken(url: str, body: bytes, headers: object) -> object:
            webhook_env.clock.turn(minutes=3)
            receiver.status = 200
            await dispatch_once(webhook_env.context, webhook_env.organization_id, endpoint, webhook_env.dispatch())
            receiver.status = 500
            return await sender(url, body, headers)  # type: ignore[arg-type]

        await dispatch_once(
            webhook_env.context, webhook_env.organization_id, endpoint, webhook_env.dispatch(send=overtaken)
        )

    (row,) = await webhook_env.rows()
    assert (row["state"], row["attempts"]) == ("delivered", 1)


async def test_secret_that_is_missing_is_an_attempt_that_failed_and_nothing_is_sent_unsigned(
    webhook_env: WebhookEnvironment,
) -> None:
    def no_secret(name: str) -> str:
        raise NotFound("no such secret")

    async with receiving(Receiver()) as receiver:
        await webhook_env.endpoint(receiver.url)
        await webhook_env.message()
        await webhook_env.send_due(secret_of=no_secret)

    (row,) = await webhook_env.rows()
    assert receiver.taken == []
    assert (row["state"], row["last_problem"]) == ("waiting", "not_found")
    assert row["due_at"] - webhook_env.clock.now >= timedelta(seconds=5)


async def test_cursor_beyond_the_server_reports_that_the_database_was_restored(webhook_env: WebhookEnvironment) -> None:
    async with webhook_env.context.database.transaction(webhook_env.organization_id) as tx:
        await tx.execute(
            "INSERT INTO webhook_cursor (organization_id, transaction_id, message_id) VALUES ($1, $2, $3)",
            webhook_env.organization_id,
            2**40,
            webhook_env.context.ids.new(),
        )

    with pytest.raises(OutboxRestored):
        await enqueue_once(webhook_env.context, webhook_env.organization_id)


async def test_delivered_message_is_purged_after_thirty_days_and_a_dead_one_never(
    webhook_env: WebhookEnvironment,
) -> None:
    async with receiving(Receiver()) as receiver, receiving(Receiver(status=410)) as gone:
        await webhook_env.endpoint(receiver.url)
        await webhook_env.endpoint(gone.url)
        await webhook_env.message()
        await webhook_env.send_due()
    webhook_env.clock.turn(days=29)
    early = await purge_once(webhook_env.context, webhook_env.organization_id)
    webhook_env.clock.turn(days=2)

    assert (early, await purge_once(webhook_env.context, webhook_env.organization_id)) == (0, 1)
    assert [row["state"] for row in await webhook_env.rows()] == ["dead"]

"""From the outbox to a receiver: signed, at least once, never skipped, and nobody waits for one who hangs."""

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
    forget_once,
    hand_out_once,
    list_dead,
    redeliver,
    resume_endpoint,
)
from billing.notifications.store.outbox import OutboxRestored
from billing.worker.sender import SenderLimits
from tests.worker.receiver import Receiver, receiving
from tests.worker.telling import SECRET, Telling


async def test_message_reaches_its_endpoint_once_signed_and_with_the_version(telling: Telling) -> None:
    async with receiving(Receiver(status=204)) as receiver:
        await telling.endpoint(receiver.url)
        message_id = await telling.message(invoice_id="i1", version=3)

        assert (await telling.tell(), await telling.tell()) == (1, 0)

    ((headers, body),) = receiver.taken
    assert headers["webhook-id"] == str(message_id)
    assert abs(int(headers["webhook-timestamp"]) - telling.clock.now.timestamp()) < 1
    signed = f"{message_id}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.digest(base64.b64decode(SECRET[6:]), signed, hashlib.sha256)).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert json.loads(body)["data"] == {"invoice_id": "i1", "version": 3}
    (row,) = await telling.rows()
    assert (row["state"], row["attempts"], row["last_status"]) == ("delivered", 1, 204)


async def test_endpoint_is_told_its_topics_only_and_nothing_from_before_it_was_opened(telling: Telling) -> None:
    await telling.message("payment.received")
    await hand_out_once(telling.context, telling.organization_id)
    async with receiving(Receiver()) as all_of_it, receiving(Receiver()) as invoices:
        await telling.endpoint(all_of_it.url)
        await telling.endpoint(invoices.url, topics=("invoice.updated",))
        await telling.message("payment.received")
        await telling.message("invoice.updated")
        await telling.tell()

    assert [json.loads(body)["type"] for _, body in invoices.taken] == ["invoice.updated"]
    assert sorted(json.loads(body)["type"] for _, body in all_of_it.taken) == ["invoice.updated", "payment.received"]


async def test_message_of_a_transaction_that_commits_late_is_not_passed_over(telling: Telling) -> None:
    async with receiving(Receiver()) as receiver:
        await telling.endpoint(receiver.url)
        async with telling.context.database.transaction(telling.organization_id) as slow:
            await slow.execute(
                "INSERT INTO outbox (organization_id, id, topic, payload) VALUES ($1, $2, 'late', '{}')",
                telling.organization_id,
                telling.context.ids.new(),
            )
            await telling.message("early")
            told_before = await telling.tell()
        told_after = await telling.tell()

    assert (told_before, told_after) == (0, 2)
    assert sorted(json.loads(body)["type"] for _, body in receiver.taken) == ["early", "late"]


async def test_failed_message_is_tried_again_with_the_same_id_and_bytes_then_is_dead_and_visible(
    telling: Telling,
) -> None:
    async with receiving(Receiver(status=500)) as receiver:
        await telling.endpoint(receiver.url)
        message_id = await telling.message(version=1)
        await telling.tell()
        assert await telling.tell() == 0, "not before its time"
        for _ in range(20):
            telling.clock.turn(hours=23)
            await telling.tell()

    assert len(receiver.taken) == 10
    assert len({(headers["webhook-id"], body) for headers, body in receiver.taken}) == 1
    assert len({headers["webhook-timestamp"] for headers, _ in receiver.taken}) == 10
    (dead,) = await list_dead(telling.context, telling.organization_id)
    assert (dead["message_id"], dead["attempts"], dead["last_status"]) == (message_id, 10, 500)


async def test_dead_message_is_delivered_again_by_hand(telling: Telling) -> None:
    async with receiving(Receiver(status=410)) as receiver:
        endpoint_id = await telling.endpoint(receiver.url)
        message_id = await telling.message(version=1)
        await telling.tell()
        assert len(await list_dead(telling.context, telling.organization_id)) == 1

        receiver.status = 200
        assert await redeliver(telling.context, telling.organization_id, message_id) == 1
        assert await telling.tell() == 0, "410 stopped the endpoint"
        await resume_endpoint(telling.context, telling.organization_id, endpoint_id)
        assert await telling.tell() == 1

    assert [headers["webhook-id"] for headers, _ in receiver.taken] == [str(message_id)] * 2
    assert await list_dead(telling.context, telling.organization_id) == []


async def test_endpoint_that_wants_no_more_is_told_no_more_of_what_already_waits(telling: Telling) -> None:
    async with receiving(Receiver(status=410)) as receiver:
        await telling.endpoint(receiver.url)
        for version in range(20):
            await telling.message(version=version)
        await hand_out_once(telling.context, telling.organization_id)
        (endpoint,) = await telling.due()
        for _ in range(3):
            await dispatch_once(telling.context, telling.organization_id, endpoint, telling.dispatch())

    assert len(receiver.taken) == telling.dispatch().at_once
    assert len(await list_dead(telling.context, telling.organization_id)) == telling.dispatch().at_once


async def test_message_that_nobody_was_told_or_that_still_waits_is_not_revived(telling: Telling) -> None:
    unknown = telling.context.ids.new()
    async with receiving(Receiver(status=500)) as receiver:
        await telling.endpoint(receiver.url)
        waiting = await telling.message()
        await telling.tell()

    for message_id in (unknown, waiting):
        with pytest.raises(NotFound):
            await redeliver(telling.context, telling.organization_id, message_id)


async def test_endpoint_on_loopback_is_refused_by_default_and_the_attempt_says_so(telling: Telling) -> None:
    telling.limits = SenderLimits(allow_http=True)
    async with receiving(Receiver()) as receiver:
        await telling.endpoint(receiver.url)
        await telling.message()
        await telling.tell()

    (row,) = await telling.rows()
    assert receiver.taken == []
    assert (row["state"], row["last_problem"], row["last_status"]) == ("waiting", "webhook_address_refused", None)


async def test_two_workers_share_the_messages_and_send_each_once(telling: Telling) -> None:
    async with receiving(Receiver()) as receiver:
        await telling.endpoint(receiver.url)
        sent = {str(await telling.message(version=version)) for version in range(20)}
        await asyncio.gather(*(hand_out_once(telling.context, telling.organization_id) for _ in range(2)))
        (endpoint,) = await telling.due()
        for _ in range(3):
            await asyncio.gather(
                *(
                    dispatch_once(telling.context, telling.organization_id, endpoint, telling.dispatch())
                    for _ in range(2)
                )
            )

    assert sorted(headers["webhook-id"] for headers, _ in receiver.taken) == sorted(sent)


async def test_message_of_a_worker_that_died_while_sending_is_due_again(telling: Telling) -> None:
    async with receiving(Receiver(hang=True)) as receiver:
        await telling.endpoint(receiver.url)
        await telling.message()
        dying = asyncio.create_task(telling.tell())
        await receiver.arrived.wait()
        dying.cancel()
        with pytest.raises(asyncio.CancelledError):
            await dying
        receiver.hang = False

        assert await telling.tell() == 0, "claimed by the dead"
        telling.clock.turn(minutes=3)
        assert await telling.tell() == 1

    assert len({headers["webhook-id"] for headers, _ in receiver.taken}) == 1
    (row,) = await telling.rows()
    assert (row["state"], row["attempts"]) == ("delivered", 1)


async def test_result_of_a_claim_that_ended_changes_nothing(telling: Telling) -> None:
    """A sending that took longer than its claim was taken over; the late result must not touch the other's."""
    async with receiving(Receiver(status=500)) as receiver:
        await telling.endpoint(receiver.url)
        await telling.message()
        await hand_out_once(telling.context, telling.organization_id)
        (endpoint,) = await telling.due()
        sender = telling.dispatch().send

        async def overtaken(url: str, body: bytes, headers: object) -> object:
            telling.clock.turn(minutes=3)
            receiver.status = 200
            await dispatch_once(telling.context, telling.organization_id, endpoint, telling.dispatch())
            receiver.status = 500
            return await sender(url, body, headers)  # type: ignore[arg-type]

        await dispatch_once(telling.context, telling.organization_id, endpoint, telling.dispatch(send=overtaken))

    (row,) = await telling.rows()
    assert (row["state"], row["attempts"]) == ("delivered", 1)


async def test_secret_that_is_missing_is_an_attempt_that_failed_and_nothing_is_sent_unsigned(telling: Telling) -> None:
    def nothing(name: str) -> str:
        raise NotFound("no such secret")

    async with receiving(Receiver()) as receiver:
        await telling.endpoint(receiver.url)
        await telling.message()
        await telling.tell(secret_of=nothing)

    (row,) = await telling.rows()
    assert receiver.taken == []
    assert (row["state"], row["last_problem"]) == ("waiting", "not_found")
    assert row["due_at"] - telling.clock.now >= timedelta(seconds=5)


async def test_cursor_beyond_the_server_says_that_the_database_was_restored(telling: Telling) -> None:
    async with telling.context.database.transaction(telling.organization_id) as tx:
        await tx.execute(
            "INSERT INTO webhook_cursor (organization_id, transaction_id, message_id) VALUES ($1, $2, $3)",
            telling.organization_id,
            2**40,
            telling.context.ids.new(),
        )

    with pytest.raises(OutboxRestored):
        await hand_out_once(telling.context, telling.organization_id)


async def test_what_was_taken_is_forgotten_after_thirty_days_and_what_is_dead_never(telling: Telling) -> None:
    async with receiving(Receiver()) as receiver, receiving(Receiver(status=410)) as gone:
        await telling.endpoint(receiver.url)
        await telling.endpoint(gone.url)
        await telling.message()
        await telling.tell()
    telling.clock.turn(days=29)
    early = await forget_once(telling.context, telling.organization_id)
    telling.clock.turn(days=2)

    assert (early, await forget_once(telling.context, telling.organization_id)) == (0, 1)
    assert [row["state"] for row in await telling.rows()] == ["dead"]

"""A delivery that could not be written, retried from its verified notices or closed by two persons."""

import json
from datetime import timedelta

import asyncpg
import pytest

from billing.core.actor import Actor
from billing.core.approvals import PersonNeeded, SecondPersonRequired
from billing.core.clock import business_date
from billing.core.errors import InvalidValue, NotFound
from billing.core.ids import DeliveryId
from billing.ledger.service.close_day import list_blockers
from billing.ops.approval_kinds import approve_proposal, find_proposal, reject_proposal
from billing.organizations.service.approvals import AlreadyDecided, ApprovalState, ProposalWaiting
from billing.payments.service.intake import Intake
from billing.payments.service.payment_events import Answer, Delivery
from billing.payments.service.retry_dead_letters import (
    AlreadyClosed,
    AlreadyRetried,
    DeadLetter,
    StoredNoticesUnreadable,
    find_delivery,
    list_dead_letters,
    propose_close,
    retry_dead_letter,
)
from providers.contract import Callback, Callbacks, Notices, Verdict
from providers.sandbox.message import SIGNATURE_HEADER, signature_header
from tests.conftest import DatabaseAddress
from tests.flow import OWED, PaymentFlow, StartedIntent, apply_in_batches, assert_books_are_right
from tests.persons import actors


def signed(flow: PaymentFlow, started: StartedIntent, transaction: str = "T1") -> Delivery:
    """A delivery as the sandbox bank signs it."""
    now = flow.context.clock()
    message = {
        "transaction_id": transaction,
        "account_number": flow.hospital.settings.account_number,
        "amount": OWED,
        "status": "SUCCEEDED",
        "direction": "credit",
        "content": started.code,
        "occurred_at": (now - timedelta(minutes=2)).isoformat(),
    }
    body = json.dumps(message).encode()
    headers = ((SIGNATURE_HEADER, signature_header(flow.hospital.settings.key, now, body)), ("cookie", "secret"))
    callback = Callback("POST", "", "", (), headers, body, "127.0.0.1", now)
    assert isinstance(flow.account.provider, Callbacks)
    read = flow.account.provider.read_callback(callback)
    assert isinstance(read, Notices)
    return Delivery(
        id=DeliveryId(flow.context.ids.new()), account=flow.account, callback=callback, notices=read.notices
    )


async def dead_letter(flow: PaymentFlow, delivery: Delivery, monkeypatch: pytest.MonkeyPatch) -> Answer:
    async def stumble(*_: object) -> object:
        raise InvalidValue("what no rule foresaw")

    with monkeypatch.context() as patched:
        apply_in_batches(patched, stumble)
        async with Intake(flow.context) as intake:
            return await intake.submit(delivery)


async def test_kept_delivery_is_retried_once_and_books_the_money(
    flow: PaymentFlow, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = await flow.start_intent()
    organization_id = flow.hospital.organization_id
    kept = await dead_letter(flow, signed(flow, started), monkeypatch)
    (waiting,) = await list_dead_letters(flow.context, organization_id)
    assert (waiting.id, waiting.fault) == (kept.receipt_id, "invalid_value")

    answer = await retry_dead_letter(flow.context, organization_id, waiting.id, actor=Actor.system())

    assert answer.verdict is Verdict.ACCEPTED
    assert (await flow.read(started.intent_id)).state == "succeeded"
    assert await list_dead_letters(flow.context, organization_id) == []
    with pytest.raises(AlreadyRetried):
        await retry_dead_letter(flow.context, organization_id, waiting.id, actor=Actor.system())
    await assert_books_are_right(flow.context.database)


async def test_money_delivered_again_meanwhile_makes_the_retry_a_duplicate(
    flow: PaymentFlow, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = await flow.start_intent()
    organization_id = flow.hospital.organization_id
    delivery = signed(flow, started)
    kept = await dead_letter(flow, delivery, monkeypatch)
    await flow.deliver(*delivery.notices)

    answer = await retry_dead_letter(flow.context, organization_id, kept.receipt_id, actor=Actor.system())

    assert answer.verdict is Verdict.DUPLICATE
    assert (await flow.read(started.intent_id)).received == OWED


async def test_kept_delivery_holds_its_proof_and_no_standing_credential(
    flow: PaymentFlow, monkeypatch: pytest.MonkeyPatch
) -> None:
    await dead_letter(flow, signed(flow, await flow.start_intent()), monkeypatch)

    async with flow.context.database.transaction(flow.hospital.organization_id) as tx:
        headers = await tx.fetchval("SELECT headers FROM dead_letter")

    assert [name for name, _ in headers] == [SIGNATURE_HEADER]


async def test_delivery_is_found_as_answered_or_as_waiting(flow: PaymentFlow, monkeypatch: pytest.MonkeyPatch) -> None:
    started = await flow.start_intent()
    organization_id = flow.hospital.organization_id
    kept = await dead_letter(flow, signed(flow, started), monkeypatch)
    (answered,) = await flow.deliver(flow.notice("T9", "x"))

    assert (await find_delivery(flow.context, organization_id, kept.receipt_id)).id == kept.receipt_id
    assert (await find_delivery(flow.context, organization_id, answered.receipt_id)).id == answered.receipt_id
    with pytest.raises(NotFound):
        await find_delivery(flow.context, organization_id, DeliveryId(flow.context.ids.new()))


async def test_two_persons_close_a_dead_letter_and_the_day_may_close(
    flow: PaymentFlow, database: DatabaseAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    organization_id = flow.hospital.organization_id
    started = await flow.start_intent()
    kept = await dead_letter(flow, signed(flow, started), monkeypatch)
    first, same, second = await actors(
        database, flow.context, ("a", "Nguyễn Văn An"), ("b", "Nguyễn Văn An"), ("c", "Trần Thị Bình")
    )
    day = business_date(flow.context.clock())

    with pytest.raises(PersonNeeded):
        await propose_close(flow.context, organization_id, kept.receipt_id, reason="a test", actor=Actor.system())
    with pytest.raises(InvalidValue):
        await propose_close(flow.context, organization_id, kept.receipt_id, reason=" \n ", actor=first)
    reason = "sent by the bank's test"
    approval_id = await propose_close(flow.context, organization_id, kept.receipt_id, reason=reason, actor=first)
    with pytest.raises(ProposalWaiting):
        await propose_close(flow.context, organization_id, kept.receipt_id, reason="another", actor=second)
    for alone in (first, same):
        with pytest.raises(SecondPersonRequired):
            await approve_proposal(flow.context, organization_id, approval_id, actor=alone)
    async with flow.context.database.transaction(organization_id) as tx:
        before = await list_blockers(tx, day)
    await approve_proposal(flow.context, organization_id, approval_id, actor=second)
    async with flow.context.database.transaction(organization_id) as tx:
        after = await list_blockers(tx, day)
        actions = [row["action"] for row in await tx.fetch("SELECT action FROM audit ORDER BY id")]

    assert (len(before), after) == (1, [])
    assert await list_dead_letters(flow.context, organization_id) == []
    closed = await find_delivery(flow.context, organization_id, kept.receipt_id)
    assert isinstance(closed, DeadLetter)
    assert closed.closing is not None
    assert (closed.closing.payload["reason"], closed.closing.decided_by) == (reason, second.person)
    assert {"dead_letter_closing_proposed", "dead_letter_closing_approved", "dead_letter_closed"} <= set(actions)
    with pytest.raises(AlreadyClosed):
        await retry_dead_letter(flow.context, organization_id, kept.receipt_id, actor=second)
    assert (await flow.read(started.intent_id)).received == 0


async def test_rejected_proposal_leaves_the_dead_letter_waiting_and_it_can_be_retried(
    flow: PaymentFlow, database: DatabaseAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    organization_id = flow.hospital.organization_id
    kept = await dead_letter(flow, signed(flow, await flow.start_intent()), monkeypatch)
    first, second = await actors(database, flow.context, ("a", "Nguyễn Văn An"), ("c", "Trần Thị Bình"))

    approval_id = await propose_close(flow.context, organization_id, kept.receipt_id, reason="a test", actor=first)
    await reject_proposal(flow.context, organization_id, approval_id, actor=second)
    with pytest.raises(AlreadyDecided):
        await approve_proposal(flow.context, organization_id, approval_id, actor=second)
    answer = await retry_dead_letter(flow.context, organization_id, kept.receipt_id, actor=second)

    assert answer.verdict is Verdict.ACCEPTED


async def test_retry_rejects_the_proposal_to_close(
    flow: PaymentFlow, database: DatabaseAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    organization_id = flow.hospital.organization_id
    kept = await dead_letter(flow, signed(flow, await flow.start_intent()), monkeypatch)
    first, second = await actors(database, flow.context, ("a", "Nguyễn Văn An"), ("c", "Trần Thị Bình"))
    approval_id = await propose_close(flow.context, organization_id, kept.receipt_id, reason="a test", actor=first)

    await retry_dead_letter(flow.context, organization_id, kept.receipt_id, actor=second)

    approval = await find_proposal(flow.context, organization_id, approval_id)
    assert (approval.state, approval.decided_by) == (ApprovalState.REJECTED, second.person)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE dead_letter SET closed_at = now()",
        "UPDATE dead_letter SET notices = 'x'",
        "UPDATE dead_letter SET notices = ''",
        "DELETE FROM dead_letter",
        "INSERT INTO dead_letter SELECT (jsonb_populate_record(dead_letter, jsonb_build_object('id', gen_random_uuid(),"
        " 'notices', NULL, 'verified_at', NULL, 'verified_by', NULL))).* FROM dead_letter",
        "INSERT INTO dead_letter SELECT (jsonb_populate_record(dead_letter, jsonb_build_object('id', gen_random_uuid(),"
        " 'retried_at', now(), 'retried_as', gen_random_uuid()))).* FROM dead_letter",
    ],
)
async def test_database_refuses_a_dead_letter_that_ends_otherwise(
    flow: PaymentFlow, database: DatabaseAddress, monkeypatch: pytest.MonkeyPatch, statement: str
) -> None:
    organization_id = flow.hospital.organization_id
    kept = await dead_letter(flow, signed(flow, await flow.start_intent()), monkeypatch)
    [first] = await actors(database, flow.context, ("a", "Nguyễn Văn An"))
    await propose_close(flow.context, organization_id, kept.receipt_id, reason="a test", actor=first)

    with pytest.raises(asyncpg.PostgresError):
        async with flow.context.database.transaction(organization_id) as tx:
            await tx.execute(statement)


async def test_dead_letter_whose_notices_a_later_version_wrote_is_refused_by_name_until_it_can_be_read(
    flow: PaymentFlow, database: DatabaseAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    organization_id = flow.hospital.organization_id
    kept = await dead_letter(flow, signed(flow, await flow.start_intent()), monkeypatch)
    owner = await asyncpg.connect(database.owner_url)
    await owner.execute("SET vienphi.organization = '1'")
    await owner.execute("ALTER TABLE dead_letter DISABLE TRIGGER USER")
    written = await owner.fetchval("SELECT notices FROM dead_letter")
    later = written.replace(b'"version":1', b'"version":9')
    assert later != written
    await owner.execute("UPDATE dead_letter SET notices = $1", later)

    with pytest.raises(StoredNoticesUnreadable):
        await retry_dead_letter(flow.context, organization_id, kept.receipt_id, actor=Actor.system())
    await owner.execute("UPDATE dead_letter SET notices = $1", written)
    await owner.close()
    answer = await retry_dead_letter(flow.context, organization_id, kept.receipt_id, actor=Actor.system())

    assert answer.verdict is Verdict.ACCEPTED

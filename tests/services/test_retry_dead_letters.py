"""A delivery that could not be written, retried from its verified notices or closed by two persons."""

import json
from datetime import timedelta

import pytest

from billing.domain.actor import Actor
from billing.domain.errors import InvalidValue, NotFound
from billing.domain.ids import DeliveryId
from billing.services import intake as intake_module
from billing.services.intake import Intake
from billing.services.retry_dead_letters import AlreadyRetried, find_delivery, list_dead_letters, retry_dead_letter
from billing.services.steps.notices import Answer, Delivery
from providers.contract import Callback, Callbacks, Notices, Verdict
from providers.sandbox.message import SIGNATURE_HEADER, signature_header
from tests.services.road import OWED, Bill, Road, assert_books_are_right


def signed(road: Road, bill: Bill, transaction: str = "T1") -> Delivery:
    """A delivery as the sandbox bank signs it."""
    now = road.context.clock()
    message = {
        "transaction_id": transaction,
        "account_number": road.hospital.settings.account_number,
        "amount": OWED,
        "status": "SUCCEEDED",
        "direction": "credit",
        "content": bill.code,
        "occurred_at": (now - timedelta(minutes=2)).isoformat(),
    }
    body = json.dumps(message).encode()
    headers = ((SIGNATURE_HEADER, signature_header(road.hospital.settings.key, now, body)), ("cookie", "secret"))
    callback = Callback("POST", "", "", (), headers, body, "127.0.0.1", now)
    assert isinstance(road.account.provider, Callbacks)
    read = road.account.provider.read_callback(callback)
    assert isinstance(read, Notices)
    return Delivery(
        id=DeliveryId(road.context.ids.new()), account=road.account, callback=callback, notices=read.notices
    )


async def dead_letter(road: Road, delivery: Delivery, monkeypatch: pytest.MonkeyPatch) -> Answer:
    async def stumble(*_: object) -> object:
        raise InvalidValue("what no rule foresaw")

    with monkeypatch.context() as patched:
        patched.setattr(intake_module, "apply_deliveries", stumble)
        async with Intake(road.context) as intake:
            return await intake.submit(delivery)


async def test_kept_delivery_is_retried_once_and_books_the_money(road: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    bill = await road.bill()
    organization_id = road.hospital.organization_id
    kept = await dead_letter(road, signed(road, bill), monkeypatch)
    (waiting,) = await list_dead_letters(road.context, organization_id)
    assert (waiting.id, waiting.fault) == (kept.receipt_id, "invalid_value")

    answer = await retry_dead_letter(road.context, organization_id, waiting.id, actor=Actor.system())

    assert answer.verdict is Verdict.ACCEPTED
    assert (await road.read(bill.intent_id))["state"] == "succeeded"
    assert await list_dead_letters(road.context, organization_id) == []
    with pytest.raises(AlreadyRetried):
        await retry_dead_letter(road.context, organization_id, waiting.id, actor=Actor.system())
    await assert_books_are_right(road.context.database)


async def test_money_told_again_meanwhile_makes_the_retry_a_duplicate(
    road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    bill = await road.bill()
    organization_id = road.hospital.organization_id
    delivery = signed(road, bill)
    kept = await dead_letter(road, delivery, monkeypatch)
    await road.deliver(*delivery.notices)

    answer = await retry_dead_letter(road.context, organization_id, kept.receipt_id, actor=Actor.system())

    assert answer.verdict is Verdict.DUPLICATE
    assert (await road.read(bill.intent_id))["received"] == OWED


async def test_kept_delivery_holds_its_proof_and_no_standing_credential(
    road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    await dead_letter(road, signed(road, await road.bill()), monkeypatch)

    async with road.context.database.transaction(road.hospital.organization_id) as tx:
        headers = await tx.fetchval("SELECT headers FROM dead_letter")

    assert [name for name, _ in headers] == [SIGNATURE_HEADER]


async def test_delivery_is_found_as_answered_or_as_waiting(road: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    bill = await road.bill()
    organization_id = road.hospital.organization_id
    kept = await dead_letter(road, signed(road, bill), monkeypatch)
    (answered,) = await road.deliver(road.notice("T9", "x"))

    assert (await find_delivery(road.context, organization_id, kept.receipt_id)).id == kept.receipt_id
    assert (await find_delivery(road.context, organization_id, answered.receipt_id)).id == answered.receipt_id
    with pytest.raises(NotFound):
        await find_delivery(road.context, organization_id, DeliveryId(road.context.ids.new()))

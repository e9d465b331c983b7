"""A payment of whose beginning nobody knows: kept, told, asked about, begun again only where it is not there."""

import pytest

from billing.checkout.service.intents import PaymentNotStarted, open_intent
from billing.core.actor import Actor
from billing.core.ids import InvoiceId
from billing.db.idempotency import Claim
from billing.payments.service.polls import ask_once
from providers.contract import PaymentInstruction, PaymentRefused, PaymentRequest, PaymentUnknown
from providers.sandbox.adapter import Sandbox
from tests.builders import ACCOUNT_NAME
from tests.services.road import assert_books_are_right
from tests.worker.asking_road import AskingRoad


class Bank:
    """What the provider was asked to begin, and how it answers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.requests: list[PaymentRequest] = []
        self.fault: type[Exception] | None = PaymentUnknown
        create = Sandbox.create_payment

        async def answer(sandbox: Sandbox, request: PaymentRequest) -> PaymentInstruction:
            self.requests.append(request)
            if self.fault is not None:
                raise self.fault
            return await create(sandbox, request)

        monkeypatch.setattr(Sandbox, "create_payment", answer)


@pytest.fixture
def bank(monkeypatch: pytest.MonkeyPatch) -> Bank:
    return Bank(monkeypatch)


async def invoice_of(road: AskingRoad, bank: Bank) -> InvoiceId:
    fault, bank.fault = bank.fault, None
    bill = await road.road.bill()
    bank.fault = fault
    bank.requests.clear()
    return bill.invoice_id


async def collect(road: AskingRoad, invoice_id: InvoiceId) -> dict[str, object]:
    """What a program does that sends the same request under the same key again."""
    claim = Claim(caller="his", route="POST /v1/intents", key="k", request_hash=bytes(32))
    intent_id = await open_intent(
        road.context,
        road.hospital.organization_id,
        account_name=ACCOUNT_NAME,
        invoice_ids=[invoice_id],
        amount=None,
        actor=Actor.system(),
        claim=claim,
        payer_address="10.0.0.7",
    )
    return await road.road.read(intent_id)


async def ask_after(road: AskingRoad, minutes: int) -> None:
    road.clock.turn(minutes=minutes)
    await ask_once(road.context, road.hospital.organization_id)


async def test_unknown_start_is_kept_audited_told_and_asked_about(asking_road: AskingRoad, bank: Bank) -> None:
    intent = await collect(asking_road, await invoice_of(asking_road, bank))

    await ask_after(asking_road, 0)

    assert (intent["state"], intent["instruction"]) == ("unknown", None)
    [row] = await asking_road.asking()
    assert (row["intent_id"], row["asked"]) == (intent["id"], 0)
    assert [row["action"] for row in await asking_road.rows("SELECT action FROM audit ORDER BY id")][-1] == (
        "payment_start_unknown"
    )
    [told] = await asking_road.rows(
        "SELECT payload FROM outbox WHERE topic = 'intent.updated' ORDER BY id DESC LIMIT 1"
    )
    assert told["payload"]["state"] == "unknown"


async def test_unknown_start_is_never_begun_again_before_the_provider_does_not_know_it(
    asking_road: AskingRoad, bank: Bank
) -> None:
    invoice_id = await invoice_of(asking_road, bank)
    first = await collect(asking_road, invoice_id)

    again = [await collect(asking_road, invoice_id)]
    await ask_after(asking_road, 0)
    await ask_after(asking_road, 5)  # the bank says that it knows nothing, and may only be slow
    again.append(await collect(asking_road, invoice_id))

    assert [(each["id"], each["state"]) for each in again] == [(first["id"], "unknown")] * 2
    assert len(bank.requests) == 1


async def test_same_reference_is_begun_again_once_the_provider_does_not_know_it(
    asking_road: AskingRoad, bank: Bank
) -> None:
    invoice_id = await invoice_of(asking_road, bank)
    first = await collect(asking_road, invoice_id)
    await ask_after(asking_road, 0)
    await ask_after(asking_road, 16)

    second = await collect(asking_road, invoice_id)  # no answer again: it goes on being asked about
    third = await collect(asking_road, invoice_id)
    await ask_after(asking_road, 4)
    bank.fault = None
    fourth = await collect(asking_road, invoice_id)

    assert [one["id"] for one in (second, third, fourth)] == [first["id"]] * 3
    assert [one["state"] for one in (second, third, fourth)] == ["unknown"] * 3
    assert third["instruction"] is None
    assert fourth["instruction"] is not None
    assert len(bank.requests) == 3, "first, second, fourth"
    assert len(set(bank.requests)) == 1, "the same request each time, dated alike"
    assert bank.requests[0].payer_address == "10.0.0.7"
    await assert_books_are_right(asking_road.context.database)


async def test_refusal_after_an_unknown_start_is_final(asking_road: AskingRoad, bank: Bank) -> None:
    invoice_id = await invoice_of(asking_road, bank)
    await collect(asking_road, invoice_id)
    await ask_after(asking_road, 0)
    await ask_after(asking_road, 16)
    bank.fault = PaymentRefused

    for _ in range(2):
        with pytest.raises(PaymentNotStarted):
            await collect(asking_road, invoice_id)

    assert len(bank.requests) == 2
    [row] = await asking_road.rows("SELECT state FROM intent ORDER BY id DESC LIMIT 1")
    assert row["state"] == "failed"


async def test_provider_is_told_where_the_patient_and_its_callbacks_go(asking_road: AskingRoad, bank: Bank) -> None:
    asking_road.context.public_base_url = "https://vienphi.example.vn"

    intent = await collect(asking_road, await invoice_of(asking_road, bank))

    [request] = bank.requests
    assert request.return_url == f"https://vienphi.example.vn/pay/1-{intent['page_token']}"
    assert request.callback_url == "https://vienphi.example.vn/callbacks/1/sandbox"
    assert request.requested_at == intent["created_at"]


async def test_provider_is_told_no_address_that_nobody_has_said(asking_road: AskingRoad, bank: Bank) -> None:
    await collect(asking_road, await invoice_of(asking_road, bank))

    assert (bank.requests[0].return_url, bank.requests[0].callback_url) == ("", "")

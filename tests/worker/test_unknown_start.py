"""A payment whose start has no answer: stored, published, polled; started again only after the answer not found."""

import pytest

from billing.checkout.domain.intent_details import IntentDetails
from billing.checkout.service.intent_targets import InvoicesTarget
from billing.checkout.service.intents import PaymentNotStarted, open_intent
from billing.core.actor import Actor
from billing.core.ids import InvoiceId
from billing.db.idempotency import IdempotentRequest
from billing.payments.service.polls import poll_due_payments
from providers.contract import PaymentInstruction, PaymentRefused, PaymentRequest, PaymentUnknown
from providers.sandbox.adapter import Sandbox
from tests.builders import ACCOUNT_NAME
from tests.flow import assert_books_are_right
from tests.worker.polling_flow import PollingFlow


class Bank:
    """The requests that the provider received, and its answer."""

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


async def invoice_of(flow: PollingFlow, bank: Bank) -> InvoiceId:
    fault, bank.fault = bank.fault, None
    started = await flow.flow.start_intent()
    bank.fault = fault
    bank.requests.clear()
    return started.invoice_id


async def collect(flow: PollingFlow, invoice_id: InvoiceId) -> IntentDetails:
    """Send the same request under the same key, as a program that repeats it."""
    idempotent = IdempotentRequest(caller="his", route="POST /v1/intents", key="k", request_hash=bytes(32))
    intent_id = await open_intent(
        flow.context,
        flow.hospital.organization_id,
        account_name=ACCOUNT_NAME,
        target=InvoicesTarget((invoice_id,)),
        amount=None,
        actor=Actor.system(),
        request=idempotent,
        payer_address="10.0.0.7",
    )
    return await flow.flow.read(intent_id)


async def poll_after(flow: PollingFlow, minutes: int) -> None:
    flow.clock.turn(minutes=minutes)
    await poll_due_payments(flow.context, flow.hospital.organization_id)


async def test_unknown_start_is_stored_audited_published_and_polled(polling_flow: PollingFlow, bank: Bank) -> None:
    intent = await collect(polling_flow, await invoice_of(polling_flow, bank))

    await poll_after(polling_flow, 0)

    assert (intent.state, intent.instruction) == ("unknown", None)
    [row] = await polling_flow.status_polls()
    assert (row["intent_id"], row["attempts"]) == (intent.id, 0)
    assert [row["action"] for row in await polling_flow.rows("SELECT action FROM audit ORDER BY id")][-1] == (
        "payment_start_unknown"
    )
    [message] = await polling_flow.rows(
        "SELECT payload FROM outbox WHERE topic = 'intent.updated' ORDER BY id DESC LIMIT 1"
    )
    assert message["payload"]["state"] == "unknown"


async def test_unknown_start_is_never_begun_again_before_the_provider_does_not_know_it(
    polling_flow: PollingFlow, bank: Bank
) -> None:
    invoice_id = await invoice_of(polling_flow, bank)
    first = await collect(polling_flow, invoice_id)

    again = [await collect(polling_flow, invoice_id)]
    await poll_after(polling_flow, 0)
    await poll_after(polling_flow, 5)  # the answer is not found, and the bank may only be slow
    again.append(await collect(polling_flow, invoice_id))

    assert [(each.id, each.state) for each in again] == [(first.id, "unknown")] * 2
    assert len(bank.requests) == 1


async def test_same_reference_is_begun_again_once_the_provider_does_not_know_it(
    polling_flow: PollingFlow, bank: Bank
) -> None:
    invoice_id = await invoice_of(polling_flow, bank)
    first = await collect(polling_flow, invoice_id)
    await poll_after(polling_flow, 0)
    await poll_after(polling_flow, 16)

    second = await collect(polling_flow, invoice_id)  # no answer again: the polls go on
    third = await collect(polling_flow, invoice_id)
    await poll_after(polling_flow, 4)
    bank.fault = None
    fourth = await collect(polling_flow, invoice_id)

    assert [one.id for one in (second, third, fourth)] == [first.id] * 3
    assert [one.state for one in (second, third, fourth)] == ["unknown"] * 3
    assert third.instruction is None
    assert fourth.instruction is not None
    assert len(bank.requests) == 3, "first, second, fourth"
    assert len(set(bank.requests)) == 1, "the same request each time, with the same date"
    assert bank.requests[0].payer_address == "10.0.0.7"
    await assert_books_are_right(polling_flow.context.database)


async def test_refusal_after_an_unknown_start_is_final(polling_flow: PollingFlow, bank: Bank) -> None:
    invoice_id = await invoice_of(polling_flow, bank)
    await collect(polling_flow, invoice_id)
    await poll_after(polling_flow, 0)
    await poll_after(polling_flow, 16)
    bank.fault = PaymentRefused

    for _ in range(2):
        with pytest.raises(PaymentNotStarted):
            await collect(polling_flow, invoice_id)

    assert len(bank.requests) == 2
    [row] = await polling_flow.rows("SELECT state FROM intent ORDER BY id DESC LIMIT 1")
    assert row["state"] == "failed"


async def test_provider_receives_the_return_url_and_the_callback_url(polling_flow: PollingFlow, bank: Bank) -> None:
    polling_flow.context.public_base_url = "https://vienphi.example.vn"

    intent = await collect(polling_flow, await invoice_of(polling_flow, bank))

    [request] = bank.requests
    assert request.return_url == f"https://vienphi.example.vn/pay/1-{intent.page_token}"
    assert request.callback_url == "https://vienphi.example.vn/callbacks/1/sandbox"
    assert request.requested_at == intent.created_at


async def test_provider_receives_no_url_without_a_public_base_url(polling_flow: PollingFlow, bank: Bank) -> None:
    await collect(polling_flow, await invoice_of(polling_flow, bank))

    assert (bank.requests[0].return_url, bank.requests[0].callback_url) == ("", "")

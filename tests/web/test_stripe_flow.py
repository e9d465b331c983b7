"""Stripe end to end over real HTTP: our service with its database, and a server that simulates Stripe."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest
from aiohttp.test_utils import TestServer

from billing.checkout.service.expire import expire_once
from billing.db.context import Ids
from billing.db.database import Database, DatabaseLimits
from billing.organizations.service.context import allow_all
from billing.organizations.service.provider_accounts import BuiltProvider
from billing.organizations.service.setup import NewBankAccount, Setup
from billing.organizations.store.organizations import ProviderAccountRow
from billing.payments.service.context import PaymentContext
from billing.payments.service.intake import Intake
from billing.payments.service.polls import poll_due_payments
from billing.web.server import create_application, serving
from providers.contract import (
    Outcome,
    PaymentRefused,
    PaymentRequest,
    PaymentUnknown,
    PendingPayment,
    RefundRequest,
)
from providers.registry import open_provider
from providers.stripe.adapter import Stripe
from tests.builders import add_demo_hospital, build_context, build_sandbox, visit_document
from tests.conftest import DatabaseAddress
from tests.web.conftest import HOOKS, LIMITS
from tests.web.stripe_server import KEY, SECRET, Manners, StripeServer
from tests.worker.webhook_env import ManualClock

OWED = 136_000
SETTINGS = {
    "secret_key": KEY,
    "endpoint_secret": SECRET,
    "mode": "payment_intent",
    "return_url": "https://hospital.example/back",
    "timeout_s": 5,
}
MANNERS = {
    "plain": Manners(),
    "adds fields": Manners(adds=True),
    "leaves out": Manners(leaves_out=True),
    "ignores keys": Manners(ignores_keys=True),
    "charge whole": Manners(charge_is_whole=True, adds=True),
}


@dataclass(slots=True, kw_only=True)
class PaymentFlow:
    """Both sides. `settings` may be added to before the first intent is opened."""

    server: StripeServer
    context: PaymentContext
    client: httpx.AsyncClient
    outside: httpx.AsyncClient
    settings: dict[str, Any]
    clock: ManualClock

    async def open_intent(self, *, status: int = 201) -> dict[str, Any]:
        taken = await self.client.post("/v1/visits", json=visit_document())
        visit = taken.json()["visits"][0]["id"]
        invoice = (await self.client.post("/v1/invoices", json={"visit_id": visit})).json()
        body = {"account": "stripe", "invoice_ids": [invoice["id"]]}
        answer = await self.client.post("/v1/intents", json=body)
        assert answer.status_code == status, answer.text
        opened: dict[str, Any] = answer.json()
        return opened

    async def read(self, intent: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = (await self.client.get(f"/v1/intents/{intent['id']}")).json()
        return found

    async def payments(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.client.get("/v1/payments")).json()["items"]
        return found

    async def owed(self, intent: Mapping[str, Any]) -> int:
        return int((await self.client.get(f"/v1/invoices/{intent['invoice_ids'][0]}")).json()["owed"])

    def provider(self, **changed: object) -> Stripe:
        """The adapter alone, with the same server."""
        opened = open_provider("stripe", {**self.settings, **changed}, self.outside)
        assert isinstance(opened, Stripe)
        return opened

    def known(self, intent: Mapping[str, Any], number: str = "") -> PendingPayment:
        return PendingPayment(
            reference=intent["reference_code"],
            amount=OWED,
            provider_reference=number,
            created_at=self.clock(),
            queried_at=self.clock(),
        )

    def request(self, reference: str = "K7ABCDEFR") -> PaymentRequest:
        return PaymentRequest(
            reference=reference,
            amount=OWED,
            purpose=f"{reference} VIEN PHI",
            expires_at=None,
            requested_at=self.clock(),
        )


@pytest.fixture
async def flow(database: DatabaseAddress, app_database: Database) -> AsyncIterator[PaymentFlow]:
    clock, settings = ManualClock(), dict(SETTINGS)
    server = StripeServer(clock=clock)
    hospital = await add_demo_hospital(database.owner_url, clock=clock)
    owner = await Database.open(database.owner_url, limits=DatabaseLimits(connections_max=1))
    await Setup(owner, clock, Ids(clock)).add_provider_account(
        hospital.organization_id,
        name="stripe",
        provider="stripe",
        bank_account=NewBankAccount(bank_bin="970436", account_number="9990001", holder="BENH VIEN 1"),
        settings={},
        secret_name="stripe",
    )
    await owner.close()
    async with TestServer(server.application()) as listening, httpx.AsyncClient(trust_env=False) as outside:
        server.address = str(listening.make_url("")).rstrip("/")
        settings["base_url"] = server.address

        def build(row: ProviderAccountRow) -> BuiltProvider:
            if row.provider == "sandbox":
                return build_sandbox(row)
            return BuiltProvider(open_provider(row.provider, {**row.settings, **settings}, outside), allow_all)

        context = build_context(app_database, clock=clock, build_provider=build)
        async with Intake(context) as intake:
            application = create_application(context=context, intake=intake, limits=LIMITS)
            async with (
                serving(application) as address,
                httpx.AsyncClient(
                    base_url=address, headers=hospital.authorization, timeout=20, event_hooks=HOOKS
                ) as client,
            ):
                server.callback_url = f"{address}/callbacks/{hospital.organization_id}/stripe"
                yield PaymentFlow(
                    server=server, context=context, client=client, outside=outside, settings=settings, clock=clock
                )


@pytest.mark.parametrize("manners", sorted(MANNERS))
async def test_payment_is_booked_and_refunded(flow: PaymentFlow, manners: str) -> None:
    flow.server.manners = MANNERS[manners]
    intent = await flow.open_intent()
    [made] = flow.server.intents.values()
    assert (made["metadata"], made["amount"]) == ({"invoice": intent["reference_code"]}, OWED)

    paid = flow.server.pay(made["id"])
    results = [await flow.server.send_event("payment_intent.succeeded", paid) for _ in range(2)]

    assert [answer.status_code for answer in results] == [200, 200]
    assert ((await flow.read(intent))["state"], await flow.owed(intent)) == ("succeeded", 0)
    [payment] = await flow.payments()
    assert payment["amount"] == OWED
    [notice] = (await flow.provider().query_payment(flow.known(intent, made["id"]))).notices
    assert (notice.outcome, notice.amount) == (Outcome.SUCCEEDED, OWED)

    request = RefundRequest(
        reference="RF0000001",
        amount=36_000,
        paid=OWED,
        payment=flow.known(intent, made["id"]),
        transaction=made["id"],
        reason="",
        requested_at=flow.clock(),
        requested_by="cashier01",
    )
    sent = [await flow.provider().refund(request) for _ in range(2)]
    [refund] = flow.server.refunds.values()
    followed = await flow.provider().query_refund(request, provider_reference="", queried_at=flow.clock())

    assert {each.outcome for each in (*sent, followed)} == {Outcome.SUCCEEDED}
    assert {each.provider_reference for each in (*sent, followed)} == {refund["id"]}
    for _ in range(2):
        assert (await flow.server.send_event("refund.updated", refund)).status_code == 200
    assert await flow.owed(intent) == 36_000


async def test_session_and_its_intent_are_one_payment_in_any_order(flow: PaymentFlow) -> None:
    del flow.settings["mode"]
    intent = await flow.open_intent()
    [session] = flow.server.sessions.values()
    assert intent["instruction"]["redirect_url"] == session["url"]
    assert (
        await flow.server.send_event("checkout.session.completed", {**session, "status": "complete"})
    ).status_code == 200
    assert ((await flow.read(intent))["state"], await flow.payments()) == ("pending", [])

    paid = flow.server.pay_session(session["id"])
    for kind, found in (
        ("checkout.session.completed", session),
        ("payment_intent.succeeded", paid),
        ("checkout.session.completed", session),
    ):
        assert (await flow.server.send_event(kind, found)).status_code == 200

    assert [payment["amount"] for payment in await flow.payments()] == [OWED]
    assert (await flow.read(intent))["state"] == "succeeded"


async def test_events_out_of_order_leave_what_is_paid_paid(flow: PaymentFlow) -> None:
    intent = await flow.open_intent()
    [made] = flow.server.intents.values()
    before = {**made, "status": "processing"}
    paid = flow.server.pay(made["id"])

    await flow.server.send_event("payment_intent.succeeded", paid)
    await flow.server.send_event("payment_intent.processing", before)
    await flow.server.send_event("payment_intent.payment_failed", {**before, "status": "requires_payment_method"})

    assert (await flow.read(intent))["state"] == "succeeded"
    assert len(await flow.payments()) == 1


async def test_what_was_received_is_booked_and_the_rest_stays_owed(flow: PaymentFlow) -> None:
    intent = await flow.open_intent()
    [made] = flow.server.intents.values()

    await flow.server.send_event("payment_intent.succeeded", flow.server.pay(made["id"], received=100_000))

    assert await flow.owed(intent) == OWED - 100_000


async def test_payment_with_a_lost_event_is_found_by_a_query(flow: PaymentFlow) -> None:
    intent = await flow.open_intent()
    [made] = flow.server.intents.values()
    flow.server.pay(made["id"])
    organization_id = (await flow.context.accounts.find(1, "stripe")).organization_id
    flow.clock.turn(minutes=31)
    await expire_once(flow.context, organization_id)
    flow.clock.turn(minutes=1)

    assert await poll_due_payments(flow.context, organization_id) == 1

    assert ((await flow.read(intent))["state"], len(await flow.payments())) == ("succeeded", 1)
    assert (await flow.server.send_event("payment_intent.succeeded", made)).status_code == 200
    assert len(await flow.payments()) == 1


async def test_forged_event_is_refused_and_money_of_another_currency_too(flow: PaymentFlow) -> None:
    await flow.open_intent()
    [made] = flow.server.intents.values()
    paid = flow.server.pay(made["id"])

    forged = await flow.server.send_event("payment_intent.succeeded", paid, secret="whsec_ANOTHERANOTHER")
    foreign = await flow.server.send_event("payment_intent.succeeded", {**paid, "currency": "usd"})

    assert (forged.status_code, foreign.status_code, await flow.payments()) == (400, 400, [])


async def test_card_that_is_declined_at_creation_starts_nothing(flow: PaymentFlow) -> None:
    flow.settings |= {"payment_method": "pm_card_chargeDeclined", "confirm": True}
    flow.server.manners = Manners(declines=True)

    problem = await flow.open_intent(status=409)

    assert problem["code"] == "payment_not_started"


async def test_method_that_is_charged_at_creation_is_charged_once(flow: PaymentFlow) -> None:
    flow.server.manners = Manners(ignores_keys=True)
    provider = flow.provider(payment_method="pm_card_visa", confirm=True)

    instructions = [await provider.create_payment(flow.request()) for _ in range(2)]

    assert len(flow.server.intents) == 1
    assert instructions[0] == instructions[1]


@pytest.mark.parametrize("status", [409, 429, 500])
async def test_payment_whose_answer_was_lost_is_found_by_its_reference_and_not_made_again(
    flow: PaymentFlow, status: int
) -> None:
    flow.server.manners = Manners(fails_with=(status, {"error": {"type": "api_error", "code": "lost"}}))
    request = flow.request()
    with pytest.raises(PaymentUnknown):
        await flow.provider().create_payment(request)
    known = flow.known({"reference_code": request.reference})

    [notice] = (await flow.provider().query_payment(known)).notices
    again = await flow.provider().create_payment(request)

    assert (notice.outcome, list(flow.server.intents)) == (Outcome.PENDING, [notice.provider_reference])
    assert again.provider_reference == notice.provider_reference


async def test_reused_key_and_wrong_key_are_distinguished(flow: PaymentFlow) -> None:
    await flow.provider().create_payment(flow.request())

    with pytest.raises(PaymentUnknown):
        await flow.provider().create_payment(replace(flow.request(), amount=1))
    with pytest.raises(PaymentRefused):
        await flow.provider(secret_key="sk_test_ANOTHER").create_payment(flow.request("K7ABCDEGP"))


async def test_intent_is_cancelled_unless_it_is_paid(flow: PaymentFlow) -> None:
    first, second = [await flow.provider().create_payment(flow.request(code)) for code in ("K7ABCDEFR", "K7ABCDEGP")]
    flow.server.pay(second.provider_reference)

    results = [
        await flow.provider().cancel_payment(flow.known({"reference_code": code}, each.provider_reference), reason="")
        for code, each in (("K7ABCDEFR", first), ("K7ABCDEGP", second))
    ]

    assert [each.outcome for each in results] == [Outcome.CANCELLED, Outcome.SUCCEEDED]

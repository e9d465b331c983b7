"""Providers of Vietnam end to end: a real socket and database, callbacks as each provider sends them."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from billing.db.context import Ids, utc_now
from billing.db.database import Database, DatabaseLimits
from billing.organizations.service.context import allow_all
from billing.organizations.service.provider_accounts import BuiltProvider
from billing.organizations.service.setup import NewBankAccount, Setup
from billing.organizations.store.organizations import ProviderAccountRow
from billing.payments.service.context import PaymentContext
from billing.payments.service.intake import Intake
from billing.web.server import create_application, serving
from providers.contract import Callback
from providers.notices import format_vietnam_timestamp
from providers.payos.order_codes import order_code
from providers.registry import open_provider
from tests.builders import add_demo_hospital, build_context, build_sandbox, visit_document
from tests.conftest import DatabaseAddress
from tests.providers import momo_samples, payos_samples, sepay_samples, vnpay_samples, zalopay_samples
from tests.web.conftest import HOOKS, LIMITS

OWED = 136_000
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "vnpay": {**vnpay_samples.SETTINGS, "return_url": "https://hospital.example/back"},
    "payos": payos_samples.SETTINGS,
    "momo": momo_samples.SETTINGS,
    "zalopay": zalopay_samples.SETTINGS,
    "sepay": sepay_samples.SETTINGS,
}
OTHER = "ANOTHER_SECRET_OF_ANOTHER_ACCOUNT"


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentFlow:
    """The service with an account of each provider; nobody outside is really called."""

    context: PaymentContext
    client: httpx.AsyncClient
    prefix: str

    async def open_intent(self, provider: str) -> dict[str, Any]:
        taken = await self.client.post("/v1/visits", json=visit_document())
        invoice = (await self.client.post("/v1/invoices", json={"visit_id": taken.json()["visits"][0]["id"]})).json()
        answer = await self.client.post("/v1/intents", json={"account": provider, "invoice_ids": [invoice["id"]]})
        assert answer.status_code == 201, answer.text
        opened: dict[str, Any] = answer.json()
        return opened

    async def deliver(self, provider: str, callback: Callback) -> httpx.Response:
        """Send a delivery as the provider's server would."""
        return await self.client.request(
            callback.method,
            f"{self.prefix}/{provider}" + (f"?{callback.raw_query}" if callback.raw_query else ""),
            content=callback.body,
            headers=list(callback.headers),
        )

    async def state(self, intent: Mapping[str, Any]) -> tuple[str, int, list[int]]:
        """The intent's state, what its invoice owes, and every payment in the books."""
        found = (await self.client.get(f"/v1/intents/{intent['id']}")).json()
        invoice = (await self.client.get(f"/v1/invoices/{intent['invoice_ids'][0]}")).json()
        payments = (await self.client.get("/v1/payments")).json()["items"]
        return found["state"], invoice["owed"], sorted(payment["amount"] for payment in payments)


def vnpay_callback(reference: str, amount: int, at: datetime, *, secret: str = "", failed: bool = False) -> Callback:
    code = "24" if failed else "00"
    return vnpay_samples.signed_ipn(
        secret or vnpay_samples.SECRET,
        vnp_TxnRef=reference,
        vnp_Amount=str(amount * 100),
        vnp_PayDate=format_vietnam_timestamp(at),
        vnp_ResponseCode=code,
        vnp_TransactionStatus="02" if failed else "00",
    )


def payos_callback(reference: str, amount: int, at: datetime, *, secret: str = "", failed: bool = False) -> Callback:
    return payos_samples.signed_callback(
        secret or payos_samples.KEY,
        orderCode=order_code(reference),
        amount=amount,
        transactionDateTime=at.isoformat(),
        code="01" if failed else "00",
    )


def momo_callback(reference: str, amount: int, at: datetime, *, secret: str = "", failed: bool = False) -> Callback:
    return momo_samples.signed_callback(
        secret or momo_samples.SECRET,
        orderId=reference,
        amount=amount,
        responseTime=int(at.timestamp() * 1000),
        resultCode=1006 if failed else 0,
    )


def zalopay_callback(reference: str, amount: int, at: datetime, *, secret: str = "", failed: bool = False) -> Callback:
    assert not failed, "ZaloPay reports success only"
    milliseconds = int(at.timestamp() * 1000)
    return zalopay_samples.signed_callback(
        secret or zalopay_samples.KEY2, app_trans_id=f"260102_{reference}", amount=amount, server_time=milliseconds
    )


def sepay_callback(reference: str, amount: int, at: datetime, *, secret: str = "", failed: bool = False) -> Callback:
    assert not failed, "SePay reports movements"
    return sepay_samples.signed(
        secret or sepay_samples.SECRET,
        at,
        code=None,
        content=f"MBVCB.1.{reference.lower()} vien phi",
        transferAmount=amount,
        transactionDate=at.isoformat(),
    )


CALLBACKS: Mapping[str, Callable[..., Callback]] = {
    "vnpay": vnpay_callback,
    "payos": payos_callback,
    "momo": momo_callback,
    "zalopay": zalopay_callback,
    "sepay": sepay_callback,
}


async def _outside(request: httpx.Request) -> httpx.Response:
    """The providers' servers, as far as a payment is begun there."""
    body = await request.aread()
    if request.url.host == "api-merchant.payos.vn":
        body_sent = json.loads(body)
        changed = {"orderCode": body_sent["orderCode"], "amount": body_sent["amount"]}
        return httpx.Response(200, json=payos_samples.link(qrCode=payos_samples.qr_for(amount=OWED), **changed))
    if request.url.host == "test-payment.momo.vn":
        answer = {"resultCode": 0, "payUrl": "https://pay.example/1", "orderId": json.loads(body)["orderId"]}
        return httpx.Response(200, json=answer)
    assert request.url.host == "sb-openapi.zalopay.vn"
    return httpx.Response(200, json={"return_code": 1, "order_url": "https://pay.example/1"})


@pytest.fixture
async def flow(database: DatabaseAddress, app_database: Database) -> AsyncIterator[PaymentFlow]:
    hospital = await add_demo_hospital(database.owner_url)
    owner = await Database.open(database.owner_url, limits=DatabaseLimits(connections_max=1))
    for place, provider in enumerate(SETTINGS):
        await Setup(owner, utc_now, Ids(utc_now)).add_provider_account(
            hospital.organization_id,
            name=provider,
            provider=provider,
            bank_account=NewBankAccount(bank_bin="970436", account_number=f"999000{place}", holder="BENH VIEN 1"),
            settings={},
            secret_name=provider,
        )
    await owner.close()
    async with httpx.AsyncClient(transport=httpx.MockTransport(_outside), trust_env=False) as outside:

        def build(row: ProviderAccountRow) -> BuiltProvider:
            if row.provider == "sandbox":
                return build_sandbox(row)
            return BuiltProvider(open_provider(row.provider, SETTINGS[row.provider], outside), allow_all)

        context = build_context(app_database, build_provider=build)
        async with Intake(context) as intake:
            application = create_application(context=context, intake=intake, limits=LIMITS)
            async with (
                serving(application) as address,
                httpx.AsyncClient(
                    base_url=address, headers=hospital.authorization, timeout=20, event_hooks=HOOKS
                ) as client,
            ):
                yield PaymentFlow(context=context, client=client, prefix=f"/callbacks/{hospital.organization_id}")


@pytest.mark.parametrize("provider", sorted(CALLBACKS))
async def test_payment_is_booked_once_and_forged_payment_never(flow: PaymentFlow, provider: str) -> None:
    intent = await flow.open_intent(provider)
    reference, now = intent["reference_code"], flow.context.clock()
    paid = CALLBACKS[provider](reference, OWED, now)

    forged = await flow.deliver(provider, CALLBACKS[provider](reference, OWED, now, secret=OTHER))
    assert 'success": true' not in forged.text
    before = await flow.state(intent)
    answers = [await flow.deliver(provider, paid) for _ in range(3)]

    assert before[1:] == (OWED, [])
    assert {answer.status_code for answer in answers} <= {200, 204}, [answer.text for answer in answers]
    assert await flow.state(intent) == ("succeeded", 0, [OWED])


@pytest.mark.parametrize("provider", ["vnpay", "payos", "momo"])
async def test_failure_after_success_changes_nothing_and_failure_before_success_blocks_nothing(
    flow: PaymentFlow, provider: str
) -> None:
    intent = await flow.open_intent(provider)
    reference, now = intent["reference_code"], flow.context.clock()
    failed = CALLBACKS[provider](reference, OWED, now, failed=True)

    for callback in (failed, CALLBACKS[provider](reference, OWED, now + timedelta(seconds=1)), failed):
        answer = await flow.deliver(provider, callback)
        assert answer.status_code in {200, 204}, answer.text

    assert await flow.state(intent) == ("succeeded", 0, [OWED])


async def test_two_transfers_under_one_link_are_two_payments(flow: PaymentFlow) -> None:
    intent = await flow.open_intent("payos")
    code, at = order_code(intent["reference_code"]), flow.context.clock().isoformat()

    for reference, amount in (("TF1", 100_000), ("TF2", 36_000), ("TF1", 100_000)):
        callback = payos_samples.signed_callback(
            orderCode=code, amount=amount, reference=reference, transactionDateTime=at
        )
        assert (await flow.deliver("payos", callback)).status_code == 200

    assert await flow.state(intent) == ("succeeded", 0, [36_000, 100_000])


@pytest.mark.parametrize("provider", sorted(CALLBACKS))
async def test_money_of_another_merchant_is_booked_nowhere(flow: PaymentFlow, provider: str) -> None:
    intent = await flow.open_intent(provider)
    reference, now = intent["reference_code"], flow.context.clock()
    milliseconds = int(now.timestamp() * 1000)
    callback = {
        "vnpay": lambda: vnpay_samples.signed_ipn(
            vnp_TmnCode="OTHER001", vnp_TxnRef=reference, vnp_Amount=str(OWED * 100)
        ),
        "payos": lambda: payos_samples.signed_callback(
            orderCode=order_code(reference), amount=OWED, accountNumber="0099"
        ),
        "momo": lambda: momo_samples.signed_callback(partnerCode="OTHER", orderId=reference, amount=OWED),
        "zalopay": lambda: zalopay_samples.signed_callback(
            app_id=1, app_trans_id=f"260102_{reference}", amount=OWED, server_time=milliseconds
        ),
        "sepay": lambda: sepay_samples.signed(at=now, accountNumber="0099", content=reference, transferAmount=OWED),
    }[provider]()

    answer = await flow.deliver(provider, callback)

    assert answer.status_code in {200, 204}
    assert (await flow.state(intent))[1:] == (OWED, [])
    exceptions = (await flow.client.get("/v1/exceptions")).json()["items"]
    assert [each["reason"] for each in exceptions] == ["foreign_account"]


@pytest.mark.parametrize("timestamp", ["0001-01-01 00:00:00", "9999-12-31T23:59:59-05:00", "1970-01-01T00:00:00Z"])
@pytest.mark.parametrize("provider", ["payos", "sepay"])
async def test_payment_with_an_invalid_timestamp_is_dated_by_its_arrival(
    flow: PaymentFlow, provider: str, timestamp: str
) -> None:
    intent = await flow.open_intent(provider)
    reference, now = intent["reference_code"], flow.context.clock()
    callback = {
        "payos": lambda: payos_samples.signed_callback(
            orderCode=order_code(reference), amount=OWED, transactionDateTime=timestamp, code="00"
        ),
        "sepay": lambda: sepay_samples.signed(
            at=now, content=reference, transferAmount=OWED, transactionDate=timestamp, code=None
        ),
    }[provider]()

    answer = await flow.deliver(provider, callback)

    assert answer.status_code == 200, answer.text
    assert await flow.state(intent) == ("succeeded", 0, [OWED])
    [payment] = (await flow.client.get("/v1/payments")).json()["items"]
    assert abs(datetime.fromisoformat(payment["occurred_at"]) - now) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("amount", "is_ours", "response_code"), [(OWED - 1, True, "04"), (OWED, False, "01"), (OWED, True, "00")]
)
async def test_vnpay_receives_the_error_once_and_then_already_recorded(
    flow: PaymentFlow, amount: int, is_ours: bool, response_code: str
) -> None:
    """VNPAY calls again after 01 and 04, up to ten times: the money is booked, and the second answer ends it."""
    intent = await flow.open_intent("vnpay")
    reference = intent["reference_code"] if is_ours else "NOTOURS01"
    callback = vnpay_callback(reference, amount, flow.context.clock())

    answers = [(await flow.deliver("vnpay", callback)).json()["RspCode"] for _ in range(3)]

    assert answers == [response_code, "02", "02"]
    assert (await flow.state(intent))[2] == [amount]


async def test_vnpay_that_calls_ten_times_at_once_receives_the_error_once(flow: PaymentFlow) -> None:
    intent = await flow.open_intent("vnpay")
    callback = vnpay_callback(intent["reference_code"], OWED - 1, flow.context.clock())

    answers = await asyncio.gather(*(flow.deliver("vnpay", callback) for _ in range(10)))

    assert sorted(answer.json()["RspCode"] for answer in answers) == ["02"] * 9 + ["04"]

"""Bill inquiries of a bank: over real HTTP, answered from the database, and nothing is changed."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest

from billing.core.errors import Unavailable
from billing.db.database import Database
from billing.organizations.service.provider_accounts import BuiltProvider
from billing.organizations.store.organizations import ProviderAccountRow
from billing.payments.service.intake import Intake
from billing.web import callbacks
from billing.web.server import create_application, serving
from providers.contract import BadSignature, Bill, BillInquiry, Callback, Inquiries, Notices, Reply
from providers.sandbox.adapter import Sandbox
from tests.builders import ACCOUNT_NAME, add_demo_hospital, build_context, build_sandbox
from tests.conftest import DatabaseAddress
from tests.flow import OWED, PaymentFlow

TOKEN = "the-word-between-bank-and-hospital"


class CollectingBank(Sandbox, Inquiries):
    """A bank of few words: `POST …/inquiry {"code"}` with a token; everything else is the sandbox's."""

    def read_callback(self, callback: Callback) -> Notices | BillInquiry | Reply:
        if callback.path_suffix != "inquiry":
            return super().read_callback(callback)
        if callback.header("x-token") != TOKEN:
            raise BadSignature(_reply_of(401, {"result": "who are you"}))
        return BillInquiry(str(json.loads(callback.body)["code"]))

    def answer_inquiry(self, callback: Callback, inquiry: BillInquiry, bill: Bill | None) -> Reply:
        if bill is None:
            return _reply_of(404, {"code": inquiry.reference})
        return _reply_of(200, {"code": bill.reference, "remaining": bill.remaining, "state": bill.state.value})

    def answer_inquiry_later(self, callback: Callback, inquiry: BillInquiry) -> Reply:
        return _reply_of(503, {"result": "later"})


def _reply_of(status: int, what: dict[str, Any]) -> Reply:
    return Reply(status=status, body=json.dumps(what).encode())


def build_bank(row: ProviderAccountRow) -> BuiltProvider:
    plain = build_sandbox(row).provider
    assert isinstance(plain, Sandbox)
    return BuiltProvider(CollectingBank(plain._settings, plain._client))


@dataclass(slots=True)
class Counter:
    """The bank's side: it inquires by code, of either organization."""

    flow: PaymentFlow
    client: httpx.AsyncClient

    async def inquire(self, code: str, *, organization: int = 1, token: str = TOKEN) -> tuple[int, dict[str, Any]]:
        answer = await self.client.post(
            f"/callbacks/{organization}/{ACCOUNT_NAME}/inquiry", json={"code": code}, headers={"x-token": token}
        )
        return answer.status_code, answer.json()

    async def rows_of(self, table: str) -> int:
        async with self.flow.context.database.transaction(self.flow.hospital.organization_id) as tx:
            return int(await tx.fetchval(f"SELECT count(*) FROM {table}"))


@pytest.fixture
async def counter(database: DatabaseAddress, app_database: Database) -> AsyncIterator[Counter]:
    hospital = await add_demo_hospital(database.owner_url)
    await add_demo_hospital(database.owner_url, organization=2, facility_code="01002")
    context = build_context(app_database, build_provider=build_bank)
    account = await context.accounts.find(hospital.organization_id, ACCOUNT_NAME)
    assert account is not None
    async with Intake(context) as intake:
        application = create_application(context=context, intake=intake)
        async with serving(application) as address, httpx.AsyncClient(base_url=address, timeout=20) as client:
            yield Counter(PaymentFlow(context, hospital, account), client)


async def test_open_bill_is_reported_with_what_remains_and_nothing_is_changed(counter: Counter) -> None:
    started = await counter.flow.start_intent()

    answers = [await counter.inquire(started.code) for _ in range(2)]

    assert answers == [(200, {"code": started.code, "remaining": OWED, "state": "open"})] * 2
    assert (await counter.rows_of("delivery"), await counter.rows_of("event_key")) == (0, 0)


async def test_bill_that_was_paid_in_part_collects_the_rest(counter: Counter) -> None:
    started = await counter.flow.start_intent()
    await counter.flow.deliver(counter.flow.notice("T1", started.code, amount=36_000))

    assert await counter.inquire(started.code) == (
        200,
        {"code": started.code, "remaining": OWED - 36_000, "state": "open"},
    )


async def test_paid_bill_collects_nothing_under_any_of_its_codes(counter: Counter) -> None:
    started = await counter.flow.start_intent()
    other = await counter.flow.intent([started.invoice_id])
    await counter.flow.deliver(counter.flow.notice("T1", started.code))

    assert await counter.inquire(started.code) == (200, {"code": started.code, "remaining": 0, "state": "paid"})
    assert await counter.inquire(other.code) == (200, {"code": other.code, "remaining": 0, "state": "paid"})


async def test_expired_bill_is_reported_before_the_clock_has_marked_it(counter: Counter) -> None:
    started = await counter.flow.start_intent()
    now = counter.flow.context.clock()
    counter.flow.context.clock = lambda: now + timedelta(minutes=31)

    status, answers = await counter.inquire(started.code)

    assert (status, answers["state"], answers["remaining"]) == (200, "expired", OWED)


@pytest.mark.parametrize("code", ["K7ABCDEFR", "", "' OR 1=1", "x" * 300, "K7AB\x00DEFR", "Mã\u0301"])
async def test_code_that_was_never_given_is_no_bill(counter: Counter, code: str) -> None:
    await counter.flow.start_intent()

    assert await counter.inquire(code) == (404, {"code": code})


async def test_code_of_another_organization_or_account_is_no_bill(counter: Counter) -> None:
    started = await counter.flow.start_intent()

    assert await counter.inquire(started.code, organization=2) == (404, {"code": started.code})


async def test_whoever_is_not_the_bank_gets_no_answer(counter: Counter) -> None:
    started = await counter.flow.start_intent()

    assert await counter.inquire(started.code, token="guess") == (401, {"result": "who are you"})


async def test_bank_is_answered_try_later_without_a_database(counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object) -> None:
        raise Unavailable("no database")

    started = await counter.flow.start_intent()
    monkeypatch.setattr(callbacks, "find_bill", fail)

    assert await counter.inquire(started.code) == (503, {"result": "later"})

"""The payment flow with a bank that can be queried: its book is served over real HTTP, with faults on request."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx
from aiohttp import web

from billing.organizations.service.provider_accounts import BuiltProvider
from billing.organizations.store.organizations import ProviderAccountRow
from billing.payments.service.context import PaymentContext
from billing.payments.service.intake import Intake
from providers.contract import Callback, Notices
from providers.sandbox.adapter import Sandbox
from providers.sandbox.bank_simulator import BankSimulator
from providers.sandbox.message import SIGNATURE_HEADER, SandboxMessage, SandboxSettings, signature_header
from tests.builders import SANDBOX_SECRET, DemoHospital
from tests.flow import PaymentFlow
from tests.worker.webhook_env import ManualClock


@dataclass(slots=True, kw_only=True)
class PollingFlow:
    """A hospital, its bank and the bank's address for queries; with `status` 200 the book answers."""

    flow: PaymentFlow
    bank: BankSimulator
    clock: ManualClock
    intake: Intake
    status: int = 200
    hang: bool = False
    queries: list[bytes] = field(default_factory=list)

    @property
    def context(self) -> PaymentContext:
        return self.flow.context

    @property
    def hospital(self) -> DemoHospital:
        return self.flow.hospital

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.queries.append(body)
        if self.hang:
            await asyncio.sleep(3600)
        if self.status != 200:
            return web.Response(status=self.status)
        answer = self.bank.transactions.answer(body, request.headers.get(SIGNATURE_HEADER))
        return web.Response(status=answer.status, headers=answer.headers, body=answer.body)

    async def qr_of(self, intent_id: Any) -> str:
        instruction = (await self.flow.read(intent_id)).instruction
        assert instruction is not None
        return instruction.qr_payload

    async def call_back(self, message: SandboxMessage) -> str:
        """Deliver a message of the bank about a transaction as its callback would."""
        body = message.model_dump_json().encode()
        signature = signature_header(self.hospital.settings.key, self.clock(), body)
        callback = Callback("POST", "", "", (), ((SIGNATURE_HEADER, signature),), body, "127.0.0.1", self.clock())
        provider = self.flow.account.provider
        assert isinstance(provider, Sandbox)
        notices = provider.read_callback(callback)
        assert isinstance(notices, Notices)
        return str((await self.intake.submit(self.flow.delivery(*notices.notices))).verdict)

    async def status_polls(self) -> list[dict[str, Any]]:
        return await self.rows("SELECT * FROM status_poll ORDER BY intent_id")

    async def rows(self, statement: str) -> list[dict[str, Any]]:
        async with self.context.database.transaction(self.hospital.organization_id) as tx:
            return [dict(row) for row in await tx.fetch(statement)]


@asynccontextmanager
async def serve_queries(answer: Any) -> AsyncIterator[str]:
    """Serve one handler on a free port; gives its address."""
    application = web.Application()
    application.router.add_post("/query", answer)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/query"
    finally:
        await runner.cleanup()


def bank_of(hospital: DemoHospital, clock: ManualClock) -> BankSimulator:
    """A bank that sends no callback: transfers are made and recorded in its book."""
    return BankSimulator(httpx.AsyncClient(), "http://127.0.0.1:9/", hospital.settings, clock=clock, random=Random(1))


def sandbox_with_queries(client: httpx.AsyncClient, query_url: str) -> Any:
    """Build the sandbox with an address for queries."""

    def build(row: ProviderAccountRow) -> BuiltProvider:
        values = {**row.settings, "secret": SANDBOX_SECRET, "query_url": query_url, "timeout_s": 1.0}
        return BuiltProvider(Sandbox(SandboxSettings.model_validate(values), client))

    return build

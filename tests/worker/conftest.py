"""A hospital with webhooks, and one with status polls, on a fresh database and a manual clock."""

from collections.abc import AsyncIterator

import httpx
import pytest
from aiohttp import web

from billing.db.database import Database
from billing.payments.service.intake import Intake
from tests.builders import ACCOUNT_NAME, add_demo_hospital, build_context
from tests.conftest import DatabaseAddress
from tests.flow import PaymentFlow
from tests.worker.polling_flow import PollingFlow, bank_of, sandbox_with_queries, serve_queries
from tests.worker.webhook_env import ManualClock, WebhookEnvironment


@pytest.fixture
async def webhook_env(database: DatabaseAddress, app_database: Database) -> WebhookEnvironment:
    clock = ManualClock()
    hospital = await add_demo_hospital(database.owner_url, clock=clock)
    context = build_context(app_database, clock=clock)
    return WebhookEnvironment(context=context, hospital=hospital, owner_url=database.owner_url, clock=clock)


@pytest.fixture
async def polling_flow(database: DatabaseAddress, app_database: Database) -> AsyncIterator[PollingFlow]:
    clock = ManualClock()
    hospital = await add_demo_hospital(database.owner_url, clock=clock)
    made: list[PollingFlow] = []

    async def answer(request: web.Request) -> web.Response:
        return await made[0].answer(request)

    async with (
        serve_queries(answer) as query_url,
        httpx.AsyncClient(timeout=1.0, trust_env=False) as client,
    ):
        context = build_context(app_database, clock=clock, build_provider=sandbox_with_queries(client, query_url))
        account = await context.accounts.find(hospital.organization_id, ACCOUNT_NAME)
        assert account is not None
        async with Intake(context) as intake:
            flow = PaymentFlow(context, hospital, account)
            made.append(PollingFlow(flow=flow, bank=bank_of(hospital, clock), clock=clock, intake=intake))
            yield made[0]

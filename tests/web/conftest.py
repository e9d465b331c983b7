"""The service on a real socket for each test, on a fresh database with one hospital."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from secrets import token_urlsafe

import httpx
import pytest

from billing.db.database import Database
from billing.payments.service.intake import Intake
from billing.web.app_state import WebLimits
from billing.web.server import create_application, serving
from tests.builders import DemoHospital, add_demo_hospital, build_context
from tests.conftest import DatabaseAddress
from tests.web.site import Site

LIMITS = WebLimits(
    visit_size_max=1024 * 1024, statement_size_max=4 * 1024 * 1024, body_timeout_s=1.0, shutdown_timeout_s=1.0
)


async def give_key(request: httpx.Request) -> None:
    """As a client library would: every creating request that names no key gets a fresh one."""
    if request.method == "POST" and request.url.path.startswith("/v1/"):
        request.headers.setdefault("Idempotency-Key", token_urlsafe())


HOOKS = {"request": [give_key]}


@asynccontextmanager
async def serving_site(
    hospital: DemoHospital, database: DatabaseAddress, app_database: Database, limits: WebLimits = LIMITS
) -> AsyncIterator[Site]:
    context = build_context(app_database)
    async with Intake(context) as intake:
        application = create_application(context=context, intake=intake, limits=limits)
        async with (
            serving(application) as address,
            httpx.AsyncClient(
                base_url=address, headers=hospital.authorization, timeout=20, event_hooks=HOOKS
            ) as client,
            httpx.AsyncClient(base_url=address, timeout=20, event_hooks=HOOKS) as anonymous_client,
        ):
            yield Site(
                address=address,
                application=application,
                context=context,
                intake=intake,
                hospital=hospital,
                database=database,
                client=client,
                anonymous_client=anonymous_client,
            )


@pytest.fixture
async def site(hospital: DemoHospital, database: DatabaseAddress, app_database: Database) -> AsyncIterator[Site]:
    async with serving_site(hospital, database, app_database) as opened:
        yield opened


@pytest.fixture
async def other_organization(site: Site) -> DemoHospital:
    """A second organization on the same installation."""
    return await add_demo_hospital(site.database.owner_url, organization=2, facility_code="01002")

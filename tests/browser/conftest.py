"""A real browser at the service: Debian's chromium, a phone's window, every complaint of the page kept.

One chromium serves the whole session, so these tests and their fixtures run in the loop of the session.
"""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from billing.db.database import Database, DatabaseLimits
from tests.builders import DemoHospital
from tests.conftest import DatabaseAddress
from tests.web.conftest import serving_site
from tests.web.site import Site

PHONE = {"width": 390, "height": 844}
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest_asyncio.fixture(loop_scope="session")
async def app_database(database: DatabaseAddress) -> AsyncIterator[Database]:
    opened = await Database.open(database.app_url, limits=DatabaseLimits(connections_max=4))
    yield opened
    await opened.close()


@pytest_asyncio.fixture(loop_scope="session")
async def site(hospital: DemoHospital, database: DatabaseAddress, app_database: Database) -> AsyncIterator[Site]:
    """The same service as for the tests without a browser."""
    async with serving_site(hospital, database, app_database) as opened:
        yield opened


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(require: Callable[[str], Path]) -> AsyncIterator[Browser]:
    program = require("chromium")
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield opened
        await opened.close()


@pytest_asyncio.fixture(loop_scope="session")
async def phone(browser: Browser) -> AsyncIterator[BrowserContext]:
    context = await browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, locale="vi-VN")
    yield context
    await context.close()


class Complaints(list[str]):
    """Errors of a page: script errors, policy violations, requests to other hosts."""

    def watch(self, page: Page, address: str) -> None:
        page.on("pageerror", lambda error: self.append(str(error)))
        page.on("console", lambda message: self.append(message.text) if message.type in ("error", "warning") else None)
        page.on(
            "request", lambda request: None if request.url.startswith((address, "data:")) else self.append(request.url)
        )


@pytest.fixture
def complaints() -> Complaints:
    return Complaints()

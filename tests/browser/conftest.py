"""A real browser at the service: Debian's chromium, a phone's window, every complaint of the page kept."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from tests.web.conftest import site  # noqa: F401 - the same service as for the tests without a browser

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


@pytest.fixture
async def browser(require: Callable[[str], Path]) -> AsyncIterator[Browser]:
    program = require("chromium")
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield opened
        await opened.close()


@pytest.fixture
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

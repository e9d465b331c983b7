"""The page of the API in a real browser: it displays every operation, and requests nothing from another host."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, Page, expect

from tests.browser.conftest import Complaints
from tests.web.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")


_DISPLAYED = """
    blocks => blocks.map(block => [block.querySelector(".opblock-summary-method").textContent,
        block.querySelector("[data-path]").dataset.path])
"""

_SCREENS_MAX = 200


async def _scroll(page: Page) -> AsyncIterator[None]:
    """Scroll to the end, a screen at a time: of a long document, Swagger UI renders only what is near the screen."""
    await page.locator(".opblock").first.wait_for(timeout=30_000)
    for _ in range(_SCREENS_MAX):
        yield
        before = await page.evaluate("scrollY")
        await page.evaluate("scrollBy(0, innerHeight / 2)")
        await page.wait_for_timeout(50)
        if await page.evaluate("scrollY") == before:
            return


async def test_page_displays_every_operation_and_fits_a_phone(
    site: Site, phone: BrowserContext, complaints: Complaints, tmp_path: Path
) -> None:
    document = (await site.anonymous_client.get("/openapi.json")).json()
    described = {**document["paths"], **document["webhooks"]}
    page = await phone.new_page()
    await page.set_viewport_size({"width": 375, "height": 740})
    complaints.watch(page, site.address)

    await page.goto(f"{site.address}/docs")

    displayed: set[tuple[str, str]] = set()
    async for _ in _scroll(page):
        displayed |= {(method, path) for method, path in await page.locator(".opblock").evaluate_all(_DISPLAYED)}
    await page.screenshot(path=tmp_path / "api-docs.png")  # for a person to look at
    scrolled, shown = await page.evaluate(
        "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert displayed == {(method.upper(), path) for path, methods in described.items() for method in methods}
    assert scrolled <= shown
    assert complaints == []


async def test_request_is_sent_with_the_key_that_was_entered(
    site: Site, phone: BrowserContext, complaints: Complaints
) -> None:
    page = await phone.new_page()
    complaints.watch(page, site.address)
    await page.goto(f"{site.address}/docs")
    await page.get_by_role("button", name="Authorize").click()
    key = site.hospital.authorization["Authorization"].removeprefix("Bearer ")
    await page.locator(".auth-container input").fill(key)
    await page.locator(".auth-btn-wrapper button[type=submit]").click()
    await page.locator(".close-modal").click()
    operation = page.locator(".opblock", has=page.locator("[data-path='/v1/visits']")).filter(has_text="GET")
    async for _ in _scroll(page):
        if await operation.count():
            break
    await operation.locator(".opblock-summary-control").click()
    await operation.get_by_role("button", name="Try it out").click()
    await operation.get_by_role("button", name="Execute").click()

    await expect(operation.locator(".live-responses-table tr.response .response-col_status").first).to_contain_text(
        "200"
    )
    assert complaints == []

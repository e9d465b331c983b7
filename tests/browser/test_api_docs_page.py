"""The page of the API in a real browser: it displays every operation, and requests nothing from another host."""

from pathlib import Path

from playwright.async_api import BrowserContext, expect

from tests.browser.conftest import Complaints
from tests.web.site import Site


async def test_page_displays_every_operation_and_fits_a_phone(
    site: Site, phone: BrowserContext, complaints: Complaints, tmp_path: Path
) -> None:
    document = (await site.anonymous_client.get("/openapi.json")).json()
    operations = sum(len(path) for path in (*document["paths"].values(), *document["webhooks"].values()))
    page = await phone.new_page()
    await page.set_viewport_size({"width": 375, "height": 740})
    complaints.watch(page, site.address)

    await page.goto(f"{site.address}/docs")

    await expect(page.locator(".opblock")).to_have_count(operations, timeout=30_000)
    await page.screenshot(path=tmp_path / "api-docs.png", full_page=True)  # for a person to look at
    scrolled, shown = await page.evaluate(
        "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
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
    await operation.locator(".opblock-summary-control").click()
    await operation.get_by_role("button", name="Try it out").click()
    await operation.get_by_role("button", name="Execute").click()

    await expect(operation.locator(".live-responses-table tr.response .response-col_status").first).to_contain_text(
        "200"
    )
    assert complaints == []

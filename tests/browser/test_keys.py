"""The letters of a machine: changed on the page of keys, shown on the desk, switched off. In a real browser."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.browser.conftest import Complaints
from tests.web.screens.desk_day import DeskDay, desk_day
from tests.web.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def day(site: Site) -> AsyncIterator[DeskDay]:
    async with desk_day(site) as opened:
        await opened.open_shift()
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser, site: Site, day: DeskDay, complaints: Complaints) -> AsyncIterator[Page]:
    window = await browser.new_context(viewport={"width": 1366, "height": 768}, locale="vi-VN")
    await window.add_cookies([{"name": "vienphi", "value": day.staff.cookie, "url": site.address}])
    opened = await window.new_page()
    complaints.watch(opened, site.address)
    await opened.goto(site.address + "/desk/keys")
    yield opened
    await window.close()


async def test_letters_are_changed_by_keyboard_and_hold_on_every_page_of_the_machine(
    page: Page, site: Site, day: DeskDay, complaints: Complaints
) -> None:
    visit_id = await day.visit()
    await page.locator("#key-cash").focus()
    await page.keyboard.type("v")
    await page.keyboard.press("Tab")
    await expect(page.locator("#keys-kept")).to_be_visible()

    await page.locator("#key-qr").fill("v")
    await page.keyboard.press("Tab")
    await expect(page.locator("#keys-wrong")).to_be_visible()
    await page.reload()
    await expect(page.locator("#key-cash")).to_have_value("V")
    await expect(page.locator("#key-qr")).to_have_value("Q")

    await page.locator("#key-whatif").fill("j")
    await page.keyboard.press("Tab")
    await page.goto(f"{site.address}/desk/visits/{visit_id}?method=qr")
    await expect(page.locator("kbd[data-kbd=whatif]").first).to_have_text("J")
    await page.evaluate("document.activeElement.blur()")
    await page.keyboard.press("c")
    await page.wait_for_timeout(300)
    await expect(page.locator("#part")).to_be_visible()
    await page.keyboard.press("v")
    await expect(page.locator("#given")).to_be_visible()
    assert complaints == []


async def test_first_letters_come_back_and_the_lock_has_one(page: Page, site: Site, complaints: Complaints) -> None:
    await page.locator("#key-lock").fill("")
    await page.keyboard.press("Tab")
    await page.reload()
    await expect(page.locator("#key-lock")).to_have_value("")
    await page.locator("#keys-reset").press("Enter")
    await expect(page.locator("#key-lock")).to_have_value("L")

    await page.goto(site.address + "/desk")
    await page.evaluate("document.activeElement.blur()")
    await page.keyboard.press("l")

    await page.wait_for_url("**/sign-in**")
    assert complaints == []

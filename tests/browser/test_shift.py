"""A cashier's shift in a real browser at 1366×768, by keyboard: opened, collected, counted, closed to the đồng."""

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.conftest import Complaints
from tests.flow import assert_books_are_right
from tests.web.screens.morning import PIN, Morning, staffed
from tests.web.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def type_notes(page: Page, notes: dict[str, int]) -> None:
    """Type the numbers of notes and move on with Tab, as a cashier counts a drawer."""
    await page.focus("#n500000")
    while True:
        field = await page.evaluate("document.activeElement.id")
        number = notes.get(field.removeprefix("n"))
        if number:
            await page.keyboard.type(str(number))
        await page.keyboard.press("Tab")
        if field == "n100":
            return


async def open_page(browser: Browser, morning: Morning, complaints: Complaints) -> Page:
    context = await browser.new_context(viewport={"width": 1366, "height": 768}, locale="vi-VN")
    address = morning.site.address
    await context.add_cookies([{"name": "vienphi", "value": morning.cashier.cookie, "url": address}])
    page = await context.new_page()
    complaints.watch(page, address)
    await page.goto(f"{address}/shift")
    return page


async def test_shift_is_opened_collected_counted_and_closed_to_the_dong(
    browser: Browser, site: Site, complaints: Complaints
) -> None:
    async with staffed(site) as morning:
        page = await open_page(browser, morning, complaints)
        await type_notes(page, {"100000": 4, "50000": 2})
        await expect(page.locator("#notes-total")).to_have_text("500.000\u00a0đ")
        await page.keyboard.type("500000")
        await page.keyboard.press("Enter")
        await expect(page.locator("h1")).to_contain_text("Ca của tôi")
        await morning.take(137_500, tendered=200_000)
        await page.goto(f"{site.address}/shift/close")
        await page.focus("main a.primary.big")
        await page.keyboard.press("Enter")
        await type_notes(page, {"200000": 2, "100000": 1, "50000": 2, "20000": 1, "10000": 1, "5000": 1, "2000": 1})
        await expect(page.locator("#notes-total")).to_have_text("637.000\u00a0đ")

        await page.reload()
        await expect(page.locator("#n200000")).to_have_value("2")
        assert "637.500" not in await page.content()
        await page.fill("#n500", "1")
        await page.keyboard.press("Enter")
        await expect(page.locator("button.primary.big")).to_contain_text("Đã đối chiếu")
        await page.focus("button.primary.big")
        await page.keyboard.press("Enter")
        await expect(page.locator(".sides")).to_contain_text("637.500")
        await page.fill("#second_secret", PIN)
        await page.keyboard.press("Enter")

        await expect(page.locator("h1")).to_contain_text("Biên bản chốt ca")
        await expect(page.locator(".sides .good")).to_contain_text("0")
        [row] = await site.as_owner("SELECT state, counted_cash - expected_cash AS difference FROM shift")
        assert tuple(row) == ("closed", 0)
        await assert_books_are_right(site.context.database)
    assert complaints == []

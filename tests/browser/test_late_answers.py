"""An answer that comes after the page has moved on to another patient changes nothing on it."""

import asyncio

import pytest
from playwright.async_api import Page, Route, expect

from tests.browser.conftest import Complaints
from tests.browser.test_cashier_desk import choose_code, day, page, panel, scan, window
from tests.web.screens.desk_day import DeskDay

__all__ = ["day", "page", "window"]
pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_late_answer_for_one_patient_leaves_the_page_of_the_next(
    page: Page, day: DeskDay, complaints: Complaints
) -> None:
    await day.visit("LK0001")
    await day.visit(
        "LK0002",
        patient={"HO_TEN": "Trần Thị Bình", "NGAY_SINH": "1990"},
        lines={"L1": ("XN-9", "Siêu âm", "400000", 1)},
    )
    await scan(page)
    await panel(page, "unpaid").to_be_visible()
    arrived, released = asyncio.Event(), asyncio.Event()

    async def hold(route: Route) -> None:
        arrived.set()
        await released.wait()
        await route.continue_()

    await choose_code(page)
    await page.route("**/pay?refresh*", hold)
    await page.locator("#part").press("Enter")
    await panel(page, "waiting").to_be_visible()
    await asyncio.wait_for(arrived.wait(), 20)
    await page.keyboard.press("F2")
    await expect(page.get_by_role("heading", name="Trần Thị Bình")).to_be_visible()
    before = await page.locator(".totals").text_content(), await page.locator("#pay").text_content()

    released.set()
    await page.wait_for_timeout(1_000)

    assert (await page.locator(".totals").text_content(), await page.locator("#pay").text_content()) == before
    assert complaints == []

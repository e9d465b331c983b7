"""Connections are cut at random while a cashier works in the browser: no receipt is lost or doubled."""

from collections import Counter
from random import Random

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.test_cashier_desk import day
from tests.flow import assert_books_are_right
from tests.rounds import long_rounds
from tests.web.screens.cut_connections import Cut, CuttingGate
from tests.web.screens.desk_day import DeskDay
from tests.web.site import Site

__all__ = ["day"]
pytestmark = pytest.mark.asyncio(loop_scope="session")

FLOAT = 500_000
_DONE = "#pay[data-state=issued]"
_FREE = "#pay-form button[type=submit]:not([disabled]):not([aria-busy])"
_RECEIPTS = """
    SELECT receipt.visit_id, receipt.amount, part.method
    FROM receipt JOIN receipt_part AS part ON part.receipt_id = receipt.id
"""


_WATCH = """() => document.addEventListener("htmx:afterRequest", ({ detail }) => {
    if (detail.requestConfig.verb !== "get") document.body.dataset.ended = "yes";
})"""


async def press_until_issued(page: Page) -> int:
    """Press the button again and again, as a person does to whom nothing seems to happen; returns how often."""
    presses = 0
    await page.evaluate(_WATCH)
    while not await page.locator(_DONE).count():
        await page.evaluate("delete document.body.dataset.ended")
        await page.locator(_FREE).click()
        presses += 1
        await page.locator("body[data-ended]").wait_for()
        await page.locator(f"{_DONE}, {_FREE}").first.wait_for()
    return presses


async def take_until_cut(browser: Browser, site: Site, day: DeskDay, cuts: int, *, seed: int) -> None:
    taken: Counter[tuple[str, int, str]] = Counter()
    async with CuttingGate(site.address, Random(seed), share=0.7, cuts_max=cuts) as gate:
        window = await browser.new_context(viewport={"width": 1366, "height": 768}, locale="vi-VN")
        await window.add_cookies([{"name": "vienphi", "value": day.staff.cookie, "url": gate.address}])
        page = await window.new_page()
        presses = 0
        while not gate.is_done:
            visit_id = await day.visit(f"LK{len(taken)}")
            await page.goto(f"{gate.address}/desk/visits/{visit_id}")
            await page.locator("#given").fill("150000")
            presses += await press_until_issued(page)
            taken[str(visit_id), 100_000, "cash"] += 1
        await window.close()

    rows = await site.as_owner(_RECEIPTS)
    [shift] = await site.as_owner("SELECT id FROM shift")
    drawer = (await site.read(f"/v1/shifts/{shift['id']}"))["cash"]
    assert gate.cuts.total() == cuts
    assert presses > len(taken)
    assert Counter((str(row["visit_id"]), row["amount"], row["method"]) for row in rows) == taken
    assert drawer == FLOAT + 100_000 * len(taken)
    await assert_books_are_right(site.context.database)


@pytest.mark.short
async def test_receipts_of_the_desk_survive_cuts(browser: Browser, site: Site, day: DeskDay) -> None:
    await take_until_cut(browser, site, day, 6, seed=3)


@pytest.mark.slow
async def test_receipts_of_the_desk_survive_a_hundred_cuts(browser: Browser, site: Site, day: DeskDay) -> None:
    await take_until_cut(browser, site, day, long_rounds(100), seed=4)


@pytest.mark.parametrize(
    ("cut", "last_words"),
    [
        (Cut.UNANSWERED, b""),
        (Cut.IN_ANSWER, b"200 OK\r\n"),
        (Cut.IN_ANSWER, b"Content-Length: "),
        (Cut.IN_ANSWER, b"\r\n\r"),
        (Cut.IN_ANSWER, b"<"),
    ],
)
async def test_press_without_an_answer_is_stated_until_the_next_one_is_answered(
    browser: Browser, site: Site, day: DeskDay, cut: Cut, last_words: bytes
) -> None:
    visit_id = await day.visit()
    async with CuttingGate(site.address, Random(7), share=1.0, cuts_max=100) as gate:
        gate.kinds, gate.last_words = [cut], last_words
        window = await browser.new_context(viewport={"width": 1366, "height": 768}, locale="vi-VN")
        await window.add_cookies([{"name": "vienphi", "value": day.staff.cookie, "url": gate.address}])
        page = await window.new_page()
        await page.goto(f"{gate.address}/desk/visits/{visit_id}")
        await page.locator(_FREE).click()
        note = page.get_by_role("alert").filter(has_text="chưa có trả lời")
        await expect(note).to_be_visible()
        gate.share = 0.0
        await page.locator(_FREE).click()
        await expect(page.locator(_DONE)).to_be_visible()
        await expect(note).to_be_hidden()
        await window.close()

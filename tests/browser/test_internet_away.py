"""The Internet is away and the local network is not: the desk states it, goes on, and catches up."""

import pytest
from playwright.async_api import Page, expect

from providers.sandbox.bank_simulator import Behaviour
from tests.browser.test_cashier_desk import choose_code, day, page, panel, payload_of, window
from tests.flow import assert_books_are_right
from tests.web.screens.desk_day import DeskDay
from tests.web.screens.test_manual_confirmations import with_circuit
from tests.web.site import Site

__all__ = ["day", "page", "window"]
_TYPED = "Object.keys(sessionStorage).filter((key) => key.startsWith('desk:')).length"
pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_desk_without_internet_states_it_goes_on_and_catches_up(page: Page, site: Site, day: DeskDay) -> None:
    first, second = await day.visit("LK0001"), await day.visit("LK0002")
    with_circuit(site, is_open=True)
    await page.goto(f"{site.address}/desk/visits/{first}")
    await expect(page.locator("#line-state")).to_have_text("Mất Internet")

    await page.locator("#pay-form button[type=submit]").click()
    await panel(page, "issued").to_be_visible()
    await page.goto(f"{site.address}/desk/visits/{second}")
    await choose_code(page)
    await page.locator("#part").press("Enter")
    await panel(page, "waiting").to_be_visible()
    [before] = await site.as_owner("SELECT count(*) AS receipts FROM receipt")

    with_circuit(site, is_open=False)
    await expect(page.locator("#line-state")).to_have_text("Trực tuyến")
    await site.bank().pay(await payload_of(site), Behaviour.EXACT)
    await panel(page, "issued").to_be_visible(timeout=20_000)

    [after] = await site.as_owner("SELECT count(*) AS receipts FROM receipt")
    assert (before["receipts"], after["receipts"]) == (1, 2)
    await assert_books_are_right(site.context.database)


async def test_what_was_typed_is_gone_after_the_sign_out(page: Page, site: Site, day: DeskDay) -> None:
    visit_id = await day.visit()
    await page.goto(f"{site.address}/desk/visits/{visit_id}")
    await page.locator("#given").press_sequentially("150000", delay=130)
    assert await page.evaluate(_TYPED) == 1

    await page.goto(f"{site.address}/my/sessions")
    await page.locator("form[action='/sign-out'] button").click()
    await page.wait_for_url("**/sign-in**")

    assert await page.evaluate(_TYPED) == 0

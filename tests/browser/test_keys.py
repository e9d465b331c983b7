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


async def test_keys_act_on_every_page_of_the_cashier_and_leave_its_fields_alone(
    page: Page, site: Site, day: DeskDay, complaints: Complaints
) -> None:
    visit_id = await day.visit()
    await page.goto(f"{site.address}/shift")
    await page.keyboard.press("F10")
    await page.wait_for_url("**/shift/close")
    await page.keyboard.press("F9")
    await page.wait_for_url("**/desk/find-money")
    await page.goto(f"{site.address}/desk/visits/{visit_id}/refund")
    await page.locator("#l1").check()
    await page.locator("#pick button").click()
    await page.locator("#room").fill("")
    await page.keyboard.type("0105800000123 x?")
    await page.keyboard.press("Escape")
    await expect(page.locator("#room")).to_have_value("0105800000123 x?")

    await page.locator("#room").blur()
    await page.keyboard.press("t")
    await page.wait_for_url(f"**/desk/visits/{visit_id}/deposit")
    await page.goto(f"{site.address}/shift")
    await page.keyboard.press("Escape")
    await page.wait_for_url("**/desk")
    await page.goto(f"{site.address}/shift")
    await page.keyboard.press("F2")

    await page.wait_for_url(f"**/desk/visits/{visit_id}")
    await page.goto(f"{site.address}/desk/keys")
    await page.locator("#letters-off").check()
    await page.goto(f"{site.address}/shift")
    await page.keyboard.press("m")
    await page.keyboard.press("F10")
    await page.wait_for_url("**/shift/close")
    assert complaints == []


async def test_typing_into_a_proposed_amount_replaces_it(
    page: Page, site: Site, day: DeskDay, complaints: Complaints
) -> None:
    visit_id = await day.visit()
    await page.goto(f"{site.address}/desk/visits/{visit_id}/deposit")
    await expect(page.locator("#amount")).to_be_focused()
    await page.wait_for_function("getSelection().toString() !== ''")

    await page.keyboard.type("500000", delay=120)
    await expect(page.locator("#amount")).to_have_value("500000")
    await page.keyboard.press("Enter")

    await expect(page.locator("#pay[data-state=issued]")).to_be_visible()
    assert [row["amount"] for row in await site.as_owner("SELECT amount FROM receipt")] == [500_000]
    assert complaints == []


async def test_scan_over_a_selected_amount_is_searched_whole(page: Page, site: Site, day: DeskDay) -> None:
    visit_id = await day.visit()
    await page.goto(f"{site.address}/desk/visits/{visit_id}/deposit")
    await page.wait_for_function("getSelection().toString() !== ''")
    proposed = await page.locator("#amount").input_value()

    async with page.expect_request(lambda request: "/desk/find" in request.url) as search:
        await page.evaluate(
            """(text) => {
                for (const key of text) document.execCommand("insertText", false, key);
                const enter = new KeyboardEvent("keydown", {key: "Enter", bubbles: true, cancelable: true});
                document.activeElement.dispatchEvent(enter);
            }""",
            f"{proposed[0]}01058000001{proposed[-1]}",
        )

    assert f"q={proposed[0]}01058000001{proposed[-1]}" in (await search.value).url


async def test_keys_of_the_desk_work_from_the_field_that_has_the_focus(
    page: Page, site: Site, day: DeskDay, complaints: Complaints
) -> None:
    visit_id = await day.visit()
    await page.goto(f"{site.address}/desk/visits/{visit_id}")
    await expect(page.locator("#given")).to_be_focused()
    await page.locator("#scan").focus()
    await page.keyboard.press("F5")
    await expect(page.locator("#given")).to_be_focused()

    await page.keyboard.press("t")
    await page.wait_for_url("**/deposit")
    await page.goto(f"{site.address}/desk/visits/{visit_id}")
    await expect(page.locator("#given")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("#pay[data-state=issued]")).to_be_visible()
    await expect(page.locator("#scan")).to_be_focused()
    async with page.expect_popup() as paper:
        await page.keyboard.press("F4")

    await expect((await paper.value).locator("body")).to_contain_text("Đã thu lần này")
    assert complaints == []

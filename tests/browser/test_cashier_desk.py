"""The cashier's desk in a real browser at 1366×768, by keyboard only."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, LocatorAssertions, Page, expect

from providers.sandbox.bank_simulator import Behaviour
from tests.browser.conftest import Complaints
from tests.flow import assert_books_are_right
from tests.web.screens.desk_day import DeskDay, desk_day
from tests.web.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")

SCANNER = """(text) => {
    for (const key of text) {
        const field = document.activeElement;
        const down = new KeyboardEvent("keydown", {key, bubbles: true, cancelable: true});
        if (field.dispatchEvent(down) && field.matches("input")) document.execCommand("insertText", false, key);
    }
    const enter = new KeyboardEvent("keydown", {key: "Enter", bubbles: true, cancelable: true});
    document.activeElement.dispatchEvent(enter);
}"""
CITIZEN_CARD = "001058000001|012345678|Nguyen Van An|12031958|Nam|Hoa Giang|01012022"


@pytest_asyncio.fixture(loop_scope="session")
async def day(site: Site) -> AsyncIterator[DeskDay]:
    async with desk_day(site) as opened:
        await opened.open_shift()
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def window(browser: Browser, site: Site, day: DeskDay) -> AsyncIterator[BrowserContext]:
    opened = await browser.new_context(viewport={"width": 1366, "height": 768}, locale="vi-VN")
    await opened.add_cookies([{"name": "vienphi", "value": day.staff.cookie, "url": site.address}])
    yield opened
    await opened.close()


@pytest_asyncio.fixture(loop_scope="session")
async def page(window: BrowserContext, site: Site, complaints: Complaints) -> Page:
    opened = await window.new_page()
    complaints.watch(opened, site.address)
    await opened.goto(site.address + "/desk")
    return opened


async def scan(page: Page, text: str = CITIZEN_CARD) -> None:
    """A scanner: it types into whatever has the focus, faster than a test can by single keys, then Enter."""
    await page.wait_for_function("document.activeElement !== document.body || document.querySelector('#scan')")
    await page.evaluate(SCANNER, text)


def panel(page: Page, state: str) -> LocatorAssertions:
    return expect(page.locator(f"#pay[data-state={state}]"))


async def choose_code(page: Page) -> None:
    """Choose the payment code: one press is enough, as soon as the panel is seen."""
    await page.keyboard.press("F6")
    await page.locator("#part").wait_for()


async def keep(page: Page, folder: Path, name: str) -> None:
    """A picture for a person to look at."""
    await page.screenshot(path=folder / f"{name}.png", caret="initial")


async def payload_of(site: Site) -> str:
    [row] = await site.as_owner("SELECT id FROM intent ORDER BY id DESC LIMIT 1")
    intent = await site.read(f"/v1/intents/{row['id']}")
    payload: str = intent["instruction"]["qr_payload"]
    return payload


async def test_clock_of_the_bar_goes_on(window: BrowserContext, site: Site) -> None:
    page = await window.new_page()
    await page.clock.install()
    await page.goto(site.address + "/desk")
    clock = page.locator("#clock")
    shown = await clock.inner_text()

    await page.clock.fast_forward("10:00")

    await expect(clock).not_to_have_text(shown)


async def test_exact_cash_is_scan_enter_enter(
    page: Page, site: Site, day: DeskDay, complaints: Complaints, tmp_path: Path
) -> None:
    await day.visit()
    await keep(page, tmp_path, "cashier-idle")

    await scan(page)
    await panel(page, "unpaid").to_be_visible()
    await expect(page.locator("#what-if b").first).to_be_visible()
    await keep(page, tmp_path, "cashier-unpaid")
    await page.keyboard.press("Enter")

    await panel(page, "issued").to_be_visible()
    await keep(page, tmp_path, "cashier-paid")
    await expect(page.locator("#scan")).to_be_focused()
    await assert_books_are_right(site.context.database)
    assert complaints == []


async def test_card_that_is_scanned_twice_and_an_empty_search_leave_the_patient_on_the_desk(
    page: Page, day: DeskDay, complaints: Complaints
) -> None:
    visit_id = await day.visit()
    await scan(page)
    await panel(page, "unpaid").to_be_visible()

    await page.keyboard.press("Escape")
    await page.keyboard.press("Enter")
    await expect(page.locator("#scan")).to_be_focused()
    await scan(page)
    await expect(page.locator("#scan")).not_to_be_focused()
    await page.keyboard.press("Enter")

    await panel(page, "issued").to_be_visible()
    assert f"/desk/visits/{visit_id}" in page.url
    assert complaints == []


async def test_digits_go_to_the_cash_field_and_the_server_computes_the_change(
    page: Page, site: Site, day: DeskDay, complaints: Complaints
) -> None:
    visit_id = await day.visit()
    await page.goto(f"{site.address}/desk/visits/{visit_id}")
    await page.evaluate("document.activeElement.blur()")

    await page.keyboard.type("200000", delay=130)

    await expect(page.locator("#change output")).to_have_text("100.000 đ")
    await page.keyboard.press("Alt+1")
    await expect(page.locator(".totals .sum dd")).to_have_text("90.000 đ")
    assert complaints == []


async def test_code_paid_at_the_bank_turns_the_panel_and_makes_the_receipt(
    page: Page, window: BrowserContext, site: Site, day: DeskDay, complaints: Complaints, tmp_path: Path
) -> None:
    await day.visit()
    display = await window.new_page()
    complaints.watch(display, site.address)
    await display.goto(f"{site.address}/display/{day.desk_id}")
    await scan(page)
    await panel(page, "unpaid").to_be_visible()
    await expect(display.get_by_text("Nguyễn V. An – 1958")).to_be_visible()

    await page.keyboard.press("F6")
    await expect(page.locator("#part")).to_have_value("100.000")
    await page.locator("#part").press("Enter")
    await panel(page, "waiting").to_be_visible()
    await keep(page, tmp_path, "cashier-waiting")
    await expect(display.locator("figure svg")).to_be_visible()
    await keep(display, tmp_path, "customer-display")
    await site.bank().pay(await payload_of(site), Behaviour.EXACT)

    await panel(page, "issued").to_be_visible()
    await expect(display.get_by_text("Đã thanh toán")).to_be_visible()
    await keep(display, tmp_path, "customer-display-paid")
    await expect(page.get_by_text("QR · ngân hàng báo có")).to_be_visible()
    await assert_books_are_right(site.context.database)
    assert complaints == []


async def test_part_by_code_then_cash_is_one_receipt(
    page: Page, site: Site, day: DeskDay, complaints: Complaints, tmp_path: Path
) -> None:
    await day.visit()
    await scan(page)
    await panel(page, "unpaid").to_be_visible()
    await page.keyboard.press("F6")
    part = page.locator("#part")
    await expect(part).to_be_visible()
    await part.fill("60.000")
    await part.press("Enter")
    await panel(page, "waiting").to_be_visible()
    await site.bank().pay(await payload_of(site), Behaviour.EXACT)
    await panel(page, "part").to_be_visible()
    await keep(page, tmp_path, "cashier-mixed")

    await page.locator("#given").press("Enter")

    await panel(page, "issued").to_be_visible()
    [row] = await site.as_owner("SELECT count(*) AS receipts, sum(amount) AS amount FROM receipt")
    assert (row["receipts"], row["amount"]) == (1, 100_000)
    assert complaints == []


async def test_next_patient_is_served_while_a_code_waits(
    page: Page, site: Site, day: DeskDay, complaints: Complaints, tmp_path: Path
) -> None:
    await day.visit("LK0001")
    await day.visit("LK0002", patient={"HO_TEN": "Trần Thị Bình", "NGAY_SINH": "1990"})
    await scan(page)
    await panel(page, "unpaid").to_be_visible()
    await choose_code(page)
    await page.locator("#part").press("Enter")
    await panel(page, "waiting").to_be_visible()
    payload = await payload_of(site)

    await page.keyboard.press("F2")
    await expect(page.get_by_role("heading", name="Trần Thị Bình")).to_be_visible()
    await expect(page.locator("#waiting")).to_contain_text("Nguyễn V. An")
    await keep(page, tmp_path, "cashier-background")
    await site.bank().pay(payload, Behaviour.EXACT)

    await expect(page.locator("#waiting")).to_contain_text("Đã nhận tiền: Nguyễn V. An", timeout=20_000)
    async with page.expect_popup() as paper:
        await page.keyboard.press("F4")
    await expect((await paper.value).locator("body")).to_contain_text("Đã thu lần này")
    await expect(page.locator("#waiting")).not_to_contain_text("Nguyễn V. An", timeout=20_000)
    [row] = await site.as_owner("SELECT count(*) AS receipts FROM receipt")
    assert row["receipts"] == 1
    await expect(page.get_by_role("heading", name="Trần Thị Bình")).to_be_visible()
    assert complaints == []


async def test_too_much_under_a_code_is_kept_by_enter_and_prints_no_other_patient(
    page: Page, site: Site, day: DeskDay, complaints: Complaints
) -> None:
    """Money arrives while the cursor waits for a scan: the key on the button works, and F4 prints no other visit."""
    first = await day.visit("LK0001")
    second = await day.visit("LK0002", patient={"HO_TEN": "Trần Thị Bình", "NGAY_SINH": "1990"})
    for visit_id, behaviour in ((first, Behaviour.EXACT), (second, Behaviour.OVER)):
        await page.goto(f"{site.address}/desk/visits/{visit_id}?method=qr")
        await page.locator("#part").press("Enter")
        await panel(page, "waiting").to_be_visible()
        await site.bank().pay(await payload_of(site), behaviour)
        await panel(page, "issued" if visit_id == first else "over").to_be_visible()
    await expect(page.locator("#waiting")).to_contain_text("Đã nhận tiền: Nguyễn V. An", timeout=20_000)

    await page.keyboard.press("F4")
    await expect(page.locator("#scan")).to_be_focused()
    await page.keyboard.press("Enter")

    await panel(page, "issued").to_be_visible()
    async with page.expect_popup() as paper:
        await page.keyboard.press("F4")
    receipt = await paper.value
    await expect(receipt.locator("body")).to_contain_text("Trần Thị Bình")
    async with receipt.expect_event("close"):
        await receipt.evaluate(
            "setTimeout(() => document.dispatchEvent(new KeyboardEvent('keydown', {key: 'Escape'})))"
        )
    await expect(page.locator("#waiting")).to_contain_text("Đã nhận tiền: Nguyễn V. An")
    assert complaints == []


async def test_two_presses_make_one_receipt(page: Page, site: Site, day: DeskDay) -> None:
    visit_id = await day.visit()
    await page.goto(f"{site.address}/desk/visits/{visit_id}")

    await page.evaluate(
        """() => {
            const form = document.getElementById("pay-form");
            const send = () => fetch(form.action, {method: "POST", body: new FormData(form)});
            return Promise.all([send(), send(), send()]);
        }"""
    )

    [row] = await site.as_owner("SELECT count(*) AS receipts, sum(amount) AS amount FROM receipt")
    assert (row["receipts"], row["amount"]) == (1, 100_000)


async def test_server_away_is_stated_and_what_was_typed_stays(
    page: Page, window: BrowserContext, site: Site, day: DeskDay, tmp_path: Path
) -> None:
    visit_id = await day.visit()
    await page.goto(f"{site.address}/desk/visits/{visit_id}")
    await page.locator("#given").press_sequentially("150000", delay=130)

    await window.set_offline(True)
    await expect(page.locator("#server-away")).to_be_visible(timeout=3_000)
    await expect(page.locator("#pay-form button[type=submit]")).to_be_disabled()
    await keep(page, tmp_path, "cashier-server-away")
    await window.set_offline(False)
    await expect(page.locator("#server-away")).to_be_hidden()
    await page.reload()

    await expect(page.locator("#given")).to_have_value("150000")
    await expect(page.locator("#pay-form button[type=submit]")).to_be_enabled()

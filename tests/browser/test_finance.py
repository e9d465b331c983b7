"""A day of finance in the browser: import a statement, match, decide with keys, revert, close the day."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from billing.core.actor import Actor, Role
from billing.core.clock import business_date
from billing.reconciliation.service.find_exceptions import find_exceptions_once
from billing.reconciliation.service.match_lines import run_matching
from providers.sandbox.bank_simulator import Behaviour
from tests.browser.conftest import Complaints
from tests.reconciliation.statement_file import Line, statement_csv
from tests.web.screens.finance_day import NOBODY, code_of
from tests.web.site import Site
from tests.web.staff import Staff, signed_in

pytestmark = pytest.mark.asyncio(loop_scope="session")
DESK = {"width": 1366, "height": 768}


@pytest_asyncio.fixture(loop_scope="session")
async def clerk(site: Site) -> AsyncIterator[Staff]:
    async with signed_in(site, Role.FINANCE, name="Phạm Minh Đức") as staff:
        yield staff


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser, site: Site, clerk: Staff, complaints: Complaints) -> AsyncIterator[Page]:
    context = await browser.new_context(viewport=DESK, locale="vi-VN")
    await context.add_cookies([{"name": "vienphi", "value": clerk.cookie, "url": site.address}])
    opened = await context.new_page()
    complaints.watch(opened, site.address)
    yield opened
    await context.close()


async def _worker(site: Site) -> None:
    """What the worker does after an import."""
    await run_matching(site.context, site.hospital.organization_id, actor=Actor.system())
    await find_exceptions_once(site.context, site.hospital.organization_id)


async def test_clerk_imports_matches_decides_and_closes_the_day(site: Site, page: Page, complaints: Complaints) -> None:
    paid, waiting = await site.open_intent(), await site.open_intent(ma_lk="LK-CHO")
    await site.bank().pay(paid["instruction"]["qr_payload"], Behaviour.EXACT)
    [payment] = (await site.read("/v1/payments"))["items"]
    day = business_date(site.context.clock())
    content = statement_csv(
        Line(amount=payment["amount"], text=code_of(paid), reference=payment["bank_reference"], day=day),
        Line(amount=waiting["amount"], text=f"NOP TIEN {code_of(waiting)[:-1]}", reference="FT-2", day=day),
        Line(amount=NOBODY, text="CHUYEN TIEN CHO BO", reference="FT-3", day=day),
        account=site.hospital.settings.account_number,
    )

    await page.goto(f"{site.address}/finance/reconciliation")
    await page.get_by_role("link", name="Nạp sao kê…").first.click()
    await page.set_input_files("#file", {"name": "sao-ke.csv", "mimeType": "text/csv", "buffer": content})
    await page.get_by_role("button", name="Xem trước", exact=True).click()
    await expect(page.locator("#preview")).to_contain_text("CHUYEN TIEN CHO BO")
    await page.get_by_role("button", name="Ghi 3 dòng mới").click()
    await expect(page.get_by_role("status")).to_contain_text("Đã ghi 3 dòng mới.")
    await _worker(site)

    await page.goto(f"{site.address}/finance/reconciliation")
    await expect(page.locator("[data-row]")).to_have_count(2)
    await page.keyboard.press("j")
    await expect(page.locator("[data-row].now")).to_contain_text("CHO BO")
    await page.keyboard.press("k")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("status")).to_contain_text("đã gán")
    await expect(page.locator("[data-row]")).to_have_count(1)
    await page.keyboard.press("u")
    await expect(page.locator("[data-row]")).to_have_count(2)
    await page.keyboard.press("j")
    await page.keyboard.press("m")
    await page.keyboard.press("k")
    await page.get_by_role("radio").first.check()
    await page.get_by_label("Số tiền (đồng)").fill(str(waiting["amount"]))
    await page.get_by_label("Số tham chiếu ngân hàng").fill("FT-2")
    await page.get_by_label("Lý do").fill("đúng người, thiếu một ký tự")
    await page.get_by_role("button", name="Gán cho phiếu").click()
    await expect(page.locator("[data-row]")).to_have_count(1)

    await page.keyboard.press("m")
    await page.keyboard.press("b")
    await page.get_by_label("Lý do").fill("sao kê phụ, chờ ngân hàng")
    await page.get_by_role("button", name="Bỏ qua, có lý do").click()
    await expect(page.get_by_role("status")).to_contain_text("đã bỏ qua")

    now = site.context.clock()
    site.context.clock = lambda: now + timedelta(days=1)
    await site.as_owner(
        "UPDATE screen_session SET last_seen_at = last_seen_at + interval '1 day', "
        "password_at = password_at + interval '1 day', expires_at = expires_at + interval '2 days'"
    )
    await page.goto(f"{site.address}/finance/days?day={day.isoformat()}")
    await page.get_by_role("button", name="Khóa sổ").click()
    await expect(page.locator("main")).to_contain_text("Ngày đã khóa.")
    assert complaints == []


@pytest.mark.parametrize("width", [1366, 1100])
async def test_the_menu_of_further_pages_is_not_cut_off(
    site: Site, page: Page, complaints: Complaints, width: int
) -> None:
    await page.set_viewport_size({"width": width, "height": 768})
    await page.goto(f"{site.address}/finance")
    await page.locator("nav summary").click()
    last = page.locator("nav details a").last
    await expect(last).to_be_visible()
    assert await last.evaluate(
        "link => { const box = link.getBoundingClientRect();"
        " return link.contains(document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2)) }"
    )
    lock = page.locator("#lock")
    assert await lock.evaluate("button => button.getBoundingClientRect().right <= innerWidth")
    assert complaints == []

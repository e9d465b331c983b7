"""The payment page on a phone: size, screen reader, touch, live updates, and without a script."""

from pathlib import Path
from time import monotonic

import pytest
from playwright.async_api import Browser, BrowserContext, expect

from billing.payments.domain.amount_due import PatientState
from billing.web.pages import pay
from providers.sandbox.bank_simulator import Behaviour
from tests.browser.conftest import PHONE, Complaints
from tests.web.pay_page_view import open_in_state
from tests.web.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")

TOUCH_MIN = 44

_TOO_SMALL = """
    [...document.querySelectorAll("a, button, summary")]
        .filter((each) => each.offsetParent !== null)
        .map((each) => [each.textContent.trim(), each.getBoundingClientRect()])
        .filter(([, box]) => box.height < 44 || box.width < 24)
        .map(([text, box]) => `${text}: ${box.width} × ${box.height}`)
"""
_WIDTHS = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"


@pytest.mark.parametrize("state", list(PatientState))
async def test_every_state_fits_a_phone_and_a_finger(
    site: Site, phone: BrowserContext, complaints: Complaints, state: PatientState, tmp_path: Path
) -> None:
    intent = await open_in_state(site, state)
    page = await phone.new_page()
    complaints.watch(page, site.address)

    for width in (PHONE["width"], 320):
        await page.set_viewport_size({"width": width, "height": PHONE["height"]})
        await page.goto(site.address + intent["pay_url"])
        scrolled, shown = await page.evaluate(_WIDTHS)
        assert scrolled <= shown, width
        assert await page.evaluate(_TOO_SMALL) == []
        # Kept with the test's files, for a person to look at.
        await page.screenshot(path=tmp_path / f"{state}-{width}.png", full_page=True)
    assert await page.get_by_role("status").count() == 1
    assert complaints == []


async def test_code_is_large_enough_to_scan(site: Site, phone: BrowserContext) -> None:
    intent = await site.open_intent()
    page = await phone.new_page()
    await page.goto(site.address + intent["pay_url"])

    box = await page.get_by_role("img", name="Mã QR chuyển 136.000 đ").bounding_box()

    assert box is not None
    assert 240 <= box["width"] == box["height"] <= 280


async def test_page_changes_to_paid_by_itself_and_focuses_the_state(
    site: Site, phone: BrowserContext, complaints: Complaints
) -> None:
    intent = await site.open_intent()
    page = await phone.new_page()
    complaints.watch(page, site.address)
    async with page.expect_response("**/events"):
        await page.goto(site.address + intent["pay_url"])
    status = page.get_by_role("status")
    await expect(status).to_contain_text("Chờ chuyển khoản")

    await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.SHORT)
    await expect(status).to_contain_text("còn thiếu 68.000 đ")
    await expect(status).not_to_be_focused()
    began = monotonic()
    await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.EXACT)

    await expect(status).to_contain_text("Nộp thừa")
    assert monotonic() - began < 3
    await expect(status).to_be_focused()
    await expect(page.get_by_role("img")).to_have_count(0)
    assert complaints == []


async def test_page_polls_where_streams_do_not_come_through(site: Site, phone: BrowserContext) -> None:
    intent = await site.open_intent()
    page = await phone.new_page()
    await page.route("**/events", lambda route: route.abort())
    await page.clock.install()
    await page.goto(site.address + intent["pay_url"])

    await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.EXACT)
    await page.clock.run_for(3_000)

    await expect(page.get_by_role("status")).to_contain_text("Đã thanh toán", timeout=8_000)
    requested_urls = []
    page.on("request", lambda sent: requested_urls.append(sent.url))
    await page.clock.run_for(60_000)
    await page.evaluate("fetch('/healthz')")
    assert requested_urls == [f"{site.address}/healthz"], "a final page sends no request of its own"


async def test_page_that_polls_slowly_is_not_held_up_by_streams_that_fail_again_and_again(
    site: Site, phone: BrowserContext
) -> None:
    intent = await site.open_intent()
    page = await phone.new_page()
    # As after two minutes of polling, with the slow pace shortened to just above the browser's own for a lost stream.
    script = (Path(pay.__file__).parents[1] / "static" / "pay.js").read_text("utf-8")
    script = script.replace("SLOW_MS = 15000, FAST_POLLS = 40", "SLOW_MS = 5000, FAST_POLLS = 0")
    assert "FAST_POLLS = 0" in script
    await page.route("**/static/pay.*.js", lambda route: route.fulfill(body=script, content_type="text/javascript"))
    await page.route("**/events", lambda route: route.abort())
    await page.goto(site.address + intent["pay_url"])

    await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.EXACT)

    await expect(page.get_by_role("status")).to_contain_text("Đã thanh toán", timeout=10_000)


async def test_lost_connection_is_shown_until_it_returns(site: Site, phone: BrowserContext) -> None:
    intent = await site.open_intent()
    page = await phone.new_page()
    await page.goto(site.address + intent["pay_url"])
    await phone.set_offline(True)
    await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    notice = page.get_by_text("Mất kết nối, đang thử lại.")
    await expect(notice).to_be_visible()

    await phone.set_offline(False)
    await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")

    await expect(notice).to_be_hidden()


async def test_page_that_could_not_fetch_its_state_tries_again_while_its_stream_is_open(
    site: Site, phone: BrowserContext
) -> None:
    intent = await site.open_intent()
    page = await phone.new_page()
    async with page.expect_response("**/events"), page.expect_response("**/state"):
        await page.goto(site.address + intent["pay_url"])
    await page.route("**/state", lambda route: route.fulfill(status=503))
    await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.EXACT)
    notice = page.get_by_text("Mất kết nối, đang thử lại.")
    await expect(notice).to_be_visible()

    await page.unroute("**/state")

    await expect(page.get_by_role("status")).to_contain_text("Đã thanh toán", timeout=8_000)
    await expect(notice).to_be_hidden()


async def test_every_value_is_copied_with_the_keyboard_alone(site: Site, phone: BrowserContext) -> None:
    intent = await site.open_intent()
    await phone.grant_permissions(["clipboard-read", "clipboard-write"], origin=site.address)
    page = await phone.new_page()
    await page.goto(site.address + intent["pay_url"])
    copied = {}

    for _ in range(20):
        await page.keyboard.press("Tab")
        name = await page.evaluate("document.activeElement.getAttribute('aria-label')")
        if name and name not in copied:
            await page.keyboard.press("Enter")
            await expect(page.locator(":focus")).to_have_text("Đã chép")
            copied[name] = await page.evaluate("navigator.clipboard.readText()")

    assert copied == {
        "Chép: Số tài khoản": site.hospital.settings.account_number,
        "Chép: Chủ tài khoản": site.hospital.settings.account_holder,
        "Chép: Số tiền": "136000",
        "Chép: Nội dung": f"{intent['reference_code']} VIEN PHI",
    }


async def test_button_leads_back_with_thanks(site: Site, phone: BrowserContext) -> None:
    intent = await site.open_intent()
    page = await phone.new_page()
    await page.goto(site.address + intent["pay_url"])

    await page.get_by_role("button", name="Tôi đã chuyển").click()

    await expect(page.get_by_role("status")).to_contain_text("Cảm ơn, đang hỏi ngân hàng")


async def test_page_without_a_script_is_complete_and_updates_by_reloading(site: Site, browser: Browser) -> None:
    context = await browser.new_context(viewport={"width": 390, "height": 844}, java_script_enabled=False)
    intent = await site.open_intent()
    page = await context.new_page()
    await page.goto(site.address + intent["pay_url"])

    await expect(page.get_by_role("img")).to_be_visible()
    await expect(page.get_by_role("button", name="Chép")).to_have_count(0)
    await page.get_by_role("button", name="Tôi đã chuyển").click()
    await expect(page.get_by_text("Cảm ơn,")).to_be_visible()
    await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.EXACT)

    await expect(page.get_by_role("status")).to_contain_text("Đã thanh toán", timeout=15_000)
    await context.close()


async def test_english_is_one_touch_away(site: Site, phone: BrowserContext) -> None:
    intent = await site.open_intent()
    page = await phone.new_page()
    await page.goto(site.address + intent["pay_url"])

    await page.get_by_role("link", name="English").click()

    await expect(page.get_by_role("status")).to_contain_text("Waiting for your transfer")
    await page.get_by_text("Why this amount?").click()
    await expect(page.get_by_text("The patient pays 136.000 đ.")).to_be_visible()

"""Papers as a browser prints them: each on one page of its own size, with no button and no link on it."""

import json
import re

import pytest
from playwright.async_api import Browser

from billing.core.actor import Role
from tests.web.screens.live import live_visit
from tests.web.screens.morning import staffed
from tests.web.site import Site
from tests.web.staff import signed_in

pytestmark = pytest.mark.asyncio(loop_scope="session")

_MEDIA_BOX = re.compile(rb"/MediaBox\s*\[\s*0\s+0\s+([0-9.]+)\s+([0-9.]+)\s*\]")
_PAGE = re.compile(rb"/Type\s*/Page\b")
_POINTS_OF_MM = 72 / 25.4


async def test_each_paper_is_one_page_of_its_size(browser: Browser, site: Site) -> None:
    async with staffed(site) as morning:
        await morning.open()
        visit = await live_visit(morning, state="performed")
        receipt = await visit.advance(136_000)
        papers = {
            f"/print/receipts/{receipt['id']}/80mm": (80, 120),
            f"/print/receipts/{receipt['id']}/a5": (148, 210),
            f"/print/receipts/{receipt['id']}/a4": (210, 297),
            f"/print/visits/{visit.id}/statement": (297, 210),
        }
        context = await browser.new_context(locale="vi-VN")
        await context.add_cookies([{"name": "vienphi", "value": morning.cashier.cookie, "url": site.address}])
        page = await context.new_page()
        found = {}
        for path in papers:
            await page.goto(site.address + path)
            assert await page.locator(".no-print").is_visible(), path
            await page.emulate_media(media="print")
            assert not await page.locator(".no-print").is_visible(), path
            printed = await page.pdf(prefer_css_page_size=True)
            await page.emulate_media(media="null")
            box = _MEDIA_BOX.search(printed)
            assert box, path
            found[path] = (len(_PAGE.findall(printed)), *(round(float(each) / _POINTS_OF_MM) for each in box.groups()))
        await context.close()

    assert found == {path: (1, *size) for path, size in papers.items()}


async def test_long_and_hostile_texts_stay_on_their_paper(browser: Browser, site: Site) -> None:
    async with staffed(site) as morning:
        await morning.open()
        receipt = (await (await live_visit(morning)).collect("XML3-1"))["id"]
        context = await browser.new_context(locale="vi-VN")
        await context.add_cookies([{"name": "vienphi", "value": morning.cashier.cookie, "url": site.address}])
        page = await context.new_page()
        found = {}
        for name, text in (("long", "Tôn Nữ Công Tằng Huyền " * 5), ("unbroken", "=<b>KhôngKhoảngTrắng" * 8)):
            slip = {"order": text, "department": "", "cost_groups": ["2"], "count": 3}
            amounts = dict.fromkeys(("hospital", "insurer", "other", "patient"), 123_456_789)
            changed = dict.fromkeys(("patient", "facility", "organization", "cashier", "desk", "reason"), text)
            await site.without_guards(
                "receipt_print",
                "UPDATE receipt_print SET document = document || $2::jsonb WHERE receipt_id = $1",
                receipt,
                json.dumps({**changed, "slips": [{**slip, **amounts}] * 2}),
            )
            for paper in ("80mm", "a5", "a4"):
                await page.goto(f"{site.address}/print/receipts/{receipt}/{paper}")
                await page.emulate_media(media="print")
                too_wide = await page.evaluate(
                    "(paper => paper.scrollWidth - paper.clientWidth)(document.querySelector('.paper'))"
                )
                pages = len(_PAGE.findall(await page.pdf(prefer_css_page_size=True)))
                await page.emulate_media(media="null")
                found[name, paper] = (too_wide, pages if paper == "80mm" else 1)
        await context.close()

    assert set(found.values()) == {(0, 1)}, found


async def test_each_receipt_of_a_set_of_documents_begins_a_page(browser: Browser, site: Site) -> None:
    async with staffed(site) as morning, signed_in(site, Role.FINANCE) as clerk:
        await morning.open()
        visit = await live_visit(morning)
        for amount in (20_000, 30_000, 40_000):
            await visit.advance(amount)
        context = await browser.new_context(locale="vi-VN")
        await context.add_cookies([{"name": "vienphi", "value": clerk.cookie, "url": site.address}])
        page = await context.new_page()
        await page.goto(f"{site.address}/print/visits/{visit.id}/documents")
        printed = await page.pdf(prefer_css_page_size=True)
        await context.close()

    assert len(_PAGE.findall(printed)) == 1 + 3


async def test_training_hospital_prints_a_watermark(browser: Browser, site: Site) -> None:
    await site.as_owner("UPDATE organization SET is_training = true WHERE id = 1")
    async with staffed(site) as morning:
        await morning.open()
        receipt = await morning.take(50_000)
        context = await browser.new_context(locale="vi-VN")
        await context.add_cookies([{"name": "vienphi", "value": morning.cashier.cookie, "url": site.address}])
        page = await context.new_page()
        await page.goto(f"{site.address}/print/receipts/{receipt['id']}/a5")
        content = await page.evaluate("getComputedStyle(document.querySelector('.paper'), '::before').content")
        await context.close()

    assert "TẬP HUẤN" in content

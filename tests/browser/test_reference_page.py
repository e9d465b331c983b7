"""The reference of the API in a real browser: every part of it, unfolded, fits a phone."""

from pathlib import Path

from playwright.async_api import BrowserContext

from tests.browser.conftest import Complaints
from tests.web.site import Site


async def test_reference_fits_a_phone_unfolded_and_says_how_to_send_a_key(
    site: Site, phone: BrowserContext, complaints: Complaints, tmp_path: Path
) -> None:
    page = await phone.new_page()
    await page.set_viewport_size({"width": 375, "height": 740})
    complaints.hear(page, site.address)
    await page.goto(f"{site.address}/docs")

    # By attribute, as a press would: there are too many to press one by one.
    await page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true })")

    await page.screenshot(path=tmp_path / "reference.png", full_page=True)  # for a person to look at
    scrolled, shown = await page.evaluate(
        "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert scrolled <= shown
    assert "Authorization: Bearer vp_" in await page.inner_text("body")
    assert complaints == []

"""The sign-in in a real browser: what the browser sends with a form is accepted."""

import re

import pytest
from playwright.async_api import Browser, expect

from tests.browser.conftest import Complaints
from tests.web.screens.test_sign_in import LOGIN, add_account
from tests.web.site import Site
from tests.web.staff import PASSWORD

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_person_signs_in_and_sends_forms_of_a_session(
    site: Site, browser: Browser, complaints: Complaints
) -> None:
    await add_account(site, name="Lê Thị Hoa")
    context = await browser.new_context(viewport={"width": 1366, "height": 768})
    page = await context.new_page()
    complaints.watch(page, site.address)
    await page.goto(site.address + "/sign-in?next=/my/sessions")
    await page.fill("#login_name", LOGIN)
    await page.fill("#password", PASSWORD)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("link", name="Lê Thị Hoa")).to_be_visible()

    await page.click("#lock")

    await expect(page).to_have_url(re.compile("/sign-in/pin"))
    assert complaints == []
    await context.close()

"""The payment page on a phone after an overpayment, and the page of finance with the requests of payers.

The pictures follow each other: the payer keeps the excess, requests its return, and finance accepts.
"""

from playwright.async_api import Page

from billing.core.actor import Role
from billing.payments.domain.amount_due import PatientState
from tests.browser.stage import PHONE, Shot, Stage
from tests.builders import FACILITY_CODE
from tests.web.pay_page_view import open_in_state


async def prepare(stage: Stage) -> str:
    """The page of an intent under which too much was paid, at a facility that states a term."""
    await stage.site.client.put(f"/v1/facilities/{FACILITY_CODE}/deposit-settings", json={"return_days": 30})
    url: str = (await open_in_state(stage.site, PatientState.OVER))["pay_url"]
    return url


def _page(url: str) -> str:
    return url


async def _return(page: Page) -> None:
    await page.click("form[action*='/return'] button")
    await page.wait_for_selector("form[action*='/return']", state="detached")


async def _keep(page: Page) -> None:
    await page.click("form[action*='/keep'] button")
    await page.wait_for_selector("form[action*='/keep']", state="detached")


async def _decline(page: Page) -> None:
    await page.click("details.menu summary")


async def _accept(page: Page) -> None:
    await page.select_option("#way-1", "cash")
    await page.click("form[action$='/accept'] button")
    await page.wait_for_selector(".note.good")


SHOTS = (
    Shot(name="pay-over", role=None, path=_page, size=PHONE),
    Shot(name="pay-over-keep", role=None, path=_page, size=PHONE, act=_keep),
    Shot(name="pay-over-return", role=None, path=_page, size=PHONE, act=_return),
    Shot(name="finance-returns", role=Role.FINANCE, path="/finance/returns"),
    Shot(name="finance-returns-decline", role=Role.FINANCE, path="/finance/returns", act=_decline),
    Shot(name="finance-returns-accepted", role=Role.FINANCE, path="/finance/returns", act=_accept),
    Shot(name="pay-over-accepted", role=None, path=_page, size=PHONE),
)

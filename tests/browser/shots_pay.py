"""The payment page on a phone after an overpayment: the payer chooses what becomes of the excess."""

from playwright.async_api import Page

from billing.payments.domain.amount_due import PatientState
from tests.browser.stage import PHONE, Shot, Stage
from tests.web.pay_page_view import open_in_state


async def prepare(stage: Stage) -> str:
    """The page of an intent under which too much was paid."""
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


SHOTS = (
    Shot(name="pay-over", role=None, path=_page, size=PHONE),
    Shot(name="pay-over-return", role=None, path=_page, size=PHONE, act=_return),
    Shot(name="pay-over-keep", role=None, path=_page, size=PHONE, act=_keep),
)

"""Pages before sign-in and of the own account."""

from playwright.async_api import Page

from billing.core.actor import Role
from tests.browser.stage import Shot, Stage
from tests.web.screens.test_sign_in import add_account


async def prepare(stage: Stage) -> None:
    """An account whose password can be tried."""
    await add_account(stage.site, "hoa.le")


async def _wrong_password(page: Page) -> None:
    await page.fill("#login_name", "hoa.le")
    await page.fill("#password", "khong dung mat khau")
    await page.press("#password", "Enter")
    await page.wait_for_selector(".errors")


SHOTS = (
    Shot(name="signin", role=None, path="/sign-in"),
    Shot(name="signin-rejected", role=None, path="/sign-in", act=_wrong_password),
    Shot(name="signin-english", role=None, path="/sign-in?lang=en"),
    Shot(name="own-sessions", role=Role.CASHIER, path="/my/sessions"),
    Shot(name="own-password", role=Role.CASHIER, path="/my/password"),
    Shot(name="pin", role=Role.CASHIER, path="/sign-in/pin"),
    Shot(name="forbidden", role=Role.CASHIER, path="/admin/users", status=403),
    Shot(name="not-found", role=None, path="/nowhere", status=404),
)

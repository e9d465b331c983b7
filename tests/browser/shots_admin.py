"""Pages of the administrator."""

from dataclasses import dataclass

from playwright.async_api import Page

from billing.core.actor import Role
from tests.browser.stage import Shot, Stage
from tests.web.screens.test_sign_in import add_account
from tests.web.screens.test_users import person_id


@dataclass(frozen=True, slots=True)
class Users:
    """The person whose row is chosen."""

    chosen: str


async def prepare(stage: Stage) -> Users:
    """A few persons in their states."""
    site = stage.site
    await add_account(site, "hoa.le", name="Lê Thị Hoa Lan")
    await add_account(site, "mai.do", name="Đỗ Thị Mai")
    await add_account(site, "moi.nguoi", name="Bùi Văn Mới", password=None)
    await site.as_owner("UPDATE sign_in_account SET disabled_at = now() WHERE login_name = 'mai.do'")
    return Users(await person_id(site))


async def _reset(page: Page) -> None:
    await page.click("form[action$='/password'] button")
    await page.wait_for_selector(".code")


def _chosen(users: Users) -> str:
    return f"/admin/users?person={users.chosen}"


SHOTS = (
    Shot(name="users", role=Role.ADMINISTRATOR, path="/admin/users"),
    Shot(name="user", role=Role.ADMINISTRATOR, path=_chosen),
    Shot(name="user-new-password", role=Role.ADMINISTRATOR, path=_chosen, act=_reset),
    Shot(name="accounts", role=Role.ADMINISTRATOR, path="/admin/accounts"),
)

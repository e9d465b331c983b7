"""The administrator's pages: users, what is changed for others, and provider accounts with their health."""

import re

from billing.core.actor import Role
from tests.web.screens.test_sign_in import add_account, browser, enter
from tests.web.site import UNKNOWN_ID, Site
from tests.web.staff import location, signed_in, text_of


async def person_id(site: Site, login_name: str = "hoa.le") -> str:
    [row] = await site.as_owner("SELECT person_id FROM sign_in_account WHERE login_name = $1", login_name)
    return str(row["person_id"])


async def test_list_states_roles_and_whether_a_person_works(site: Site) -> None:
    await add_account(site, name="Lê Thị Hoa")
    async with signed_in(site, Role.ADMINISTRATOR, name="Vũ Quốc Bảo") as staff:
        page = text_of(await staff.page("/admin/users"))

    assert "Lê Thị Hoa hoa.le Thu ngân tất cả chưa vào lần nào không đăng nhập" in page
    assert re.search(r"Vũ Quốc Bảo \S+ Quản trị tất cả \S+ \S+ đang làm", page)


async def test_reset_password_is_shown_once_and_must_be_changed(site: Site) -> None:
    await add_account(site)
    async with signed_in(site, Role.ADMINISTRATOR) as staff, browser(site) as client:
        await enter(client)
        chosen = await person_id(site)
        answer = await staff.post(f"/admin/users/{chosen}/password")
        [password] = re.findall(r'class="code">([a-z2-9-]{19})<', answer.text)
        later = await staff.page(f"/admin/users?person={chosen}")
        ended = await client.get("/my/sessions")
        old = await enter(client)
        new = await enter(client, password=password)
        first = await client.get("/my/sessions")

    assert answer.status_code == 200
    assert password not in later
    assert ended.status_code == 303
    assert old.status_code == 422
    assert new.status_code == 303
    assert location(first) == "/my/password"


async def test_disabled_account_cannot_sign_in_until_it_is_enabled(site: Site) -> None:
    await add_account(site)
    async with signed_in(site, Role.ADMINISTRATOR) as staff, browser(site) as client:
        chosen = await person_id(site)
        await staff.post(f"/admin/users/{chosen}/disable")
        disabled = await enter(client)
        await staff.post(f"/admin/users/{chosen}/enable")
        enabled = await enter(client)

    assert disabled.status_code == 422
    assert enabled.status_code == 303


async def test_administrator_cannot_disable_the_own_account(site: Site) -> None:
    async with signed_in(site, Role.ADMINISTRATOR) as staff:
        answer = await staff.post(f"/admin/users/{staff.person_id}/disable")

        assert answer.status_code == 409
        assert "sign-out" in await staff.page("/my/sessions")


async def test_unknown_person_is_not_found(site: Site) -> None:
    async with signed_in(site, Role.ADMINISTRATOR) as staff:
        for action in ("password", "pin", "disable", "enable"):
            assert (await staff.post(f"/admin/users/{UNKNOWN_ID}/{action}")).status_code == 404
        await staff.page(f"/admin/users?person={UNKNOWN_ID}", status=404)
        await staff.page("/admin/users?person=nobody", status=404)


async def test_auditor_reads_users_and_is_offered_no_change(site: Site) -> None:
    await add_account(site)
    async with signed_in(site, Role.AUDITOR) as staff:
        page = await staff.page(f"/admin/users?person={await person_id(site)}")

    assert "Người hoa.le" in page
    assert "/password" not in page


async def test_changes_for_others_are_in_the_audit(site: Site) -> None:
    await add_account(site)
    async with signed_in(site, Role.ADMINISTRATOR) as staff:
        chosen = await person_id(site)
        for action in ("password", "pin", "disable", "enable", "sessions"):
            await staff.post(f"/admin/users/{chosen}/{action}")
        rows = await site.as_owner(
            "SELECT action FROM audit WHERE acting_for = $1 ORDER BY recorded_at", staff.person_id
        )

    assert [row["action"] for row in rows] == [
        "password_reset",
        "pin_removed",
        "sign_in_account_disabled",
        "sign_in_account_enabled",
        "sessions_ended",
    ]


async def test_provider_accounts_state_their_health(site: Site) -> None:
    async with signed_in(site, Role.ADMINISTRATOR) as staff:
        page = text_of(await staff.page("/admin/accounts"))

    assert "sandbox sandbox 0110000001 BENH VIEN 1 · BIN 970422 thông 0 0 0" in page


async def test_browser_gets_a_page_for_an_unknown_address_and_a_program_a_document(site: Site) -> None:
    page = await site.anonymous_client.get("/nowhere", headers={"Accept": "text/html,*/*"})
    document = await site.anonymous_client.get("/nowhere")

    assert (page.status_code, document.status_code) == (404, 404)
    assert "Không tìm thấy" in text_of(page.text)
    assert document.headers["Content-Type"].startswith("application/problem+json")

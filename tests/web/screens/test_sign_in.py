"""Sign-in with a password: accepted, rejected, locked, a session of its own each time, and what the cookie allows."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg
import httpx
import pytest

from billing.core.actor import Role
from billing.db.context import Ids, utc_now
from billing.db.database import Database
from billing.organizations.service.passwords import Passwords
from billing.organizations.service.sign_in_accounts import NewAccount, SignInSetup
from tests.web.site import Site
from tests.web.staff import PASSWORD, add_desk, location, text_of

LOGIN = "hoa.le"
PIN = "246813"
_CLOCK = re.compile(r"\b[0-9]{2}:[0-9]{2}\b")


async def add_account(site: Site, login_name: str = LOGIN, *, password: str | None = PASSWORD, name: str = "") -> str:
    """A cashier with a password and a PIN; returns the password."""
    database = await Database.open(site.database.owner_url)
    try:
        setup = SignInSetup(database, utc_now, Ids(utc_now), Passwords(time_cost=1, memory_kib=8))
        new = NewAccount(
            person_name=name or f"Người {login_name}",
            roles=[Role.CASHIER],
            login_name=login_name,
            password=password,
            pin=PIN,
        )
        return await setup.add(site.hospital.organization_id, new)
    finally:
        await database.close()


@asynccontextmanager
async def browser(site: Site) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=site.address, timeout=20) as client:
        yield client


async def enter(
    client: httpx.AsyncClient, login_name: str = LOGIN, password: str = PASSWORD, **fields: str
) -> httpx.Response:
    return await client.post("/sign-in", data={"login_name": login_name, "password": password, **fields})


def token_of(page: str) -> str:
    found = re.search(r'name="csrf_token" value="([0-9a-f]{64})"', page)
    assert found is not None, page
    return found[1]


async def test_right_password_opens_the_page_that_was_requested(site: Site) -> None:
    await add_account(site)
    async with browser(site) as client:
        answer = await enter(client, next="/my/sessions")
        page = await client.get(location(answer))

    assert location(answer) == "/my/sessions"
    assert page.status_code == 200
    assert "Người hoa.le" in text_of(page.text)


@pytest.mark.parametrize("following", ["//evil.example/", "https://evil.example/", "/\\evil.example", "javascript:1"])
async def test_sign_in_never_leads_to_another_site(site: Site, following: str) -> None:
    await add_account(site)
    async with browser(site) as client:
        answer = await enter(client, next=following)

    assert location(answer) == "/"


async def test_unknown_name_and_wrong_password_get_one_answer(site: Site) -> None:
    await add_account(site)
    async with browser(site) as client:
        wrong = await enter(client, password="khong dung mat khau")
        unknown = await enter(client, login_name="nobody", password="khong dung mat khau")

    assert wrong.status_code == unknown.status_code == 422
    texts = {_CLOCK.sub("", text_of(each.text)).replace(LOGIN, "").replace("nobody", "") for each in (wrong, unknown)}
    assert len(texts) == 1, "the minute may have changed, and nothing else"
    assert "set-cookie" not in wrong.headers


async def test_fifth_wrong_password_locks_the_account_and_a_reset_opens_it(site: Site) -> None:
    await add_account(site)
    async with browser(site) as client:
        for _ in range(5):
            await enter(client, password="khong dung mat khau")

        locked = await enter(client)
        await site.as_owner(
            "UPDATE sign_in_account SET password_locked_until = password_locked_until - interval '1 day'"
        )
        after = await enter(client)

    assert locked.status_code == 422
    assert after.status_code == 303


async def test_right_password_sets_the_count_of_attempts_back(site: Site) -> None:
    await add_account(site)
    async with browser(site) as client:
        for _ in range(4):
            await enter(client, password="khong dung mat khau")
        await enter(client)
        for _ in range(4):
            await enter(client, password="khong dung mat khau")

        assert (await enter(client)).status_code == 303


async def test_each_sign_in_has_a_session_of_its_own(site: Site) -> None:
    await add_account(site)
    async with browser(site) as client:
        first = (await enter(client)).cookies["vienphi"]
        second = (await enter(client)).cookies["vienphi"]

    assert first != second


async def test_cookie_is_for_no_script_and_no_other_site(site: Site) -> None:
    await add_account(site)
    async with browser(site) as client:
        answer = await enter(client)

    [cookie] = [line for line in answer.headers.get_list("set-cookie") if line.startswith("vienphi=")]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Path=/" in cookie


async def test_form_from_another_site_is_rejected(site: Site) -> None:
    await add_account(site)
    async with browser(site) as client:
        answer = await client.post(
            "/sign-in",
            data={"login_name": LOGIN, "password": PASSWORD},
            headers={"Origin": "https://evil.example"},
        )

    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


async def test_form_without_the_token_of_the_session_is_rejected(site: Site) -> None:
    await add_account(site)
    async with browser(site) as client:
        await enter(client)
        without = await client.post("/my/language", data={"language": "en"})
        forged = await client.post("/my/language", data={"language": "en", "csrf_token": "0" * 64})
        page = (await client.get("/my/sessions")).text

    assert without.status_code == forged.status_code == 403
    assert '<html lang="vi">' in page


@pytest.mark.parametrize("column", ["expires_at", "last_seen_at", "ended_at"])
async def test_session_ends_by_age_without_use_and_by_a_person(site: Site, column: str) -> None:
    await add_account(site)
    async with browser(site) as client:
        await enter(client)
        past = site.context.clock() - timedelta(hours=2)
        created = "created_at = $1::timestamptz - interval '1 day', " if column == "expires_at" else ""
        await site.as_owner(f"UPDATE screen_session SET {created}{column} = $1", past)
        answer = await client.get("/my/sessions")

    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/sign-in?next=")


async def test_disabled_account_stops_at_the_next_request(site: Site) -> None:
    await add_account(site)
    async with browser(site) as client:
        await enter(client)
        await site.as_owner("UPDATE sign_in_account SET disabled_at = now()")
        page = await client.get("/my/sessions")
        again = await enter(client)

    assert page.status_code == 303
    assert again.status_code == 422


async def test_generated_password_is_changed_first(site: Site) -> None:
    generated = await add_account(site, password=None)
    async with browser(site) as client:
        await enter(client, password=generated)
        first = await client.get("/my/sessions")
        page = (await client.get("/my/password")).text
        form = {"csrf_token": token_of(page), "present_password": generated}
        same = await client.post("/my/password", data={**form, "new_password": "ngan", "repeat_password": "ngan"})
        changed = await client.post(
            "/my/password", data={**form, "new_password": PASSWORD, "repeat_password": PASSWORD}
        )
        after = await client.get("/my/sessions")

    assert location(first) == "/my/password"
    assert same.status_code == 422
    assert location(changed) == "/"
    assert after.status_code == 200


async def test_sign_out_ends_the_session_also_for_a_copy_of_the_cookie(site: Site) -> None:
    await add_account(site)
    async with browser(site) as client, browser(site) as copy:
        cookie = (await enter(client)).cookies["vienphi"]
        copy.cookies.set("vienphi", cookie)
        token = token_of((await client.get("/my/sessions")).text)
        await client.post("/sign-out", data={"csrf_token": token})

        assert (await copy.get("/my/sessions")).status_code == 303


async def test_person_ends_a_session_of_their_own_and_of_nobody_else(site: Site) -> None:
    await add_account(site)
    await add_account(site, "mai.do")
    async with browser(site) as here, browser(site) as there, browser(site) as other:
        await enter(there)
        await enter(other, "mai.do")
        await enter(here)
        token = token_of((await here.get("/my/sessions")).text)
        rows = await site.as_owner(
            "SELECT session.id, login_name FROM screen_session AS session JOIN sign_in_account USING (person_id)"
            " ORDER BY session.created_at"
        )
        ids = [row["id"] for row in rows]
        own = await here.post(f"/my/sessions/{ids[0]}/end", data={"csrf_token": token})
        foreign = await here.post(f"/my/sessions/{ids[1]}/end", data={"csrf_token": token})

        assert own.status_code == 303
        assert foreign.status_code == 404
        assert (await there.get("/my/sessions")).status_code == 303
        assert (await other.get("/my/sessions")).status_code == 200


async def test_cashier_signs_in_at_a_desk(site: Site) -> None:
    await add_account(site)
    desk_id = await add_desk(site, "Quầy 3")
    async with browser(site) as client:
        page = (await client.get("/sign-in")).text
        await enter(client, place=f"1/{desk_id}")
        at_desk = text_of((await client.get("/my/sessions")).text)

    assert "Quầy 3" in text_of(page)
    assert "Bệnh viện 1 Quầy 3" in at_desk


async def test_unknown_workplace_is_rejected(site: Site) -> None:
    await add_account(site)
    async with browser(site) as client:
        answer = await enter(client, place="2/")

    assert answer.status_code == 422
    assert "nơi làm việc" in text_of(answer.text)


async def test_https_cookie_is_bound_to_this_host(site: Site) -> None:
    await add_account(site)
    site.context.public_base_url = "https://vienphi.example"
    async with browser(site) as client:
        answer = await enter(client)

    [cookie] = [line for line in answer.headers.get_list("set-cookie") if line.startswith("__Host-vienphi=")]
    assert "Secure" in cookie
    assert "Domain" not in cookie


async def test_training_organization_marks_every_page(site: Site) -> None:
    await site.as_owner("UPDATE organization SET is_training = true")
    await add_account(site)
    async with browser(site) as client:
        place = text_of((await client.get("/sign-in")).text)
        await enter(client)
        page = (await client.get("/my/sessions")).text

    assert 'class="training"' in page
    assert "TẬP HUẤN Ngân hàng giả" in text_of(page)
    assert place


async def test_training_organization_has_no_account_at_a_real_bank(site: Site) -> None:
    await site.as_owner("UPDATE organization SET is_training = true")

    with pytest.raises(asyncpg.CheckViolationError, match="bank simulator only"):
        await site.as_owner("UPDATE provider_account SET provider = 'sepay'")


async def test_account_of_another_facility_gets_no_session_at_a_desk(site: Site) -> None:
    await add_account(site)
    await site.as_owner("UPDATE sign_in_account SET facility_codes = ARRAY['01009']")
    desk_id = await add_desk(site)
    async with browser(site) as client:
        at_desk = await enter(client, place=f"1/{desk_id}")
        without = await enter(client, place="1/")

    assert at_desk.status_code == 422
    assert "không làm việc ở cơ sở" in text_of(at_desk.text)
    assert "set-cookie" not in at_desk.headers
    assert without.status_code == 303


async def test_unforeseen_error_is_a_page_with_the_id_of_the_request_and_no_detail(site: Site) -> None:
    await add_account(site)
    async with browser(site) as client:
        await enter(client)
        await site.as_owner("UPDATE person SET roles = ARRAY['a role that no version has']")
        answer = await client.get("/my/sessions")

    assert answer.status_code == 500
    assert "Máy chủ gặp lỗi và đã ghi lại" in text_of(answer.text)
    assert answer.headers["X-Request-Id"] in answer.text
    assert "a role" not in answer.text

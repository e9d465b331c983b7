"""The PIN at a desk: the person changes, a locked screen opens, wrong PINs lock, and nobody else may."""

import asyncio
import re
from html import unescape

import httpx

from billing.core.ids import DeskId
from tests.web.screens.test_sign_in import PIN, add_account, browser, enter, token_of
from tests.web.site import Site
from tests.web.staff import PASSWORD, add_desk, location, text_of


async def enter_at(client: httpx.AsyncClient, login_name: str, desk_id: DeskId) -> None:
    answer = await enter(client, login_name, place=f"1/{desk_id}")
    assert answer.status_code == 303, answer.text


def hidden_of(page: str, name: str) -> str:
    found = re.search(rf'<input type="hidden" name="{name}" value="([^"]*)">', page)
    assert found is not None
    return unescape(found[1])


async def person_id(site: Site, login_name: str) -> str:
    [row] = await site.as_owner("SELECT person_id FROM sign_in_account WHERE login_name = $1", login_name)
    return str(row["person_id"])


async def give_pin(client: httpx.AsyncClient, person: str, pin: str = PIN, following: str = "/") -> httpx.Response:
    token = token_of((await client.get("/sign-in/pin")).text)
    return await client.post(
        "/sign-in/pin", data={"csrf_token": token, "person": person, "pin": pin, "next": following}
    )


async def test_person_of_the_desk_continues_with_a_pin(site: Site) -> None:
    await add_account(site, "hoa.le")
    await add_account(site, "tam.nguyen", name="Nguyễn Thị Tâm")
    desk_id = await add_desk(site)
    async with browser(site) as client:
        await enter_at(client, "tam.nguyen", desk_id)
        before = (await client.get("/my/sessions")).text
        await enter_at(client, "hoa.le", desk_id)
        listed = text_of((await client.get("/sign-in/pin")).text)
        answer = await give_pin(client, await person_id(site, "tam.nguyen"))
        page = text_of((await client.get("/my/sessions")).text)

    assert "Nguyễn Thị Tâm" in listed
    assert answer.status_code == 303
    assert "Nguyễn Thị Tâm" in page
    assert token_of(before)


async def test_pin_of_a_person_of_another_desk_opens_nothing(site: Site) -> None:
    await add_account(site, "hoa.le")
    await add_account(site, "tam.nguyen")
    here, there = await add_desk(site, "Quầy 1"), await add_desk(site, "Quầy 2")
    async with browser(site) as client, browser(site) as other:
        await enter_at(client, "hoa.le", here)
        await enter_at(other, "tam.nguyen", there)
        answer = await give_pin(client, await person_id(site, "tam.nguyen"))

    assert answer.status_code == 422


async def test_pin_of_a_person_who_signed_in_yesterday_opens_nothing(site: Site) -> None:
    await add_account(site, "hoa.le")
    await add_account(site, "tam.nguyen")
    desk_id = await add_desk(site)
    async with browser(site) as client:
        await enter_at(client, "tam.nguyen", desk_id)
        await site.as_owner("UPDATE screen_session SET password_at = password_at - interval '1 day'")
        await enter_at(client, "hoa.le", desk_id)
        answer = await give_pin(client, await person_id(site, "tam.nguyen"))

    assert answer.status_code == 422


async def test_locked_screen_opens_nothing_until_the_pin(site: Site) -> None:
    await add_account(site, "hoa.le")
    desk_id = await add_desk(site)
    async with browser(site) as client:
        await enter_at(client, "hoa.le", desk_id)
        before = (await client.get("/my/sessions?saved=1")).text
        token = token_of(before)
        locked = await client.post("/lock", data={"csrf_token": token, "next": hidden_of(before, "next")})
        page = await client.get("/my/sessions")
        form = await client.post("/my/language", data={"csrf_token": token, "language": "en"})
        answer = await give_pin(client, await person_id(site, "hoa.le"), following="/my/sessions")
        after = await client.get("/my/sessions")

    assert location(locked) == "/sign-in/pin?next=%2Fmy%2Fsessions%3Fsaved%3D1"
    assert location(page) == location(form) == "/sign-in/pin"
    assert location(answer) == "/my/sessions"
    assert after.status_code == 200


async def test_wrong_pins_count_down_and_lock_the_pin(site: Site) -> None:
    await add_account(site, "hoa.le")
    desk_id = await add_desk(site)
    async with browser(site) as client:
        await enter_at(client, "hoa.le", desk_id)
        person = await person_id(site, "hoa.le")
        texts = [text_of((await give_pin(client, person, "975310")).text) for _ in range(5)]
        right = await give_pin(client, person)
        with_password = await enter(client, "hoa.le", PASSWORD, place=f"1/{desk_id}")

    assert "Còn 4 lần" in texts[0]
    assert "Còn 1 lần" in texts[3]
    assert "PIN đang khóa 10 phút" in texts[4]
    assert right.status_code == 422
    assert with_password.status_code == 303


async def test_two_wrong_pins_at_once_both_count(site: Site) -> None:
    await add_account(site, "hoa.le")
    desk_id = await add_desk(site)
    async with browser(site) as client:
        await enter_at(client, "hoa.le", desk_id)
        person = await person_id(site, "hoa.le")
        token = token_of((await client.get("/sign-in/pin")).text)
        data = {"csrf_token": token, "person": person, "pin": "975310"}
        await asyncio.gather(client.post("/sign-in/pin", data=data), client.post("/sign-in/pin", data=data))
        [row] = await site.as_owner("SELECT pin_attempts FROM sign_in_account")

    assert row["pin_attempts"] == 2

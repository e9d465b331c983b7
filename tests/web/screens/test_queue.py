"""The queue display on a device, and the calls of a desk."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from billing.core.actor import Role
from billing.visit_accounts.domain.queue_ticket import QueueLine
from billing.visit_accounts.service.queue_tickets import take_ticket
from tests.web.screens.forms_of_page import forms_of
from tests.web.site import Site, key_of
from tests.web.staff import add_desk, signed_in, text_of


async def take(site: Site, line: QueueLine = QueueLine.NORMAL) -> None:
    hospital = site.hospital
    await take_ticket(site.context, hospital.organization_id, hospital.facility_code, line=line)


async def device(site: Site, *roles: Role, everywhere: bool = False) -> str:
    codes = None if everywhere else {site.hospital.facility_code}
    headers = await key_of(site, *roles, facility_codes=codes)
    return headers["Authorization"].removeprefix("Bearer ")


@asynccontextmanager
async def set_up(
    site: Site, key: str, screen: str = "/queue"
) -> AsyncIterator[tuple[httpx.AsyncClient, httpx.Response]]:
    async with httpx.AsyncClient(base_url=site.address, timeout=20) as client:
        yield client, await client.post("/device", data={"key": key, "screen": screen})


async def test_device_keeps_its_key_and_shows_the_called_numbers(site: Site) -> None:
    desk_id = await add_desk(site, "Quầy 3")
    for line in (QueueLine.NORMAL, QueueLine.PRIORITY, QueueLine.NORMAL):
        await take(site, line)
    async with (
        set_up(site, await device(site, Role.CASHIER)) as (client, answer),
        signed_in(site, Role.CASHIER, desk_id=desk_id) as staff,
    ):
        called = await staff.post("/desk/queue/next")

        display = await client.get("/queue")
        part = await client.get("/queue", headers={"HX-Request": "true"})

    assert (answer.status_code, answer.headers["Location"]) == (303, "/queue")
    assert "HttpOnly" in answer.headers["Set-Cookie"]
    assert called.status_code == 303
    assert "A001 Quầy 3" in text_of(display.text)
    assert "B001 B002" in text_of(display.text)
    assert "<html" in display.text
    assert "<html" not in part.text


async def test_display_without_a_device_leads_to_its_set_up(site: Site) -> None:
    answer = await site.anonymous_client.get("/queue")

    assert (answer.status_code, answer.headers["Location"]) == (303, "/device")


async def test_key_that_is_unknown_or_works_everywhere_is_no_device(site: Site) -> None:
    keys = ("vp_1_unknown", await device(site, Role.CASHIER, everywhere=True))
    for key in keys:
        async with set_up(site, key) as (_, answer):
            assert answer.status_code == 200
            assert "Set-Cookie" not in answer.headers
            assert 'role="alert"' in answer.text


async def test_device_whose_key_lacks_the_right_shows_nothing(site: Site) -> None:
    await take(site)
    async with set_up(site, await device(site, Role.INTEGRATOR)) as (client, _):
        answer = await client.get("/queue")

    assert answer.status_code == 403
    assert "B001" not in answer.text


async def test_desk_calls_again_and_ends_a_call(site: Site) -> None:
    desk_id = await add_desk(site)
    await take(site)
    async with signed_in(site, Role.CASHIER, desk_id=desk_id) as staff:
        await staff.post("/desk/queue/next")
        [(_, called)] = forms_of(await staff.page("/desk/queue"), "/again")
        await staff.post("/desk/queue/again", **called)
        serving = await staff.page("/desk/queue")
        await staff.post("/desk/queue/absent", **called)
        rejected = await staff.post("/desk/queue/again", **called)
        ended = await staff.page("/desk/queue")

    assert rejected.status_code == 409
    assert "Số này không còn được gọi ở quầy" in text_of(rejected.text)
    assert "Đang phục vụ B001 gọi lần 2" in text_of(serving)
    assert "Chưa gọi số" in text_of(ended)


async def test_next_that_is_pressed_twice_passes_over_nobody(site: Site) -> None:
    desk_id = await add_desk(site)
    for _ in range(4):
        await take(site)
    async with signed_in(site, Role.CASHIER, desk_id=desk_id) as staff:
        for path in ("/desk/queue/next", "/desk/next"):
            for _ in range(2):
                await staff.post(path, key=f"pressed-twice-{path.replace('/', '-')}")
        serving = await staff.page("/desk/queue")

    assert "Đang phục vụ B002" in text_of(serving)


async def test_second_window_does_not_end_a_number_that_was_called_since(site: Site) -> None:
    desk_id = await add_desk(site)
    for _ in range(2):
        await take(site)
    async with signed_in(site, Role.CASHIER, desk_id=desk_id) as staff:
        await staff.post("/desk/queue/next")
        page = await staff.page("/desk/queue")
        forms = [*forms_of(page, "/absent"), *forms_of(page, "/again")]
        await staff.post("/desk/queue/next")
        late = [await staff.post(path, **fields) for path, fields in forms]
        serving = await staff.page("/desk/queue")

    assert [answer.status_code for answer in late] == [409, 409]
    assert "Đang phục vụ B002" in text_of(serving)
    assert "gọi lần" not in text_of(serving)


async def test_session_without_a_desk_calls_nobody(site: Site) -> None:
    await take(site)
    async with signed_in(site, Role.CASHIER) as staff:
        answer = await staff.post("/desk/queue/next")

    assert answer.status_code == 409
    assert "không ở quầy nào" in text_of(answer.text)

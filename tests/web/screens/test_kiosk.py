"""The kiosk: find by a number, pay by QR, clear the screen, take a number."""

import re
from datetime import UTC, datetime

import httpx

from billing.core.actor import Role
from providers.sandbox.bank_simulator import Behaviour
from tests.visit_accounts.ordered import order_visit
from tests.web.screens.test_queue import device, set_up
from tests.web.site import Site
from tests.web.staff import text_of

KEY = "kiosk-form-0000000001"


async def find(client: httpx.AsyncClient, text: str, key: str = KEY) -> httpx.Response:
    return await client.post("/kiosk/find", data={"q": text, "idempotency_key": key})


async def test_patient_scans_pays_and_sees_it(site: Site) -> None:
    await order_visit(site.context)
    async with set_up(site, await device(site, Role.CASHIER), "/kiosk") as (client, answer):
        assert answer.headers["Location"] == "/kiosk"
        found = await find(client, "001058000001")
        page = await client.get(found.headers["Location"])
        code = re.search(r"/kiosk/state\?code=([0-9a-f-]+)", page.text)
        assert code is not None
        intent = await site.read(f"/v1/intents/{code[1]}")
        await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.EXACT)
        state = await client.get("/kiosk/state", params={"code": code[1]})

    shown = text_of(page.text)
    assert "Nguyễn V. An – 1958" in shown
    assert "100.000 đ" in shown
    assert "<svg" in page.text
    assert "Văn" not in shown
    assert 'http-equiv="refresh"' in page.text
    assert "Đã nhận đủ tiền" in text_of(state.text)
    assert "hx-get" not in state.text


async def test_second_scan_shows_the_code_that_waits(site: Site) -> None:
    await order_visit(site.context)
    async with set_up(site, await device(site, Role.CASHIER)) as (client, _):
        first = await find(client, "XN-1")
        repeated = await find(client, "XN-1")
        second = await find(client, "XN-1", key="kiosk-form-0000000002")

    codes = {httpx.URL(each.headers["Location"]).params["code"] for each in (first, repeated, second)}
    assert len(codes) == 1


async def test_name_or_unknown_number_finds_nobody(site: Site) -> None:
    await order_visit(site.context)
    async with set_up(site, await device(site, Role.CASHIER)) as (client, _):
        for text in ("Nguyễn Văn An", "nguyen", "", "999999999999"):
            answer = await find(client, text)
            assert answer.status_code == 422
            assert "Không tìm thấy" in text_of(answer.text)


async def test_visit_without_a_due_amount_states_it(site: Site) -> None:
    await order_visit(site.context, lines={})
    async with set_up(site, await device(site, Role.CASHIER)) as (client, _):
        answer = await find(client, "001058000001")

    assert "không có khoản nào phải trả" in text_of(answer.text)


async def test_page_is_gone_after_its_minute(site: Site) -> None:
    await order_visit(site.context)
    async with set_up(site, await device(site, Role.CASHIER)) as (client, _):
        address = httpx.URL((await find(client, "001058000001")).headers["Location"])
        past = int(datetime.now(UTC).timestamp()) - 1
        for until in (str(past), "", "x"):
            answer = await client.get(address.copy_set_param("until", until))
            assert (answer.status_code, answer.headers["Location"]) == (303, "/kiosk")


async def test_number_is_taken_once_for_a_form(site: Site) -> None:
    async with set_up(site, await device(site, Role.CASHIER)) as (client, _):
        sent = {"line": "A", "idempotency_key": KEY}
        answers = [await client.post("/kiosk/ticket", data=sent) for _ in range(2)]
        page = await client.get(answers[0].headers["Location"])
        wrong = await client.post("/kiosk/ticket", data={"line": "C", "idempotency_key": KEY})

    assert [each.headers["Location"] for each in answers] == ["/kiosk/ticket?number=A001"] * 2
    assert "A001" in text_of(page.text)
    assert wrong.status_code == 422


async def test_form_of_another_site_is_rejected(site: Site) -> None:
    async with set_up(site, await device(site, Role.CASHIER)) as (client, _):
        answer = await client.post(
            "/kiosk/ticket", data={"line": "A", "idempotency_key": KEY}, headers={"Origin": "https://evil.example"}
        )

    assert answer.status_code == 403

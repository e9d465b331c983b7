"""The kiosk: find by a number, pay by QR, clear the screen, take a number."""

import re
from datetime import UTC, datetime
from html import unescape

import httpx

from billing.core.actor import Role
from providers.sandbox.bank_simulator import Behaviour
from tests.visit_accounts.ordered import order_visit
from tests.web.pay_page_view import read_picture
from tests.web.screens.test_queue import device, set_up
from tests.web.site import Site
from tests.web.staff import text_of

KEY = "kiosk-form-0000000001"


async def find(client: httpx.AsyncClient, text: str, key: str = KEY) -> httpx.Response:
    return await client.post("/kiosk/find", data={"q": text, "idempotency_key": key})


def state_address(page: str) -> str:
    found = re.search(r'hx-get="(/kiosk/state[^"]+)"', page)
    assert found is not None, page
    return unescape(found[1])


async def test_patient_scans_pays_and_sees_it(site: Site) -> None:
    await order_visit(site.context)
    async with set_up(site, await device(site, Role.CASHIER), "/kiosk") as (client, answer):
        assert answer.headers["Location"] == "/kiosk"
        found = await find(client, "001058000001")
        page = await client.get(found.headers["Location"])
        unchanged = await client.get(state_address(page.text))
        intent = await site.read(f"/v1/intents/{httpx.URL(found.headers['Location']).params['code']}")
        await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.EXACT)
        state = await client.get(state_address(page.text))

    shown = text_of(page.text)
    assert "Nguyễn V. An – 1958" in shown
    assert "100.000 đ" in shown
    assert "<svg" in page.text
    assert "Văn" not in shown
    assert 'http-equiv="refresh"' in page.text
    assert "Đã nhận đủ tiền" in text_of(state.text)
    assert "hx-get" not in state.text
    assert "VietQR" not in state.text, "the code of a bill that is paid"
    assert unchanged.status_code == 204


async def test_code_after_a_part_requests_the_rest(site: Site) -> None:
    await order_visit(site.context)
    async with set_up(site, await device(site, Role.CASHIER)) as (client, _):
        address = (await find(client, "001058000001")).headers["Location"]
        page = await client.get(address)
        intent = await site.read(f"/v1/intents/{httpx.URL(address).params['code']}")
        await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.SHORT)
        state = await client.get(state_address(page.text))
        slip = await client.get(address.replace("/kiosk/visit", "/kiosk/slip"))

    for shown in (state, slip):
        assert "50.000 đ" in text_of(shown.text)
        picture = re.search(r"<svg xmlns.*?</svg>", shown.text)
        assert picture is not None
        assert "540550000" in read_picture(picture[0])
    assert "Năm mươi nghìn đồng" in text_of(slip.text)


async def test_language_stays_until_the_next_person(site: Site) -> None:
    await order_visit(site.context)
    async with set_up(site, await device(site, Role.CASHIER)) as (client, _):
        start = await client.get("/kiosk?lang=en")
        action = re.search(r'action="(/kiosk/find[^"]*)"', start.text)
        assert action is not None
        unknown = await client.post(action[1], data={"q": "999999999999", "idempotency_key": KEY})
        found = await client.post(action[1], data={"q": "001058000001", "idempotency_key": KEY + "0"})
        page = await client.get(found.headers["Location"])
        next_start = await client.get("/kiosk")

    assert "Not found" in text_of(unknown.text)
    assert "Amount to pay" in text_of(page.text)
    assert "Quét để trả" in text_of(next_start.text)


async def test_practising_hospital_is_marked_on_screens_and_paper(site: Site) -> None:
    await site.as_owner("UPDATE organization SET is_training = true WHERE id = 1")
    await order_visit(site.context)
    async with set_up(site, await device(site, Role.CASHIER)) as (client, _):
        address = (await find(client, "001058000001")).headers["Location"]
        pages = [await client.get(each) for each in ("/kiosk", "/queue", address)]
        slip = await client.get(address.replace("/kiosk/visit", "/kiosk/slip"))

    assert all("TẬP HUẤN" in text_of(page.text) for page in pages)
    assert '<body class="sheet training">' in slip.text


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

    assert [each.headers["Location"] for each in answers] == ["/kiosk/ticket?number=A001&lang=vi"] * 2
    assert "A001" in text_of(page.text)
    assert wrong.status_code == 422


async def test_form_of_another_site_is_rejected(site: Site) -> None:
    async with set_up(site, await device(site, Role.CASHIER)) as (client, _):
        answer = await client.post(
            "/kiosk/ticket", data={"line": "A", "idempotency_key": KEY}, headers={"Origin": "https://evil.example"}
        )

    assert answer.status_code == 403

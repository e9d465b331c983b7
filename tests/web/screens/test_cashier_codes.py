"""The cashier's desk over HTTP: payment codes, parts, advances, cards, the final bill, and what happens meanwhile."""

import asyncio
import json
import re
from html import unescape

from tests.flow import assert_books_are_right
from tests.web.screens.desk_day import DeskDay, hidden, panel_state
from tests.web.staff import location, text_of


async def test_code_waits_then_the_callback_makes_the_receipt(day: DeskDay) -> None:
    visit_id = await day.visit()
    await day.open_shift()
    address = f"/desk/visits/{visit_id}"

    shown = await day.staff.post(f"{address}/code", due="100000", method="qr", part="100.000", line=["L1", "L2"])

    waiting = await day.staff.page(location(shown))
    assert panel_state(waiting) == "waiting"
    assert "<svg" in waiting
    [code] = await day.site.as_owner("SELECT amount FROM intent")
    assert code["amount"] == 100_000
    assert "Nguyễn V. An" in text_of(await day.staff.page("/desk"))
    await day.pay_code(100_000)
    arrived = await day.staff.page(address)
    assert panel_state(arrived) == "paid"
    assert 'hx-trigger="load, submit"' in arrived
    receipt = await day.staff.post(
        f"{address}/receipt", key=hidden(arrived, "idempotency_key"), request_id=hidden(arrived, "request_id")
    )
    paid = await day.staff.page(location(receipt))
    assert panel_state(paid) == "issued"
    assert "QR · ngân hàng báo có 100.000" in text_of(paid)
    await assert_books_are_right(day.site.context.database)


async def test_part_by_code_and_the_rest_in_cash_are_one_receipt(day: DeskDay) -> None:
    visit_id = await day.visit()
    await day.open_shift()
    address = f"/desk/visits/{visit_id}"
    await day.staff.post(f"{address}/code", due="100000", method="qr", part="60.000", line=["L1", "L2"])
    await day.pay_code(60_000)

    page = await day.staff.page(address)
    assert panel_state(page) == "part"
    answer = await day.staff.post(
        f"{address}/collect", due="40000", method="cash", given="50.000", request_id=hidden(page, "request_id")
    )

    words = text_of(await day.staff.page(location(answer)))
    assert "Tiền mặt 40.000" in words
    assert "ngân hàng báo có 60.000" in words
    assert "Đã thanh toán lần này 100.000 đ" in words


async def test_too_little_and_too_much_under_a_code_are_stated(day: DeskDay) -> None:
    short_id, over_id = await day.visit("LK0001"), await day.visit("LK0002", patient={"HO_TEN": "Trần B"})
    await day.open_shift()
    for visit_id, amount in ((short_id, 75_000), (over_id, 175_000)):
        answer = await day.staff.post(f"/desk/visits/{visit_id}/code", due="100000", method="qr", line=["L1", "L2"])
        location(answer)
        await day.pay_code(amount)

    short, over = [await day.staff.page(f"/desk/visits/{visit_id}") for visit_id in (short_id, over_id)]

    assert (panel_state(short), panel_state(over)) == ("short", "over")
    assert "Còn thiếu" in text_of(short)
    assert "25.000" in text_of(short)
    assert "75.000 đ thừa được giữ làm tạm thu" in text_of(over)


async def test_waiting_code_stays_in_the_list_and_prints_in_the_background(day: DeskDay) -> None:
    visit_id = await day.visit()
    await day.open_shift()
    await day.staff.post(f"/desk/visits/{visit_id}/code", due="100000", method="qr", line=["L1", "L2"])
    [code] = await day.site.as_owner("SELECT id, deposit_request_id FROM intent")
    await day.pay_code(100_000)

    strip = await day.staff.client.get("/desk/waiting", headers={"HX-Request": "true"})
    assert f'hx-post="/desk/visits/{visit_id}/receipt?refresh"' in strip.text
    answer = await day.staff.post(
        f"/desk/visits/{visit_id}/receipt",
        key=str(code["id"]),
        request_id=str(code["deposit_request_id"]),
        background="1",
    )

    assert answer.status_code == 204
    left = (await day.staff.client.get("/desk/waiting", headers={"HX-Request": "true"})).text
    assert "<ol" not in left
    assert "Đã nhận tiền" in text_of(left)


async def test_advance_is_taken_and_then_pays_the_lines(day: DeskDay) -> None:
    visit_id = await day.visit()
    await day.open_shift()
    address = f"/desk/visits/{visit_id}"
    assert "Đề nghị nộp thêm 100.000 đ" in text_of(await day.staff.page(f"{address}/deposit"))

    empty = await day.staff.post(f"{address}/advance", amount="", method="cash")
    slip = await day.staff.post(f"{address}/advance", amount="500000150780", method="cash")
    taken = await day.staff.post(f"{address}/advance", amount="150.000", method="cash", given="200.000")

    assert empty.status_code == slip.status_code == 422
    assert "kiểm tra lại các số 0" in text_of(slip.text)
    assert "Tạm thu / tạm ứng" in text_of(empty.text)
    assert "Trả lại khách 50.000 đ" in text_of(await day.staff.page(location(taken)))
    # The deposit covers the orders: they are cleared, and nothing is to be collected for them.
    page = await day.staff.page(address)
    assert "đủ tạm thu" in text_of(page)
    chosen = await day.staff.page(f"{address}?chosen=1&line=L1&line=L2")
    assert "Trừ tạm thu 100.000 đ" in text_of(chosen)
    used = await day.staff.post(f"{address}/collect", due="0", method="deposit", line=["L1", "L2"])
    assert location(used) == address
    assert text_of(await day.staff.page(address)).count("đã thu") >= 2
    await assert_books_are_right(day.site.context.database)


async def test_standing_code_is_made_once_and_shown_again(day: DeskDay) -> None:
    visit_id = await day.visit()
    address = f"/desk/visits/{visit_id}"

    first = await day.staff.post(f"{address}/standing-code")
    second = await day.staff.post(f"{address}/standing-code")

    assert location(first) == address
    assert second.status_code == 409
    assert "dùng đến khi ra viện" in text_of(await day.staff.page(f"{address}/deposit"))


async def test_card_slip_is_recorded_with_its_terminal(day: DeskDay) -> None:
    visit_id = await day.visit()
    await day.open_shift()
    [bank] = await day.site.as_owner("SELECT id FROM bank_account WHERE organization_id = 1 LIMIT 1")
    terminal = await day.site.client.post(
        "/v1/card-terminals",
        json={
            "facility_code": day.site.hospital.facility_code,
            "name": "POS 1",
            "terminal_number": "T01",
            "bank_account_id": str(bank["id"]),
        },
    )
    address = f"/desk/visits/{visit_id}"
    assert "POS 1" in await day.staff.page(f"{address}?method=card")
    fields = {"due": "100000", "line": ["L1", "L2"], "terminal_id": terminal.json()["id"]}

    without = await day.staff.post(f"{address}/collect", method="card", **fields)
    mixed = await day.staff.post(
        f"{address}/collect", method="mixed", approval_code="A1", card_amount="30.000", given="100.000", **fields
    )

    assert without.status_code == 422
    assert "Chọn máy POS và nhập mã chuẩn chi" in text_of(without.text)
    words = text_of(await day.staff.page(location(mixed)))
    assert "Cà thẻ (POS) 30.000" in words
    assert "Tiền mặt 70.000" in words
    assert "Trả lại khách 30.000 đ" in words


async def test_final_bill_that_owes_is_collected_for_its_invoice(day: DeskDay) -> None:
    visit_id = await day.visit()
    await day.open_shift()
    address = await day.bill_on_credit(visit_id)

    page = await day.staff.page(address)
    answer = await day.staff.post(
        f"{address}/collect", due=hidden(page, "due"), method="cash", invoice_id=hidden(page, "invoice_id")
    )

    assert "Đã tất toán" in text_of(page)
    assert "Đã thanh toán lần này 100.000 đ" in text_of(await day.staff.page(location(answer)))
    assert panel_state(await day.staff.page(address)) == "closed"


async def test_code_of_an_invoice_that_waits_prints_its_receipt_by_itself(day: DeskDay) -> None:
    """The patient owes after the final bill, and pays while the cashier serves others."""
    visit_id = await day.visit()
    await day.open_shift()
    address = await day.bill_on_credit(visit_id)
    page = await day.staff.page(f"{address}?method=qr")
    shown = await day.staff.post(
        f"{address}/code", due="100000", method="qr", part="100.000", invoice_id=hidden(page, "invoice_id")
    )
    assert location(shown) == address
    await day.pay_code(100_000)

    strip = (await day.staff.client.get("/desk/waiting", headers={"HX-Request": "true"})).text
    sent = re.search(r"hx-post=\"([^\"]+)\".*hx-vals='([^']+)'", strip)
    assert sent is not None, strip
    answer = await day.staff.client.post(sent[1], data=json.loads(unescape(sent[2])))

    assert answer.status_code == 204, text_of(answer.text)
    [receipt] = await day.site.as_owner("SELECT amount FROM receipt")
    assert receipt["amount"] == 100_000
    left = (await day.staff.client.get("/desk/waiting", headers={"HX-Request": "true"})).text
    assert "<ol" not in left
    assert "Đã nhận tiền" in text_of(left)
    await assert_books_are_right(day.site.context.database)


async def test_customer_display_shows_short_name_amount_and_code_only(day: DeskDay) -> None:
    visit_id = await day.visit()
    await day.staff.page(f"/desk/visits/{visit_id}")
    display = await day.staff.page(f"/display/{day.desk_id}")
    assert "Nguyễn V. An – 1958" in text_of(display)
    assert "100.000 đ" in text_of(display)
    for secret in ("Nguyễn Văn An", "DN4", "7890", "LK0001", "Xét nghiệm"):
        assert secret not in display
    await day.staff.post(f"/desk/visits/{visit_id}/code", due="100000", method="qr", line=["L1", "L2"])

    assert '<path fill="#000"' in await day.staff.page(f"/display/{day.desk_id}")


async def test_customer_display_of_a_standing_code_takes_any_amount_and_claims_no_payment(day: DeskDay) -> None:
    visit_id = await day.visit()
    await day.staff.page(f"/desk/visits/{visit_id}")
    await day.staff.post(f"/desk/visits/{visit_id}/standing-code")
    shown = await day.staff.page(f"/display/{day.desk_id}")
    in_english = await day.staff.page(f"/display/{day.desk_id}?lang=en")
    await day.pay_code(70_000)
    received = await day.staff.page(f"/display/{day.desk_id}")

    assert "số tiền tùy ý" in text_of(shown)
    assert '<path fill="#000"' in shown
    assert "Đã thanh toán" not in text_of(shown)
    assert "any amount" in text_of(in_english)
    assert "Đã nhận 70.000 đ" in text_of(received)


async def test_stream_of_a_desk_states_that_money_has_come(day: DeskDay) -> None:
    visit_id = await day.visit()
    await day.staff.post(f"/desk/visits/{visit_id}/code", due="100000", method="qr", line=["L1", "L2"])
    page = await day.staff.page(f"/desk/visits/{visit_id}")
    found = re.search(r'sse-connect="(/desk/live\?[^"]+)"', page)
    assert found is not None

    async with asyncio.timeout(20), day.staff.client.stream("GET", unescape(found[1])) as answer:
        lines = answer.aiter_lines()
        await day.pay_code(100_000)
        async for line in lines:
            if line == "data: changed":
                break

    assert answer.headers["Content-Type"].startswith("text/event-stream")


async def test_panel_that_has_changed_replaces_the_whole_page(day: DeskDay) -> None:
    visit_id = await day.visit()
    await day.staff.post(f"/desk/visits/{visit_id}/code", due="100000", method="qr", line=["L1", "L2"])
    address = f"/desk/visits/{visit_id}/pay?state=waiting"

    same = await day.staff.client.get(address, headers={"HX-Request": "true"})
    await day.pay_code(100_000)
    changed = await day.staff.client.get(address, headers={"HX-Request": "true"})

    assert "HX-Retarget" not in same.headers
    assert changed.headers["HX-Retarget"] == "#work"
    assert panel_state(changed.text) == "paid"


async def test_code_that_brought_a_part_does_not_issue_its_receipt_by_itself(day: DeskDay) -> None:
    visit_id = await day.visit()
    await day.open_shift()
    await day.staff.post(f"/desk/visits/{visit_id}/code", due="100000", method="qr", part="60.000", line=["L1", "L2"])
    await day.pay_code(60_000)

    strip = await day.staff.client.get("/desk/waiting", headers={"HX-Request": "true"})

    assert "hx-post" not in strip.text
    assert "Còn thiếu" in text_of(strip.text)


async def test_other_ids_in_a_form_are_unknown(day: DeskDay) -> None:
    visit_id, other_id = await day.visit("LK0001"), await day.visit("LK0002", patient={"HO_TEN": "Trần B"})
    await day.open_shift()
    await day.staff.post(f"/desk/visits/{other_id}/code", due="100000", method="qr", line=["L1", "L2"])
    [row] = await day.site.as_owner("SELECT deposit_request_id FROM intent")

    for path in ("collect", "code", "receipt"):
        answer = await day.staff.post(
            f"/desk/visits/{visit_id}/{path}", due="100000", method="cash", request_id=str(row["deposit_request_id"])
        )
        assert answer.status_code == 404, path


async def test_requested_advance_is_shown_and_paid(day: DeskDay) -> None:
    visit_id = await day.visit()
    await day.open_shift()
    wanted = await day.site.client.post(f"/v1/visits/{visit_id}/deposit-requests", json={"amount": 2_000_000})
    address = f"/desk/visits/{visit_id}"
    page = await day.staff.page(f"{address}/deposit")
    assert "Yêu cầu tạm ứng lúc" in text_of(page)

    taken = await day.staff.post(
        f"{address}/advance",
        amount="2.000.000",
        method="cash",
        advance_request=hidden(page, "advance_request"),
        requested=hidden(page, "requested"),
    )

    assert "Đã thanh toán lần này 2.000.000 đ" in text_of(await day.staff.page(location(taken)))
    found = await day.site.read(f"/v1/deposit-requests/{wanted.json()['id']}")
    assert (found["state"], found["received"]) == ("paid", 2_000_000)

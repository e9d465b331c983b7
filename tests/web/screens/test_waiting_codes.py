"""Codes that wait in the background of a desk: each payment gets its receipt, however and whenever its money came."""

import json
import re
from html import unescape

from tests.builders import ACCOUNT_NAME
from tests.flow import PaymentFlow, assert_books_are_right
from tests.visit_accounts.ordered import ORGANIZATION
from tests.web.screens.desk_day import DeskDay, panel_state
from tests.web.screens.forms_of_page import forms_of
from tests.web.staff import location, text_of

REFERENCE = "FT26332910488"


async def show_code(day: DeskDay) -> str:
    """A visit of 100 000 đồng whose code waits at the desk; returns its address."""
    address = f"/desk/visits/{await day.visit()}"
    await day.open_shift()
    await day.staff.post(f"{address}/code", due="100000", method="qr", line=["L1", "L2"])
    return address


async def transfer(day: DeskDay, name: str, text: str = "") -> None:
    """The bank's notice of a transfer of 100 000 đồng."""
    account = await day.site.context.accounts.find(ORGANIZATION, ACCOUNT_NAME)
    assert account is not None
    flow = PaymentFlow(day.site.context, day.site.hospital, account)
    reference = REFERENCE if not text else f"FT{name}"
    await flow.deliver(flow.notice(name, text, amount=100_000, bank_reference=reference))


async def issue_by_itself(day: DeskDay) -> None:
    """Send what the strip of waiting codes sends once it is shown."""
    strip = (await day.staff.client.get("/desk/waiting", headers={"HX-Request": "true"})).text
    sent = re.search(r"hx-post=\"([^\"]+)\".*hx-vals='([^']+)'", strip)
    assert sent is not None, strip
    answer = await day.staff.client.post(sent[1], data=json.loads(unescape(sent[2])))
    assert answer.status_code == 204, text_of(answer.text)


async def strip_of(day: DeskDay) -> str:
    return text_of((await day.staff.client.get("/desk/waiting", headers={"HX-Request": "true"})).text)


async def print_what_was_paid(day: DeskDay) -> str:
    """The strip names who has paid under which receipt, until it is printed; returns what is left in the strip."""
    strip = (await day.staff.client.get("/desk/waiting", headers={"HX-Request": "true"})).text
    assert re.search(r"Đã nhận tiền: \S+.* · 100\.000 đ Phiếu thu \S+ · \d\d:\d\d\. Chưa in\.", text_of(strip)), strip
    [(path, fields)] = forms_of(strip, "/copies/80mm")
    assert location(await day.staff.client.post(path, data=dict(fields))).startswith("/print/receipts/")
    return await strip_of(day)


async def receipts_of(day: DeskDay) -> list[int]:
    return [row["amount"] for row in await day.site.as_owner("SELECT amount FROM receipt ORDER BY id")]


async def code_of(day: DeskDay) -> str:
    [row] = await day.site.as_owner("SELECT reference_code FROM intent")
    return str(row["reference_code"])


async def test_money_that_a_person_found_gets_its_receipt_at_the_desk_that_waits_for_it(day: DeskDay) -> None:
    address = await show_code(day)
    await transfer(day, "T1")
    [case] = await day.site.as_owner("SELECT id FROM exception_case")

    taken = await day.staff.post(
        "/desk/find-money/assign",
        visit=address.rpartition("/")[2],
        exception=str(case["id"]),
        amount="100.000",
        reference=REFERENCE,
    )
    await issue_by_itself(day)

    assert location(taken) == address
    assert await receipts_of(day) == [100_000]
    assert await print_what_was_paid(day) == ""
    await assert_books_are_right(day.site.context.database)


async def test_second_transfer_under_a_code_that_has_its_receipt_gets_another_one(day: DeskDay) -> None:
    await show_code(day)
    code = await code_of(day)
    await transfer(day, "T1", code)
    await issue_by_itself(day)
    assert await print_what_was_paid(day) == ""

    await transfer(day, "T2", code)
    await issue_by_itself(day)

    assert await receipts_of(day) == [100_000, 100_000]
    assert await print_what_was_paid(day) == ""
    await assert_books_are_right(day.site.context.database)


async def test_code_that_waits_is_printed_for_its_payer(day: DeskDay) -> None:
    address, code = await show_code(day), await code_of(day)
    other = await day.visit("LK0002")
    [paper] = re.findall(rf'href="(/print{address.removeprefix("/desk")}/codes/[^"]+)"', await day.staff.page(address))

    printed = await day.staff.page(paper)

    assert "100.000 đ" in text_of(printed)
    assert f"Nội dung {code}" in text_of(printed)
    assert "<svg" in printed
    await day.staff.page(paper.replace(address.rpartition("/")[2], str(other)), status=404)


async def test_code_of_the_wrong_patient_is_put_away_and_its_money_is_booked_all_the_same(day: DeskDay) -> None:
    address = await show_code(day)
    page = await day.staff.page(address)
    [(path, fields)] = forms_of(page, "/put-away")

    answer = await day.staff.client.post(path, data=dict(fields))

    assert location(answer) == address
    assert (panel_state(await day.staff.page(address)), await strip_of(day)) == ("unpaid", "")
    await transfer(day, "T1", await code_of(day))
    await issue_by_itself(day)
    assert await receipts_of(day) == [100_000]

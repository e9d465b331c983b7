"""The cashier's desk over HTTP: search, lines, every way to pay, and what is shown afterwards."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from billing.core.actor import Role
from billing.visit_accounts.domain.desk_panel import PanelState
from billing.visit_accounts.domain.desk_visit import LineStatus, PatientWarning
from billing.visit_accounts.domain.queue_ticket import QueueLine
from billing.visit_accounts.domain.receipt import PartMethod
from billing.visit_accounts.service.queue_tickets import take_ticket
from billing.web.screens.cashier_panel import METHODS
from billing.web.screens.texts import ScreenLanguage, catalogue
from tests.flow import assert_books_are_right
from tests.web.screens.desk_day import DeskDay, hidden, panel_state
from tests.web.site import UNKNOWN_ID, Site
from tests.web.staff import add_desk, location, signed_in, text_of


async def test_idle_desk_states_that_no_shift_is_open(day: DeskDay) -> None:
    page = text_of(await day.staff.page("/desk"))

    assert "Chưa mở ca" in page
    assert "Quầy 3" in page


async def test_person_without_a_desk_has_to_choose_one(site: Site) -> None:
    async with signed_in(site, Role.CASHIER) as staff:
        assert "Bạn chưa chọn quầy" in text_of(await staff.page("/desk"))


async def test_visit_shows_patient_slips_reasons_and_what_is_due(day: DeskDay) -> None:
    visit_id = await day.visit()

    page = await day.staff.page(f"/desk/visits/{visit_id}")

    words = text_of(page)
    for expected in (
        "Nguyễn Văn An",
        "1958",
        "DN 4 79 •••••• 7890",
        "80 %",
        "Phiếu XN-1",
        "Xét nghiệm",
        "90.000",
        "Cùng chi trả: 450.000",
    ):
        assert expected in words, expected
    assert "Thu 100.000 đ tiền mặt" in words
    assert panel_state(page) == "unpaid"
    assert not re.search(r"\sstyle=|\son[a-z]+=", page)


async def test_scan_opens_the_visit_and_a_name_lists_results(day: DeskDay) -> None:
    visit_id = await day.visit()

    scanned = await day.staff.client.get(
        "/desk/find", params={"q": "001058000001|0|Nguyeenx Vaan An|12031958|Nam|x|01012022"}
    )
    typed = await day.staff.client.get("/desk/find", params={"q": "khong co ai"})
    fragment = await day.staff.client.get("/desk/find", params={"q": "LK0001"}, headers={"HX-Request": "true"})

    assert location(scanned) == f"/desk/visits/{visit_id}"
    assert "0 kết quả" in text_of(typed.text)
    assert fragment.headers["HX-Push-Url"] == f"/desk/visits/{visit_id}"
    assert "<html" not in fragment.text


async def test_cash_is_collected_and_the_receipt_is_shown(day: DeskDay) -> None:
    visit_id = await day.visit()
    await day.open_shift()
    page = await day.staff.page(f"/desk/visits/{visit_id}")

    answer = await day.staff.post(
        f"/desk/visits/{visit_id}/collect",
        key=hidden(page, "idempotency_key"),
        due=hidden(page, "due"),
        method="cash",
        given="200.000",
        line=["L1", "L2"],
    )

    paid = await day.staff.page(location(answer))
    assert panel_state(paid) == "issued"
    words = text_of(paid)
    assert "Đã thu" in words
    assert "Trả lại khách 100.000 đ" in words
    assert f"PT{day.site.context.clock().year}-000001" in words
    assert "phiếu đã thu" not in words
    await assert_books_are_right(day.site.context.database)


async def test_bar_states_the_shift_and_its_drawer(day: DeskDay) -> None:
    without = text_of(await day.staff.page("/desk"))
    await day.open_shift()
    visit = text_of(await day.staff.page(f"/desk/visits/{await day.visit()}"))

    assert "Két: chưa mở" in without
    assert re.search(r"Ca từ \d\d:\d\d · Két: đang mở ca", visit)


async def test_receipt_states_what_was_paid_before(day: DeskDay) -> None:
    visit_id = await day.visit()
    await day.open_shift()
    address = f"/desk/visits/{visit_id}"
    await day.staff.post(f"{address}/advance", amount="30000", method="cash")

    await day.staff.post(f"{address}/collect", due="70000", method="cash", given="70.000", line=["L1", "L2"])

    [_, receipt] = await day.site.as_owner("SELECT id FROM receipt ORDER BY id")
    for paper in ("80mm", "a5"):
        words = text_of(await day.staff.page(f"/print/receipts/{receipt['id']}/{paper}"))
        assert "Trừ tiền đã nộp trước −30.000" in words
        assert "Còn thiếu" not in words
        assert "Đã thu lần này 70.000 đ" in words


async def test_second_press_returns_the_first_result(day: DeskDay) -> None:
    visit_id = await day.visit()
    await day.open_shift()
    page = await day.staff.page(f"/desk/visits/{visit_id}")
    fields = {"due": "100000", "method": "cash", "given": "", "line": ["L1", "L2"]}
    key = hidden(page, "idempotency_key")

    first = await day.staff.post(f"/desk/visits/{visit_id}/collect", key=key, **fields)
    second = await day.staff.post(f"/desk/visits/{visit_id}/collect", key=key, **fields)

    assert location(second) == location(first) + "&again=1"
    words = text_of(await day.staff.page(location(second)))
    assert "Đã ghi lúc" in words
    assert "Không có phiếu thứ hai" in words
    [row] = await day.site.as_owner("SELECT count(*) AS receipts FROM receipt")
    assert row["receipts"] == 1


async def test_refusal_shows_the_form_again_with_what_was_typed(day: DeskDay) -> None:
    visit_id = await day.visit()
    address = f"/desk/visits/{visit_id}/collect"

    without_shift = await day.staff.post(address, due="100000", method="cash", given="150.000", line=["L1", "L2"])
    await day.open_shift()
    too_little = await day.staff.post(address, due="100000", method="cash", given="50.000", line=["L1", "L2"])
    changed = await day.staff.post(address, due="90000", method="cash", line=["L1", "L2"])
    unreadable = await day.staff.post(address, due="100000", method="cash", given="1,5", line=["L1", "L2"])

    assert (without_shift.status_code, too_little.status_code, changed.status_code) == (409, 409, 409)
    assert "Bạn chưa mở ca" in text_of(without_shift.text)
    assert 'value="150.000"' in without_shift.text
    assert "Khách đưa ít hơn" in text_of(too_little.text)
    assert "vừa thay đổi" in text_of(changed.text)
    assert unreadable.status_code == 422
    assert panel_state(changed.text) == "unpaid"
    [row] = await day.site.as_owner("SELECT count(*) AS payments FROM payment")
    assert row["payments"] == 0


async def test_code_that_is_chosen_is_not_collected_as_cash(day: DeskDay) -> None:
    """The form of cash was still shown when another method was chosen."""
    visit_id = await day.visit()
    await day.open_shift()

    answer = await day.staff.post(
        f"/desk/visits/{visit_id}/collect", due="100000", method="qr", given="", line=["L1", "L2"]
    )

    assert answer.status_code == 422
    assert "Hình thức đã đổi" in text_of(answer.text)
    [row] = await day.site.as_owner("SELECT count(*) AS payments FROM payment")
    assert row["payments"] == 0


async def test_ticks_decide_what_is_collected(day: DeskDay) -> None:
    visit_id = await day.visit()

    part = await day.staff.client.get(
        f"/desk/visits/{visit_id}/pay", params={"chosen": "1", "line": ["L2"]}, headers={"HX-Request": "true"}
    )
    nothing = await day.staff.client.get(f"/desk/visits/{visit_id}/pay?chosen=1", headers={"HX-Request": "true"})

    assert "Thu 90.000 đ tiền mặt" in text_of(part.text)
    assert 'hx-swap-oob="true"' in part.text
    assert panel_state(nothing.text) == "nothing"


async def test_next_opens_who_waits_longest(day: DeskDay) -> None:
    first = await day.visit("LK0001")
    second = await day.visit("LK0002", patient={"HO_TEN": "Trần B"})

    assert location(await day.staff.post("/desk/next")) == f"/desk/visits/{first}"
    await day.staff.page(f"/desk/visits/{first}")
    assert location(await day.staff.post("/desk/next")) == f"/desk/visits/{second}"


async def test_next_calls_the_next_number_and_opens_its_visit(day: DeskDay) -> None:
    await day.visit("LK0001")
    second = await day.visit("LK0002", patient={"HO_TEN": "Trần B"})
    facility_code = day.site.hospital.facility_code
    await take_ticket(
        day.site.context, day.site.hospital.organization_id, facility_code, line=QueueLine.NORMAL, visit_id=second
    )
    assert "B001" in text_of(await day.staff.page("/desk"))

    assert location(await day.staff.post("/desk/next")) == f"/desk/visits/{second}"
    assert "Gọi lại" in text_of(await day.staff.page(f"/desk/visits/{second}"))
    assert location(await day.staff.post("/desk/next")) == "/desk"


async def test_change_is_computed_by_the_server(day: DeskDay) -> None:
    for given, expected in (("200.000", "75.500 đ"), ("100000", "24.500 đ"), ("abc", "–"), ("", "–")):
        answer = await day.staff.client.get("/desk/change", params={"due": "124500", "given": given})
        assert expected in text_of(answer.text), given


async def test_what_if_lists_routes_with_the_patient_share(day: DeskDay) -> None:
    visit_id = await day.visit()

    answer = await day.staff.client.get(f"/desk/visits/{visit_id}/what-if", headers={"HX-Request": "true"})

    assert answer.status_code == 200
    assert "100.000 đ" in text_of(answer.text)


async def test_visit_of_another_facility_or_unknown_is_not_found(site: Site, day: DeskDay) -> None:
    visit_id = await day.visit()
    async with signed_in(site, Role.CASHIER, desk_id=day.desk_id, facility_codes=["99999"]) as other:
        for method, path in (
            ("GET", f"/desk/visits/{visit_id}"),
            ("GET", f"/desk/visits/{visit_id}/pay"),
            ("GET", f"/desk/visits/{visit_id}/what-if"),
            ("GET", f"/display/{day.desk_id}"),
        ):
            assert (await other.client.request(method, path)).status_code == 404, path
        answer = await other.post(f"/desk/visits/{visit_id}/collect", due="100000", method="cash", line=["L1"])
        assert answer.status_code == 404
    assert (await day.staff.client.get(f"/desk/visits/{UNKNOWN_ID}")).status_code == 404


@asynccontextmanager
async def desk_day_of(site: Site) -> AsyncIterator[DeskDay]:
    """A second desk with an open shift."""
    desk_id = await add_desk(site, "Quầy 4")
    async with signed_in(site, Role.CASHIER, desk_id=desk_id) as staff:
        other = DeskDay(site, staff, desk_id)
        await other.open_shift()
        yield other


async def test_two_cashiers_at_once_take_the_money_once(site: Site, day: DeskDay) -> None:
    visit_id = await day.visit()
    await day.open_shift()
    async with desk_day_of(site) as other:
        answers = await asyncio.gather(
            *(
                each.staff.post(f"/desk/visits/{visit_id}/collect", due="100000", method="cash", line=["L1", "L2"])
                for each in (day, other)
            )
        )

    assert sorted(answer.status_code for answer in answers) == [303, 409]
    await assert_books_are_right(site.context.database)


async def test_hostile_names_are_inert(day: DeskDay) -> None:
    visit_id = await day.visit(
        patient={"HO_TEN": "<img src=x onerror=alert(1)>\u202egnp"},
        lines={"L1": ("<b>1</b>", "=cmd|' /C calc'!A0 <script>", "450000", 1)},
    )

    for path in ("/desk", f"/desk/visits/{visit_id}", f"/display/{day.desk_id}", "/desk/find?q=%3Cscript%3E"):
        page = await day.staff.page(path)
        assert "<img src=x" not in page
        assert "<script>" not in page
        assert "<b>1</b>" not in page


async def test_line_that_the_insurer_would_reject_is_stated_at_the_desk(day: DeskDay) -> None:
    visit_id = await day.visit(
        lines={"L1": ("XN-1", "Khám Nội", "50000", 13)},
        cards=[{"code": "DN4791234567890", "valid_from": "2026-01-01", "valid_to": "2026-12-31"}],
    )
    await day.site.as_owner(
        'UPDATE charge_item SET document = document || \'{"NGAY_YL": "202610010800"}\' WHERE organization_id = 1'
    )

    answer = await day.staff.client.get(f"/desk/visits/{visit_id}/risks", headers={"HX-Request": "true"})

    assert "dễ bị xuất toán · Khám Nội:" in text_of(answer.text)


def test_every_state_of_the_desk_has_a_text() -> None:
    texts = catalogue(ScreenLanguage.VIETNAMESE).keys()
    wanted = {
        *(f"desk.state_{state}" for state in PanelState),
        *(f"desk.what_{state}" for state in PanelState),
        *(f"desk.status_{status}" for status in LineStatus),
        *(f"desk.warning_{warning}" for warning in PatientWarning),
        *(f"desk.part_{method}" for method in PartMethod),
        *(f"desk.method_{method}" for method in METHODS),
    }

    assert wanted - texts == set()


async def test_desk_is_shown_in_english(site: Site) -> None:
    desk_id = await add_desk(site, "Desk 1")
    async with signed_in(site, Role.CASHIER, desk_id=desk_id, language="en") as staff:
        day = DeskDay(site, staff, desk_id)
        visit_id = await day.visit()

        assert "Collect 100.000 đ in cash" in text_of(await staff.page(f"/desk/visits/{visit_id}"))
        assert "No open shift" in text_of(await staff.page("/desk"))


async def test_shift_at_another_desk_is_stated(site: Site, day: DeskDay) -> None:
    other = DeskDay(site, day.staff, await add_desk(site, "Quầy 9"))
    await other.open_shift()

    assert "Ca của bạn đang mở ở quầy khác" in text_of(await day.staff.page("/desk"))


async def test_paper_receipts_are_entered_once_under_their_own_numbers(day: DeskDay) -> None:
    await day.visit()
    await day.open_shift()
    reserved = await day.staff.post("/desk/paper/reserve", count="3")
    assert location(reserved) == "/desk/paper"
    year = day.site.context.clock().year
    assert f"Số tiếp theo PT{year}-000001" in text_of(await day.staff.page("/desk/paper"))
    assert f"Số tiếp theo PT{year}-000001" in text_of(await day.staff.page("/desk"))
    [block] = await day.site.as_owner("SELECT id, reserved_at FROM receipt_block")
    at = (day.site.context.clock() + timedelta(hours=7)).strftime("%Y-%m-%dT%H:%M:%S.%f")
    fields = {"block_id": str(block["id"]), "number": "2", "issued_at": at, "visit": "LK0001", "amount": "40.000"}

    entered = await day.staff.post("/desk/paper/enter", **fields)
    again = await day.staff.post("/desk/paper/enter", **fields)
    unknown = await day.staff.post("/desk/paper/enter", **{**fields, "number": "1", "visit": "khong co"})
    unused = await day.staff.post("/desk/paper/unused", block_id=str(block["id"]), unused=["1", "3"])

    assert location(entered).startswith("/desk/paper?entered=")
    assert (again.status_code, unknown.status_code) == (409, 422)
    assert location(unused) == "/desk/paper"
    assert "chưa có số dự phòng" in text_of(await day.staff.page("/desk/paper"))
    await assert_books_are_right(day.site.context.database)


async def test_customer_display_stays_while_the_desk_is_locked(day: DeskDay) -> None:
    assert (await day.staff.post("/lock")).status_code == 303

    assert (await day.staff.client.get("/desk")).status_code == 303
    assert "Xin mời đưa thẻ" in text_of(await day.staff.page(f"/display/{day.desk_id}"))


async def test_digits_of_other_scripts_are_no_number(day: DeskDay) -> None:
    """`²` is a digit to Python, and no number."""
    visit_id = await day.visit()
    await day.open_shift()
    await day.staff.post("/desk/paper/reserve", count="2")
    [block] = await day.site.as_owner("SELECT id FROM receipt_block")
    paper = {"block_id": str(block["id"]), "visit": "LK0001", "amount": "1000", "issued_at": "2026-01-05T08:00"}

    answers = [
        await day.staff.client.get(f"/desk/change?due=1000&given={'²'}"),
        await day.staff.post("/desk/paper/enter", **paper, number="²"),
        await day.staff.post("/desk/paper/enter", **paper, number="9" * 30),
        await day.staff.post("/desk/paper/unused", block_id=str(block["id"]), unused="²"),
    ]
    async with day.staff.client.stream("GET", "/desk/live?version=²") as live:
        status = live.status_code

    assert visit_id
    assert [answer.status_code for answer in answers[:3]] == [200, 422, 422]
    assert answers[3].status_code < 500
    assert status == 200

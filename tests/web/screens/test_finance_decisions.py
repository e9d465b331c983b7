"""Decisions on the pages of finance: a proposal waits for a person, is accepted once, and may be reverted."""

import asyncio
import re
from collections.abc import AsyncIterator

import pytest

from billing.core.actor import Role
from billing.core.clock import business_date
from providers.sandbox.bank_simulator import Behaviour
from tests.reconciliation.statement_file import Line, statement_csv
from tests.web.import_day import BYTES
from tests.web.screens.finance_day import NOBODY, FinanceDay, match_and_detect, open_finance_day
from tests.web.screens.forms_of_page import forms_of
from tests.web.site import UNKNOWN_ID, Site
from tests.web.staff import Staff, location, signed_in, text_of


@pytest.fixture
async def clerk(site: Site) -> AsyncIterator[Staff]:
    async with signed_in(site, Role.FINANCE, name="Phạm Minh Đức") as staff:
        yield staff


async def _accept(staff: Staff, page: str, position: int = 0) -> str:
    """Press the button of a row that accepts its proposal; returns where it leads."""
    path, fields = [each for each in forms_of(page, "/decide") if each[1].get("action")][position]
    answer = await staff.client.post(path, data=dict(fields))
    return location(answer)


async def _owed(site: Site, day: FinanceDay) -> int:
    [invoice] = [each for each in (await site.read("/v1/invoices"))["items"] if each["owed"]] or [{"owed": 0}]
    owed: int = invoice["owed"]
    return owed


async def test_mangled_code_is_proposed_with_reasons_and_booked_only_by_a_person(site: Site, clerk: Staff) -> None:
    day = await open_finance_day(site)

    page = await clerk.page("/finance/reconciliation")

    words = text_of(page)
    assert f"<mark>{day.code[:-1]}</mark>" in page
    for text in ("cùng số tiền", "mã thiếu 1 ký tự", day.ma_lk, "Nhận đề xuất"):
        assert text in words
    assert await _owed(site, day) == day.owed, "the page books nothing"

    done = await clerk.page(await _accept(clerk, page))

    assert await _owed(site, day) == 0
    assert "đã gán" in text_of(done)
    [(path, fields)] = forms_of(done, "/revert")
    assert (await clerk.client.post(path, data=dict(fields))).status_code == 303
    assert await _owed(site, day) == day.owed, "the decision is reverted"


async def test_two_clerks_press_at_once_and_the_money_is_placed_once(site: Site, clerk: Staff) -> None:
    day = await open_finance_day(site)
    async with signed_in(site, Role.FINANCE, name="Đinh Thị Nga") as other:
        pages = [await each.page("/finance/reconciliation") for each in (clerk, other)]
        sent = []
        for staff, page in zip((clerk, other), pages, strict=True):
            path, fields = next(each for each in forms_of(page, "/decide") if each[1].get("target"))
            sent.append(staff.client.post(path, data=dict(fields)))
        answers = await asyncio.gather(*sent)

    assert sorted(each.status_code for each in answers) == [303, 409]
    assert await _owed(site, day) == 0
    late = next(each for each in answers if each.status_code == 409)
    assert re.search(r"(Phạm Minh Đức|Đinh Thị Nga) đã quyết định lúc", text_of(late.text))


async def test_money_of_nobody_is_booked_then_assigned_to_a_named_visit(site: Site, clerk: Staff) -> None:
    day = await open_finance_day(site)
    page = await clerk.page("/finance/reconciliation")
    path, fields = next(each for each in forms_of(page, "/decide") if each[1]["action"] == "book_payment")

    booked = await clerk.page(location(await clerk.client.post(path, data=dict(fields))))
    [exception_id] = {
        found for found in re.findall(r"/finance/exceptions/([0-9a-f-]{36})/decide", booked) if found not in path
    } - set(re.findall(r"/finance/exceptions/([0-9a-f-]{36})/decide", page))
    form = await clerk.page(f"/finance/exceptions/{exception_id}/decide?action=assign&q={day.ma_lk}")
    [(address, filled)] = [each for each in forms_of(form, "/decide") if "reason" in each[1]]
    target = re.search(r'name="target" value="([^"]+)"', form)
    assert target is not None
    named = {**filled, "target": target[1], "reason": "người nhà nộp hộ", "amount": "77.000"}
    other_paper = await clerk.client.post(address, data={**named, "bank_reference": "FT-OTHER"})
    answer = await clerk.client.post(address, data={**named, "bank_reference": "FT-NOBODY"})

    assert other_paper.status_code == 409
    assert answer.status_code == 303, answer.text
    assert await _owed(site, day) == day.owed - NOBODY


async def test_line_is_not_booked_for_a_paper_of_another_amount(site: Site, clerk: Staff) -> None:
    day = await open_finance_day(site)
    page = await clerk.page("/finance/reconciliation")
    path, fields = next(each for each in forms_of(page, "/decide") if each[1].get("target"))

    answer = await clerk.client.post(path, data={**fields, "amount": str(day.owed - 1)})

    assert answer.status_code == 409
    assert "không trùng với khoản tiền" in text_of(answer.text)
    assert len((await site.read("/v1/payments"))["items"]) == 1, "nothing is booked"


async def test_form_without_its_fields_is_shown_again_with_what_is_missing(site: Site, clerk: Staff) -> None:
    await open_finance_day(site)
    page = await clerk.page("/finance/exceptions")
    exception_id = re.findall(r"/finance/exceptions/([0-9a-f-]{36})", page)[0]
    address = f"/finance/exceptions/{exception_id}/decide"

    answers = [
        await clerk.post(address, action="no_action", version="1", reason=""),
        await clerk.post(address, action="refund", version="1", reason="trả lại", way=""),
        await clerk.post(address, action="match", version="1", reason="khớp tay"),
        await clerk.post(address, action="assign", version="1", reason="gán", target="x:y", amount="1"),
        await clerk.post(address, action="revert", version="x"),
    ]

    assert [each.status_code for each in answers] == [422] * 5
    assert all('class="errors"' in each.text for each in answers)
    assert "Ghi lý do, từ 3 đến 1000 ký tự." in text_of(answers[0].text)
    assert (await site.read(f"/v1/exceptions/{exception_id}"))["version"] == 1


async def test_reader_sees_no_button_and_may_send_no_form(site: Site) -> None:
    await open_finance_day(site)
    async with signed_in(site, Role.AUDITOR) as auditor:
        page = await auditor.page("/finance/reconciliation")
        exception_id = re.findall(r"/finance/exceptions/([0-9a-f-]{36})", page)[0]
        answer = await auditor.post(f"/finance/exceptions/{exception_id}/decide", action="no_action", reason="không")
        closing = await auditor.page("/finance/days")

    assert forms_of(page, "/decide") == []
    assert "Giao các khoản còn lại" not in closing
    assert answer.status_code == 403


async def test_clerk_of_one_facility_reads_no_books_of_the_organization(site: Site) -> None:
    async with signed_in(site, Role.FINANCE, facility_codes=[site.hospital.facility_code]) as limited:
        for path in ("/finance", "/finance/reconciliation", "/finance/exceptions", "/finance/ledger", "/approvals"):
            await limited.page(path, status=403)
        await limited.page("/finance/inbox")
        await limited.page("/finance/wards")


async def test_ids_of_others_and_hostile_parameters_are_refused(site: Site, clerk: Staff) -> None:
    await clerk.page(f"/finance/exceptions/{UNKNOWN_ID}", status=404)
    await clerk.page(f"/finance/exceptions/{UNKNOWN_ID}/decide", status=404)
    await clerk.page(f"/finance/reconciliation?account={UNKNOWN_ID}", status=404)
    await clerk.page("/finance/reconciliation?day=31/02/2026", status=400)
    await clerk.page("/finance/exceptions?owner=x", status=400)
    await clerk.page("/finance/reports/nothing", status=404)
    await clerk.page("/finance/ledger/account?role=clearing&after=x", status=400)


async def test_texts_of_payers_are_inert_on_pages_and_in_files(site: Site, clerk: Staff) -> None:
    hostile = "=cmd|' /C calc'!A0 <img src=x onerror=alert(1)>\u202e"
    day = await open_finance_day(site, text=hostile)
    async with signed_in(site, Role.FINANCE, name="<b>Ai đó</b>") as other:
        page = await other.page("/finance/reconciliation")
        rows = re.findall(r"/finance/exceptions/([0-9a-f-]{36})", page)
        await other.post(f"/finance/exceptions/{rows[0]}/comments", text=hostile)
        pages = [page, await clerk.page(f"/finance/exceptions/{rows[0]}"), await clerk.page("/finance/exceptions")]
        for each in pages:
            assert "<img" not in each
            assert "\u202e" not in each
    file = await clerk.client.get(f"/finance/exceptions/file?day={day.day}")
    workbook = await clerk.client.get(f"/finance/exceptions/file?day={day.day}&format=xlsx")
    assert file.status_code == workbook.status_code == 200
    assert len(file.text.strip().splitlines()) == 1 + page.count("data-row")
    assert "\u202e" not in file.text
    assert not re.search(r'(^|,)"?[=+@]', file.text, re.MULTILINE)


async def test_ticked_transactions_get_an_owner_and_a_due_day(site: Site, clerk: Staff) -> None:
    await open_finance_day(site)
    page = await clerk.page("/finance/exceptions?owner=none")
    ticked = re.findall(r'name="exception" value="([0-9a-f-]{36})"', page)
    assert len(ticked) == 2

    answer = await clerk.post(
        "/finance/exceptions/assign", exception=ticked, owner=str(clerk.person_id), due_on="2099-12-31"
    )

    assert location(answer) == "/finance/exceptions"
    assert "Phạm Minh Đức" in text_of(await clerk.page("/finance/exceptions?owner=mine"))
    assert 'name="exception"' not in await clerk.page("/finance/exceptions?owner=none")


async def test_decided_transactions_are_listed_on_the_day_of_their_decision(site: Site, clerk: Staff) -> None:
    await open_finance_day(site)
    page = await clerk.page("/finance/exceptions")
    exception_id = re.findall(r"/finance/exceptions/([0-9a-f-]{36})", page)[0]
    await clerk.post(f"/finance/exceptions/{exception_id}/decide", action="no_action", version="1", reason="đã trả")

    others = [each for each in re.findall(r"/finance/exceptions/([0-9a-f-]{36})", page) if each != exception_id]
    await clerk.post(f"/finance/exceptions/{others[0]}/decide", action="no_action", version="1", reason="đã trả")
    await clerk.post(f"/finance/exceptions/{others[0]}/revert", version="2")

    today = await clerk.page("/finance/exceptions?state=closed")
    decided = await clerk.page("/finance/reconciliation?view=decided")
    before = await clerk.page("/finance/reconciliation?view=decided&day=2026-01-05")

    assert exception_id in today
    assert exception_id in decided
    assert "Đã quyết định trong ngày 1" in text_of(decided)
    assert "Phạm Minh Đức đã quyết định lúc" in text_of(decided)
    assert exception_id not in before


async def test_comment_and_note_of_a_trace_that_are_sent_twice_stand_once(site: Site, clerk: Staff) -> None:
    await open_finance_day(site)
    page = await clerk.page("/finance/exceptions")
    exception_id = re.findall(r"/finance/exceptions/([0-9a-f-]{36})", page)[0]
    opened = await clerk.post(
        f"/finance/exceptions/{exception_id}/decide",
        action="open_trace",
        version="1",
        reason="hỏi ngân hàng",
        due_on="2099-12-31",
    )
    assert opened.status_code == 303, text_of(opened.text)
    [trace] = await site.as_owner("SELECT id FROM bank_trace")

    for path in (f"/finance/exceptions/{exception_id}/comments", f"/finance/traces/{trace['id']}/notes"):
        key = f"pressed-twice-{path[-5:]}"
        answers = await asyncio.gather(*(clerk.post(path, key=key, text="đã gọi ngân hàng") for _ in range(3)))
        assert [answer.status_code for answer in answers] == [303] * 3, text_of(answers[0].text)

    comments = await site.as_owner("SELECT text FROM exception_comment WHERE text = 'đã gọi ngân hàng'")
    notes = await site.as_owner("SELECT text FROM bank_trace_note WHERE text = 'đã gọi ngân hàng'")
    assert (len(comments), len(notes)) == (1, 1)


async def test_two_lines_of_one_payment_are_joined_on_the_form(site: Site, clerk: Staff) -> None:
    paid = await site.open_intent()
    await site.bank().pay(paid["instruction"]["qr_payload"], Behaviour.EXACT)
    day, owed = business_date(site.context.clock()), paid["amount"]
    lines = (
        Line(amount=owed - 30_000, text="PHAN MOT", reference="FT-P1", day=day),
        Line(amount=30_000, text="PHAN HAI", reference="FT-P2", day=day),
    )
    content = statement_csv(*lines, account=site.hospital.settings.account_number)
    imported = await site.client.post("/v1/bank-statements?file_name=hai-dong.csv", content=content, headers=BYTES)
    await match_and_detect(site, imported.json()["file"]["id"])
    [row] = await site.as_owner("SELECT id FROM exception_case WHERE amount = $1", owed - 30_000)
    address = f"/finance/exceptions/{row['id']}/decide"

    form = await clerk.page(f"{address}?action=match")
    [item] = re.findall(r'name="item" value="(payment:[^"]+)"', form)
    [line] = re.findall(r'name="line" value="([^"]+)"', form)
    fields = {"action": "match", "version": "1", "reason": "một khoản về hai dòng", "item": item}
    alone = await clerk.post(address, **fields)
    joined = await clerk.post(address, **fields, line=line)

    assert "Gộp với dòng sao kê khác" in text_of(form)
    assert (alone.status_code, joined.status_code) == (409, 303)
    [match] = await site.as_owner(
        "SELECT count(*) AS lines, sum(amount) AS amount FROM match_item WHERE is_live AND item_kind = 'statement_line'"
    )
    assert (match["lines"], match["amount"]) == (2, owed)


async def test_difference_that_waits_for_a_second_person_is_not_called_accepted(site: Site, clerk: Staff) -> None:
    intent = await site.open_intent()
    await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.EXACT)
    [payment] = (await site.read("/v1/payments"))["items"]
    short = Line(
        amount=payment["amount"] - 10_000,
        text=f"{intent['reference_code']} VIEN PHI",
        reference=payment["bank_reference"],
        day=business_date(site.context.clock()),
    )
    content = statement_csv(short, account=site.hospital.settings.account_number)
    imported = await site.client.post("/v1/bank-statements?file_name=sao-ke.csv", content=content, headers=BYTES)
    await match_and_detect(site, imported.json()["file"]["id"])
    [exception_id] = set(re.findall(r"/finance/exceptions/([0-9a-f-]{36})", await clerk.page("/finance/exceptions")))

    answer = await clerk.post(
        f"/finance/exceptions/{exception_id}/decide",
        action="accept_difference",
        version="1",
        reason="ngân hàng trừ phí",
        back="/finance/reconciliation",
    )
    notice = text_of(await clerk.page(location(answer)))
    history = text_of(await clerk.page(f"/finance/exceptions/{exception_id}"))

    assert "đã đề nghị, chờ người thứ hai duyệt" in notice
    assert "Đã quyết định trong ngày 0" in notice
    assert "Phạm Minh Đức đề nghị người thứ hai duyệt" in history

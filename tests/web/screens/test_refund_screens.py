"""Money back through the pages: lines priced again, requested, approved by a second person, paid from the drawer."""

import re
from collections.abc import AsyncIterator

import pytest

from billing.core.actor import Role
from tests.builders import FACILITY_CODE
from tests.web.cash_day import send
from tests.web.screens.live import LiveVisit, live_visit
from tests.web.screens.morning import PIN, Morning, staffed
from tests.web.site import Site
from tests.web.staff import location, signed_in, text_of

LINES = ("XML3-1", "XML3-2", "XML3-3", "XML2-1")
REASON = {"reason": "Người bệnh không làm", "room": "Phòng xét nghiệm: KTV Lan"}


@pytest.fixture
async def morning(site: Site) -> AsyncIterator[Morning]:
    async with staffed(site) as opened:
        yield opened


@pytest.fixture
async def visit(morning: Morning) -> LiveVisit:
    await morning.open()
    visit = await live_visit(morning)
    await visit.collect(*LINES)
    return visit


async def refund_of(visit: LiveVisit, number: int = 0) -> str:
    rows = await visit.morning.site.as_owner("SELECT id FROM refund ORDER BY id")
    return f"/refunds/{rows[number]['id']}"


async def test_preview_prices_the_whole_visit_again_and_writes_nothing(visit: LiveVisit) -> None:
    site = visit.morning.site
    before = await site.content(but="screen_session")

    page = text_of(await visit.morning.cashier.page(f"/desk/visits/{visit.id}/refund?line=XML3-2"))

    assert await site.content(but="screen_session") == before
    assert "Tổng chi phí 600.000 150.000" in page
    assert "Giảm phần người bệnh" in page


async def test_refunded_line_is_approved_by_a_second_person_and_paid_from_the_drawer(visit: LiveVisit) -> None:
    cashier, head = visit.morning.cashier, visit.morning.head
    address = f"/desk/visits/{visit.id}/refund"

    sent = await cashier.post(address, line="XML3-3", **REASON)
    refund = await refund_of(visit)
    early = await cashier.post(f"{refund}/pay")
    fields = {"second_person": str(head.person_id), "second_secret": PIN}
    approved = await cashier.post(f"{refund}/approve-here", **fields)
    paid = await cashier.post(f"{refund}/pay")
    again = await cashier.post(f"{refund}/pay")

    assert location(sent) == f"{address}?requested=20000"
    assert early.status_code == 422
    assert "chưa được duyệt" in text_of(early.text)
    assert (location(approved), location(paid)) == (refund, refund)
    assert again.status_code == 422
    page = await cashier.page(refund)
    assert "đã trả" in text_of(page)
    [row] = await visit.morning.site.as_owner("SELECT id, amount FROM receipt WHERE direction = 'out'")
    assert row["amount"] == 20_000
    assert f'href="/receipts/{row["id"]}"' in page
    voucher = text_of(await cashier.page(f"/receipts/{row['id']}"))
    assert "Người nhận" in voucher
    assert "Người nộp" not in voucher
    await visit.morning.count(n100000="2", n10000="1", n5000="1", n1000="1")
    assert "Phải có 216.000" in text_of(await cashier.page("/shift/close"))


async def test_second_person_reads_the_request_in_words_and_opens_its_visit(visit: LiveVisit) -> None:
    await visit.morning.cashier.post(f"/desk/visits/{visit.id}/refund", line="XML3-3", **REASON)
    refund, head = await refund_of(visit), visit.morning.head

    listed = await head.page("/approvals")
    [approval] = set(re.findall(r'href="(/approvals/[0-9a-f-]{36})"', listed))
    page = await head.page(approval)

    assert "Cách trả Tiền mặt tại quầy" in text_of(listed)
    assert "payments" not in listed + page
    assert f'href="{refund}"' in page
    assert f'href="/desk/visits/{visit.id}/refund"' in await head.page(refund)


async def test_balances_of_wards_offer_only_what_the_role_may_open(visit: LiveVisit) -> None:
    head = visit.morning.head
    async with signed_in(visit.morning.site, Role.FINANCE) as finance:
        of_finance = await finance.page("/finance/wards")
    of_head = await head.page("/finance/wards")

    assert f"/finance/visits/{visit.id}/documents" in of_finance
    assert f"/finance/visits/{visit.id}/documents" not in of_head
    assert f'href="/desk/visits/{visit.id}/discharge"' in of_head
    assert "Điều kiện ra viện" in of_head
    assert "Tất toán…" not in of_head
    assert await head.page(f"/desk/visits/{visit.id}/discharge")


async def test_form_sent_twice_refunds_once(visit: LiveVisit) -> None:
    address = f"/desk/visits/{visit.id}/refund"
    key = "hoan-mot-lan-0000001"

    answers = [await visit.morning.cashier.post(address, key=key, line="XML3-3", **REASON) for _ in range(2)]

    assert [location(answer) for answer in answers] == [f"{address}?requested=20000"] * 2
    [row] = await visit.morning.site.as_owner("SELECT count(*) AS refunds FROM refund")
    assert row["refunds"] == 1


async def test_performed_line_cannot_be_ticked(visit: LiveVisit) -> None:
    await visit.perform("XML3-1")

    page = await visit.morning.cashier.page(f"/desk/visits/{visit.id}/refund")

    assert re.search(r'value="XML3-1"[^>]*disabled', page)
    assert not re.search(r'value="XML3-2"[^>]*disabled', page)


async def test_refund_without_confirmation_of_the_room_keeps_the_form(visit: LiveVisit) -> None:
    fields = {"line": "XML3-3", "reason": "Máy hỏng", "room": ""}

    refused = await visit.morning.cashier.post(f"/desk/visits/{visit.id}/refund", **fields)

    assert refused.status_code == 422
    assert "Giảm phần người bệnh" in text_of(refused.text)
    [row] = await visit.morning.site.as_owner("SELECT count(*) AS lines FROM charge_item WHERE state = 'cancelled'")
    assert row["lines"] == 0


async def test_refund_to_an_unknown_account_states_that_the_lines_are_cancelled(morning: Morning) -> None:
    await morning.open()
    visit = await live_visit(morning)
    [bank] = await morning.site.as_owner("SELECT id FROM bank_account WHERE organization_id = 1 LIMIT 1")
    body = {"facility_code": FACILITY_CODE, "name": "POS", "terminal_number": "T1", "bank_account_id": str(bank["id"])}
    terminal = await send(morning.site.client, "/v1/card-terminals", body)
    await visit.collect(*LINES, method="card", terminal_id=terminal["id"], approval_code="A1")
    address = f"/desk/visits/{visit.id}"

    refused = await morning.cashier.post(f"{address}/refund", line="XML3-3", **REASON)
    account = {"bank_bin": "970436", "account_number": "0011", "holder": "LE THI HOA"}
    returned = await morning.cashier.post(f"{address}/return", return_amount="20000", reason="Hoàn", **account)

    assert refused.status_code == 422
    assert "Các dịch vụ đã hủy, nhưng 20.000 đ chưa có phiếu hoàn" in text_of(refused.text)
    assert "<details open>" in refused.text
    assert location(returned) == f"{address}/refund?requested=20000"


async def test_surplus_of_a_deposit_is_returned_on_request(visit: LiveVisit) -> None:
    await visit.advance(64_000)
    cashier = visit.morning.cashier

    page = text_of(await cashier.page(f"/desk/visits/{visit.id}/refund"))
    sent = await cashier.post(f"/desk/visits/{visit.id}/return", return_amount="64.000", reason="nộp thừa")
    too_much = await cashier.post(f"/desk/visits/{visit.id}/return", return_amount="1", reason="nộp thừa")

    assert "Trả lại được 64.000" in page
    assert location(sent) == f"/desk/visits/{visit.id}/refund?requested=64000"
    assert too_much.status_code == 422


async def test_page_states_the_rounded_cash_that_is_paid(visit: LiveVisit) -> None:
    settings = {"rounding_step": 1_000, "hides_expected_cash": True}
    await send(visit.morning.site.client, f"/v1/facilities/{FACILITY_CODE}/cash-settings", settings, method="PUT")
    await visit.advance(64_300)
    cashier, head = visit.morning.cashier, visit.morning.head

    await cashier.post(f"/desk/visits/{visit.id}/return", return_amount="64.300", reason="nộp thừa")
    refund = await refund_of(visit)
    await cashier.post(f"{refund}/approve-here", second_person=str(head.person_id), second_secret=PIN)
    page = text_of(await cashier.page(refund))
    paid = await cashier.post(f"{refund}/pay")

    assert "Làm tròn tiền mặt −300" in page
    assert "Trả 64.000 đ tiền mặt" in page
    assert location(paid) == refund


async def test_finance_approves_or_refuses_in_its_own_session(visit: LiveVisit) -> None:
    await visit.morning.cashier.post(f"/desk/visits/{visit.id}/refund", line="XML3-3", **REASON)
    refund = await refund_of(visit)

    async with signed_in(visit.morning.site, Role.FINANCE, name="Kế toán Hạnh") as finance:
        refused = await finance.post(f"{refund}/refuse")
        page = text_of(await finance.page(refund))

    assert location(refused) == refund
    assert "không duyệt" in page
    assert "Trả lại được 20.000" in text_of(await visit.morning.cashier.page(f"/desk/visits/{visit.id}/refund"))

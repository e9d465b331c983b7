"""The shift through its pages: opened, counted blindly, closed by two persons to the đồng, handed over and banked."""

import re
from collections.abc import AsyncIterator

import pytest

from billing.core.actor import Role
from billing.db.idempotency_keys import try_lock_key
from tests.web.screens.morning import FLOAT, PIN, Morning, staffed
from tests.web.site import Site
from tests.web.staff import location, signed_in, text_of


@pytest.fixture
async def morning(site: Site) -> AsyncIterator[Morning]:
    async with staffed(site) as opened:
        yield opened


async def test_shift_is_opened_with_the_counted_float(morning: Morning) -> None:
    before = text_of(await morning.cashier.page("/shift"))

    await morning.open()

    after = text_of(await morning.cashier.page("/shift"))
    assert "Mở ca · Quầy 1" in before
    assert "Ca của tôi · Quầy 1" in after
    assert "Tiền đầu ca 100.000" in after


async def test_float_that_differs_from_what_was_left_needs_its_reason(morning: Morning) -> None:
    refused = await morning.cashier.post("/shift", issued_float="50000", **FLOAT)
    amount_as_reason = await morning.cashier.post("/shift", difference_reason="100.000", **FLOAT)

    assert refused.status_code == 422
    assert "Số đếm khác số phải có" in text_of(refused.text)
    assert 'value="1"' in refused.text
    assert amount_as_reason.status_code == 422
    assert "ghi lý do bằng chữ" in text_of(amount_as_reason.text)
    assert location(await morning.cashier.post("/shift", difference_reason="Ca trước đếm sai", **FLOAT))


async def test_expected_cash_is_on_no_page_before_the_count(morning: Morning) -> None:
    await morning.open()
    await morning.take(137_000)
    shift_id = await morning.shift_id()

    pages = [await morning.cashier.page(path) for path in ("/shift", "/shift/close", "/shift/close?step=count")]
    sums = await morning.cashier.post("/shift/close/draft", shift_id=shift_id, n100000="2")
    skipped = await morning.cashier.page("/shift/close?step=result")

    assert all("237.000" not in page for page in [*pages, sums.text, skipped])
    assert '<output id="worth-100000" hx-swap-oob="true">200.000</output>' in sums.text
    assert 'value="2"' in await morning.cashier.page("/shift/close?step=count")


async def test_shift_that_agrees_is_closed_by_two_persons_to_the_dong(morning: Morning) -> None:
    await morning.open()
    await morning.take(137_500)
    await morning.count(n100000="2", n20000="1", n10000="1", n5000="1", n2000="1", n500="1")

    result = text_of(await morning.cashier.page("/shift/close"))
    signed = await morning.sign()

    assert "Phải có 237.500" in result
    minutes = text_of(await morning.cashier.page(location(signed)))
    assert "đã chốt" in minutes
    assert "Nguyễn Thị Tâm" in minutes
    paper = text_of(await morning.cashier.page(f"/print/shifts/{await morning.shift_id()}"))
    assert "Hai trăm ba mươi bảy nghìn năm trăm đồng" in paper
    [row] = await morning.site.as_owner("SELECT state, counted_cash, expected_cash FROM shift")
    assert tuple(row) == ("closed", 237_500, 237_500)
    sent = await morning.cashier.post(
        "/shift/hand-overs", shift_id=await morning.shift_id(), hand_over_amount="237.500"
    )
    assert "Đã gửi bàn giao; chờ thủ quỹ nhận" in text_of(await morning.cashier.page(location(sent)))


async def test_shortage_shows_causes_and_needs_reason_and_second_person(morning: Morning) -> None:
    await morning.open()
    await morning.take(150_000, tendered=200_000)
    await morning.count(n100000="2")

    result = text_of(await morning.cashier.page("/shift/close"))
    unreasoned = await morning.sign()
    wrong_pin = await morning.sign(second_secret="000000", reason="Không rõ")
    signed = await morning.sign(reason="Không rõ", notes="xem lại camera")

    assert "Thiếu quỹ −50.000 đ" in result
    assert "Trả lại thừa một tờ 50.000" in result
    assert (unreasoned.status_code, wrong_pin.status_code) == (422, 422)
    assert "PIN hoặc mật khẩu của người thứ hai không đúng" in text_of(wrong_pin.text)
    assert "Không rõ · xem lại camera" in text_of(await morning.cashier.page(location(signed)))


async def test_lone_cashier_closes_and_the_head_audits_in_the_morning(morning: Morning) -> None:
    await morning.open()
    await morning.count(n100000="1")

    signed = await morning.sign(is_alone="yes")
    waiting = text_of(await morning.head.page("/shift/waiting"))
    shift_id = await morning.shift_id()
    closed = await morning.head.post(f"/shift/waiting/{shift_id}/close")

    assert "chờ duyệt" in waiting
    assert location(signed) == f"/shift/{shift_id}/minutes"
    assert location(closed) == "/shift/waiting?closed"
    assert "duyệt chốt: Nguyễn Thị Tâm" in text_of(await morning.cashier.page(location(signed)))


async def test_head_cashier_ends_a_forgotten_shift_with_a_reason(morning: Morning) -> None:
    shift_id = await morning.open()

    form = await morning.head.page(f"/shift/waiting/{shift_id}/force")
    ended = await morning.head.post(f"/shift/waiting/{shift_id}/force", n100000="1", forced_reason="thu ngân về sớm")
    again = await morning.head.post(f"/shift/waiting/{shift_id}/force", n100000="1", forced_reason="thu ngân về sớm")

    assert "Chốt thay ca bỏ quên" in text_of(form)
    assert "chốt thay bởi Nguyễn Thị Tâm" in text_of(await morning.head.page(location(ended)))
    assert again.status_code == 422


async def test_audit_is_offered_to_another_person_than_the_one_who_counted(morning: Morning) -> None:
    shift_id = await morning.open()
    await morning.head.post(f"/shift/waiting/{shift_id}/force", n100000="1", forced_reason="thu ngân về sớm")
    pages = ("/shift/waiting", f"/shift/{shift_id}/minutes")

    async with signed_in(morning.site, Role.HEAD_CASHIER, name="Phan Thị Ngọc") as other:
        offered = ["Duyệt chốt ca" in text_of(await other.page(path)) for path in pages]
        closed = await other.post(f"/shift/waiting/{shift_id}/close")

    assert offered == [True, True]
    assert location(closed) == "/shift/waiting?closed"


async def test_head_cashier_who_counted_reads_that_another_person_audits(morning: Morning) -> None:
    shift_id = await morning.open()
    ended = await morning.head.post(f"/shift/waiting/{shift_id}/force", n100000="1", forced_reason="thu ngân về sớm")

    listed, minutes = [text_of(await morning.head.page(path)) for path in ("/shift/waiting", location(ended))]

    assert "Duyệt chốt ca" not in listed + minutes
    assert "Người khác duyệt" in listed


async def test_head_cashier_reaches_each_receipt_of_a_shift_from_the_list_of_shifts(morning: Morning) -> None:
    shift_id = await morning.open()
    receipt = await morning.take(50_000)

    waiting = await morning.head.page("/shift/waiting")
    listed = await morning.head.page(f"/shift/{shift_id}/receipts")

    assert f'href="/shift/{shift_id}/receipts"' in waiting
    assert f'href="/receipts/{receipt["id"]}"' in listed
    assert receipt["number"] in text_of(listed)


async def test_cash_receipt_without_a_print_is_named_before_the_close(morning: Morning) -> None:
    await morning.open()
    receipt = await morning.take(50_000)

    page = text_of(await morning.cashier.page("/shift/close"))

    assert "1 phiếu chưa in" in page
    assert receipt["number"] in page


async def test_receipts_not_cash_are_listed_with_their_part_and_sum_to_the_non_cash_total(morning: Morning) -> None:
    await morning.open()
    [bank] = await morning.site.as_owner("SELECT id FROM bank_account WHERE organization_id = 1 LIMIT 1")
    facility_code = morning.site.hospital.facility_code
    terminal = {"facility_code": facility_code, "name": "POS 1", "terminal_number": "T1"}
    added = await morning.site.client.post("/v1/card-terminals", json={**terminal, "bank_account_id": str(bank["id"])})
    card = {"method": "card", "terminal_id": added.json()["id"]}
    parts = [{"method": "cash", "amount": 70_000}, {**card, "amount": 30_000, "approval_code": "A1"}]
    mixed = await morning.client.post(
        f"/v1/visits/{morning.visit.visit_id}/collections", json={"amount": 100_000, "parts": parts}
    )
    assert mixed.status_code == 201, mixed.text
    await morning.take(20_000, **card, approval_code="A2")
    shift_id = await morning.shift_id()
    await morning.cashier.post("/shift/close/count", shift_id=shift_id, **FLOAT)

    listed = text_of(await morning.cashier.page("/shift/close?step=receipts"))
    await morning.cashier.post("/shift/close/receipts", shift_id=shift_id)
    result = text_of(await morning.cashier.page("/shift/close"))
    desk = text_of(await morning.cashier.page("/desk"))

    assert "Cà thẻ (POS) + Tiền mặt 30.000 trên phiếu 100.000" in listed
    assert "Cộng Cà thẻ (POS) 50.000" in listed
    assert "Cộng không dùng tiền mặt 50.000 đ" in listed
    assert "Phiếu không tiền mặt 2 50.000 đ" in result
    assert "Cộng không dùng tiền mặt 50.000 đ" in desk


async def test_cash_goes_to_the_treasurer_and_to_the_bank(morning: Morning) -> None:
    shift_id = await morning.open()
    await morning.take(50_000)

    sent = await morning.cashier.post("/shift/hand-overs", shift_id=shift_id, hand_over_amount="120.000")
    waiting = text_of(await morning.treasurer.page("/safe"))
    [row] = await morning.site.as_owner("SELECT id FROM hand_over")
    accepted = await morning.treasurer.post(f"/safe/hand-overs/{row['id']}/accept")
    again = await morning.treasurer.post(f"/safe/hand-overs/{row['id']}/accept")
    [bank] = await morning.site.as_owner("SELECT id FROM bank_account LIMIT 1")
    banked = await morning.treasurer.post(
        "/safe/bank-deposits", deposit_amount="20000", bank_account_id=str(bank["id"]), slip="NT-1"
    )

    assert (location(sent), location(accepted)) == ("/shift?handed-over", "/safe?accepted")
    assert "Nhận 120.000" in waiting
    assert again.status_code == 422
    assert "được nhận hoặc không nhận rồi" in text_of(again.text)
    assert location(banked) == "/safe?deposited"
    assert "NT-1" in text_of(await morning.treasurer.page("/safe"))


async def test_safe_that_is_below_zero_in_the_books_states_it_and_the_way_out(morning: Morning) -> None:
    """What was issued is a fact: it is recorded and shown, never refused."""
    before = text_of(await morning.treasurer.page("/safe"))
    await morning.open()

    after = text_of(await morning.treasurer.page("/safe"))

    assert "Két âm" not in before
    assert "Két âm trên sổ: −100.000 đ. Tiền đã cấp đầu ca" in after


async def test_rejected_hand_over_is_back_in_the_drawer(morning: Morning) -> None:
    shift_id = await morning.open()
    await morning.cashier.post("/shift/hand-overs", shift_id=shift_id, hand_over_amount="60000")
    [row] = await morning.site.as_owner("SELECT id FROM hand_over")

    rejected = await morning.treasurer.post(f"/safe/hand-overs/{row['id']}/reject", reason="thiếu một tờ")
    await morning.count(n100000="1")
    signed = await morning.sign()

    assert location(rejected) == "/safe?rejected"
    assert location(signed).endswith("/minutes")


async def test_form_sent_twice_moves_the_cash_once(morning: Morning) -> None:
    shift_id = await morning.open()

    for _ in range(2):
        answer = await morning.cashier.post(
            "/shift/paid-in", key="mot-lan-duy-nhat-0001", shift_id=shift_id, in_amount="30000", reason="tiền lẻ"
        )
        assert location(answer) == "/shift?moved"

    [row] = await morning.site.as_owner("SELECT count(*) AS moves FROM shift_event WHERE kind = 'paid_in'")
    assert row["moves"] == 1


async def test_more_than_the_drawer_holds_is_refused_without_the_amount(morning: Morning) -> None:
    shift_id = await morning.open()

    refused = await morning.cashier.post("/shift/paid-out", shift_id=shift_id, out_amount="100001", reason="nộp bớt")

    assert refused.status_code == 422
    assert "Két không đủ tiền mặt" in text_of(refused.text)


async def test_notes_that_are_no_number_are_named(morning: Morning) -> None:
    await morning.open()

    refused = await morning.cashier.post("/shift/close/count", shift_id=await morning.shift_id(), n500000="2 tờ")

    assert refused.status_code == 422
    assert 'href="#n500000"' in refused.text
    assert 'value="2 tờ"' in refused.text


async def test_receipt_is_printed_reprinted_and_voided_by_a_second_person(morning: Morning) -> None:
    await morning.open()
    receipt = await morning.take(50_000)
    page = f"/receipts/{receipt['id']}"

    prints = [location(await morning.cashier.post(f"{page}/copies/80mm")) for _ in range(3)]
    paper = text_of(await morning.cashier.page(prints[-1]))
    listed = text_of(await morning.cashier.page("/shift"))
    fields = {"void_reason": "nhầm người", "second_person": str(morning.head.person_id)}
    alone = await morning.cashier.post(f"{page}/void-here", **fields)
    voided = await morning.cashier.post(f"{page}/void-here", second_secret=PIN, **fields)

    assert "In lại lần 2" in paper
    assert "Năm mươi nghìn đồng" in paper
    assert receipt["number"] in listed
    assert "in lại lần 2" in listed
    assert (alone.status_code, location(voided)) == (422, f"{page}?voided")
    assert "ĐÃ HỦY" in text_of(await morning.cashier.page(page))
    await morning.count(n100000="1")
    assert location(await morning.sign()).endswith("/minutes")


@pytest.mark.parametrize("paper", ["80mm", "a5", "a4"])
async def test_paper_prints_what_was_stored_and_hostile_names_are_inert(morning: Morning, paper: str) -> None:
    await morning.open()
    receipt = await morning.take(50_000)
    await morning.site.without_guards(
        "receipt_print",
        "UPDATE receipt_print SET document = document || $1",
        '{"patient": "<script>alert(1)</script>"}',
    )

    answer = await morning.cashier.client.get(f"/print/receipts/{receipt['id']}/{paper}")

    assert answer.status_code == 200
    assert "<script>alert" not in answer.text
    assert "&lt;script&gt;alert" in answer.text
    assert not re.search(r"\sstyle=|<style", answer.text)


async def test_receipt_and_shift_of_another_facility_are_not_found(morning: Morning) -> None:
    shift_id = await morning.open()
    receipt = await morning.take(50_000)

    async with signed_in(morning.site, Role.CASHIER, Role.HEAD_CASHIER, facility_codes=["99999"]) as limited:
        answers = [
            await limited.client.get(path)
            for path in (
                f"/receipts/{receipt['id']}",
                f"/print/receipts/{receipt['id']}/a5",
                f"/print/shifts/{shift_id}",
                f"/shift/waiting/{shift_id}/force",
            )
        ]

    assert [answer.status_code for answer in answers] == [404] * 4


async def test_form_that_may_be_stored_is_shown_again_with_its_key(morning: Morning) -> None:
    """Another answer than "refused": the same press must not put the change into the drawer twice."""
    fields = {"shift_id": await morning.open(), "in_amount": "50.000", "reason": "tiền lẻ"}
    key, site = "key-of-the-form-1234", morning.site
    held = {"caller": f"person {morning.cashier.person_id}", "route": "POST /shift/paid-in", "key": key}

    async with site.context.database.transaction(site.hospital.organization_id) as tx:
        assert await try_lock_key(tx, **held)
        running = await morning.cashier.post("/shift/paid-in", key=key, **fields)
    refused = await morning.cashier.post("/shift/paid-in", key=key, **{**fields, "in_amount": "năm mươi"})

    assert f'name="idempotency_key" value="{key}"' in running.text
    assert refused.status_code == 422
    assert key not in refused.text
    assert "năm mươi" in refused.text

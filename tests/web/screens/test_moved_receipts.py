"""A head cashier moves a receipt of the wrong shift to another open shift: number and paper stay, cash follows."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from billing.core.actor import Actor, ActorKind, Role
from billing.core.money import Dong
from billing.visit_accounts.service.shifts import NewShift, open_shift
from tests.flow import assert_books_are_right
from tests.web.screens.desk_day import ORGANIZATION
from tests.web.screens.morning import Morning, staffed
from tests.web.site import UNKNOWN_ID, Site, key_of
from tests.web.staff import add_desk, location, signed_in, text_of


@pytest.fixture
async def morning(site: Site) -> AsyncIterator[Morning]:
    async with staffed(site) as opened:
        await opened.open()
        yield opened


@asynccontextmanager
async def other_shift(site: Site) -> AsyncIterator[str]:
    """A second desk with the open shift of another cashier; its drawer is empty."""
    desk_id = await add_desk(site, "Quầy 2")
    async with signed_in(site, Role.CASHIER, desk_id=desk_id, name="Đỗ Thị Mai") as cashier:
        actor = Actor(ActorKind.PERSON, cashier.person_id, cashier.person_id)
        new = NewShift(desk_id=desk_id, opening_float=Dong(0))
        yield str(await open_shift(site.context, ORGANIZATION, new, actor=actor))


async def cash_of(site: Site, shift_id: str) -> int:
    [row] = await site.as_owner(
        "SELECT coalesce(sum(amount), 0) AS cash FROM shift_event WHERE shift_id = $1", shift_id
    )
    return int(row["cash"])


async def test_moved_receipt_takes_its_cash_to_the_other_drawer(morning: Morning) -> None:
    receipt = await morning.take(50_000, tendered=50_000)
    address = f"/receipts/{receipt['id']}"
    async with other_shift(morning.site) as shift_id:
        offered = text_of(await morning.head.page(address))
        fields = {"shift_id": shift_id, "move_reason": "lập nhầm quầy"}
        answers = [await morning.head.post(f"{address}/move", key="key-of-the-form-0001", **fields) for _ in range(2)]
        page = text_of(await morning.head.page(address))
        own = await morning.site.read(f"/v1/receipts?shift_id={await morning_shift(morning, shift_id)}")
        others = await morning.site.read(f"/v1/receipts?shift_id={shift_id}")

    assert "Quầy 2 · Đỗ Thị Mai" in offered
    assert [location(answer) for answer in answers] == [f"{address}?moved"] * 2
    assert "Chuyển từ Quầy 1 (Lê Thị Hoa) sang Quầy 2 (Đỗ Thị Mai)" in page
    assert "Nguyễn Thị Tâm: lập nhầm quầy" in page
    assert receipt["number"] in page
    assert (await cash_of(morning.site, shift_id), len(own["items"]), len(others["items"])) == (50_000, 0, 1)
    [entry] = await morning.site.as_owner("SELECT count(*) AS moves FROM journal_entry WHERE kind = 'receipt_moved'")
    assert entry["moves"] == 1
    await assert_books_are_right(morning.site.context.database)


async def morning_shift(morning: Morning, other: str) -> str:
    [row] = await morning.site.as_owner("SELECT id FROM shift WHERE id <> $1", other)
    return str(row["id"])


async def test_moved_receipt_is_voided_in_the_shift_that_has_it(morning: Morning) -> None:
    receipt = await morning.take(50_000, tendered=50_000)
    address = f"/receipts/{receipt['id']}"
    async with other_shift(morning.site) as shift_id:
        await morning.head.post(f"{address}/move", shift_id=shift_id, move_reason="lập nhầm quầy")
        voided = await morning.head.post(f"{address}/void", void_reason="nhầm người bệnh")
        page = text_of(await morning.head.page(address))

    assert location(voided) == f"{address}?voided"
    assert "Ca nhận" not in page
    assert await cash_of(morning.site, shift_id) == 0
    await assert_books_are_right(morning.site.context.database)


async def test_receipt_of_a_closed_day_or_of_an_ended_shift_stays(morning: Morning) -> None:
    receipt = await morning.take(50_000, tendered=50_000)
    address = f"/receipts/{receipt['id']}"
    fields = {"move_reason": "lập nhầm quầy"}
    async with other_shift(morning.site) as shift_id:
        source = await morning_shift(morning, shift_id)
        await morning.site.without_guards("business_day", "UPDATE business_day SET state = 'closed', closed_at = now()")
        closed = await morning.head.post(f"{address}/move", shift_id=shift_id, **fields)
        offered = text_of(await morning.head.page(address))
        await morning.site.without_guards("business_day", "UPDATE business_day SET state = 'open', closed_at = NULL")
        forced = f"/shift/waiting/{source}/force"
        minutes = await morning.head.post(forced, n50000="3", forced_reason="thu ngân về sớm")
        ended = await morning.head.post(f"{address}/move", shift_id=shift_id, **fields)

    assert [answer.status_code for answer in (closed, minutes, ended)] == [422, 303, 422]
    assert "ngày đã khóa sổ" in text_of(closed.text)
    assert "Ca nhận" not in offered
    [row] = await morning.site.as_owner("SELECT count(*) AS moves FROM receipt_move")
    assert row["moves"] == 0


async def test_receipt_of_an_ended_shift_leads_to_refund_and_new_collection(morning: Morning) -> None:
    receipt = await morning.take(50_000, tendered=50_000)
    address = f"/receipts/{receipt['id']}"
    async with other_shift(morning.site) as shift_id:
        source = await morning_shift(morning, shift_id)
        before = text_of(await morning.head.page(address))
        await morning.head.post(f"/shift/waiting/{source}/force", n50000="3", forced_reason="thu ngân về sớm")
        page = await morning.head.page(address)
        cashiers = text_of(await morning.cashier.page(address))
        ended = await morning.head.post(f"{address}/move", shift_id=shift_id, move_reason="lập nhầm quầy")

    assert "Ca của phiếu này đã chốt" not in before + cashiers
    assert "Ca của phiếu này đã chốt" in text_of(page)
    assert f'href="/desk/visits/{morning.visit.visit_id}/refund"' in page
    assert "rồi thu lại trong ca đúng" in text_of(ended.text)
    assert await cash_of(morning.site, shift_id) == 0


async def test_receipt_is_moved_over_http_once(morning: Morning) -> None:
    site, receipt = morning.site, await morning.take(50_000, tendered=50_000)
    address = f"{site.address}/v1/receipts/{receipt['id']}/move"
    async with other_shift(site) as shift_id, httpx.AsyncClient() as client:
        body = {"shift_id": shift_id, "reason": "lập nhầm quầy"}
        head = await key_of(site, Role.HEAD_CASHIER)
        cashier = await key_of(site, Role.CASHIER, Role.INTEGRATOR)
        refused = await client.post(address, json=body, headers={**cashier, "Idempotency-Key": "chuyen-0"})
        unknown = await client.post(
            address, json={**body, "shift_id": UNKNOWN_ID}, headers={**head, "Idempotency-Key": "chuyen-9"}
        )
        keyless = await client.post(address, json=body, headers=head)
        same = {**head, "Idempotency-Key": "chuyen-1"}
        moved, again = [await client.post(address, json=body, headers=same) for _ in range(2)]
        other = await client.post(address, json={**body, "reason": "khác"}, headers=same)
        twice = await client.post(address, json=body, headers={**head, "Idempotency-Key": "chuyen-2"})
        cash = await cash_of(site, shift_id)

    assert [one.status_code for one in (refused, unknown, keyless)] == [403, 404, 400]
    assert (moved.status_code, moved.json()["moved_to"]) == (201, shift_id)
    assert again.json() == moved.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (other.status_code, twice.json()["code"], cash) == (422, "receipt_not_movable", 50_000)
    await assert_books_are_right(site.context.database)


async def test_cashier_moves_no_receipt_and_nobody_to_the_same_or_an_unknown_shift(morning: Morning) -> None:
    receipt = await morning.take(50_000, tendered=50_000)
    address = f"/receipts/{receipt['id']}/move"
    async with other_shift(morning.site) as shift_id:
        same = await morning_shift(morning, shift_id)
        answers = [
            await morning.cashier.post(address, shift_id=shift_id, move_reason="lập nhầm quầy"),
            await morning.head.post(address, shift_id=same, move_reason="lập nhầm quầy"),
            await morning.head.post(address, shift_id=UNKNOWN_ID, move_reason="lập nhầm quầy"),
            await morning.head.post(address, shift_id=shift_id, move_reason=""),
        ]

    assert [answer.status_code for answer in answers] == [403, 422, 422, 422]
    assert await cash_of(morning.site, shift_id) == 0


async def test_head_who_is_the_cashier_of_the_receipt_does_not_move_it(site: Site) -> None:
    async with staffed(site) as morning:
        desk_id = await add_desk(site, "Quầy 3")
        async with signed_in(site, Role.CASHIER, Role.HEAD_CASHIER, desk_id=desk_id, name="Trần Văn Cả") as both:
            actor = Actor(ActorKind.PERSON, both.person_id, both.person_id)
            await open_shift(site.context, ORGANIZATION, NewShift(desk_id=desk_id, opening_float=Dong(0)), actor=actor)
            visit_id = morning.visit.visit_id
            sent = await both.post(f"/desk/visits/{visit_id}/advance", amount="20.000", method="cash", given="20.000")
            [row] = await site.as_owner("SELECT id FROM receipt")
            async with other_shift(site) as shift_id:
                answer = await both.post(f"/receipts/{row['id']}/move", shift_id=shift_id, move_reason="của mình")

    assert sent.status_code == 303, text_of(sent.text)
    assert answer.status_code == 422
    assert await cash_of(site, shift_id) == 0

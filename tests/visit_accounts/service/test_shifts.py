"""Shifts against PostgreSQL: the drawer is the sum of its events and the balance of its account."""

import asyncio

import pytest

from billing.core.approvals import SecondPersonRequired
from billing.core.money import Dong
from billing.visit_accounts.domain.hand_over import HandOverDecided
from billing.visit_accounts.domain.shift import (
    DifferenceReasonNeeded,
    NoOpenShift,
    NotEnoughCash,
    ShiftAlreadyOpen,
    ShiftNotEnded,
    ShiftNotOpen,
    ShiftState,
    WrongShift,
)
from billing.visit_accounts.service import cash
from billing.visit_accounts.service.hand_overs import accept_hand_over, hand_over_cash, reject_hand_over
from billing.visit_accounts.service.shifts import (
    close_shift,
    end_shift,
    find_shift,
    force_close_shift,
    pay_in,
    pay_out,
)
from tests.flow import assert_books_are_right
from tests.visit_accounts.cashiers import ORGANIZATION, CashDesk


async def test_float_from_the_safe_is_in_the_drawer(desk: CashDesk) -> None:
    shift_id = await desk.open(500_000)

    view = await find_shift(desk.context, ORGANIZATION, shift_id, viewer=None)
    assert (view.cash, await desk.drawer(), await desk.balance("safe")) == (500_000, 500_000, -500_000)
    await assert_books_are_right(desk.context.database)


async def test_desk_and_cashier_have_one_open_shift(desk: CashDesk) -> None:
    await desk.open()

    with pytest.raises(ShiftAlreadyOpen, match="you have"):
        await desk.open()
    with pytest.raises(ShiftAlreadyOpen, match=str(desk.cashier.person)):
        await desk.open(actor=desk.other_cashier)


async def test_two_cashiers_open_one_desk_at_once_and_the_loser_is_informed(desk: CashDesk) -> None:
    done = await asyncio.gather(desk.open(), desk.open(actor=desk.other_cashier), return_exceptions=True)

    [refused] = [each for each in done if isinstance(each, Exception)]
    assert isinstance(refused, ShiftAlreadyOpen)


async def test_float_that_differs_needs_a_reason_and_is_booked(desk: CashDesk) -> None:
    first = await desk.open(500_000)
    await end_shift(desk.context, ORGANIZATION, first, {"500000": 1}, actor=desk.cashier)

    with pytest.raises(DifferenceReasonNeeded):
        await desk.open(480_000, actor=desk.other_cashier, issued_float=Dong(0))
    second = await desk.open(480_000, actor=desk.other_cashier, issued_float=Dong(0), difference_reason="thiếu tiền lẻ")

    view = await find_shift(desk.context, ORGANIZATION, second, viewer=None)
    assert (view.shift.expected_float, view.cash, await desk.drawer()) == (500_000, 480_000, 480_000)
    assert await desk.balance("cash_short") == 20_000
    await assert_books_are_right(desk.context.database)


async def test_cash_is_paid_in_and_out_with_a_reason(desk: CashDesk) -> None:
    shift_id = await desk.open()
    await pay_in(desk.context, ORGANIZATION, shift_id, Dong(300_000), reason="tiền lẻ", actor=desk.cashier)
    await pay_out(desk.context, ORGANIZATION, shift_id, Dong(100_000), reason="trả quỹ", actor=desk.cashier)

    with pytest.raises(NotEnoughCash):
        await pay_out(desk.context, ORGANIZATION, shift_id, Dong(200_001), reason="trả quỹ", actor=desk.cashier)
    with pytest.raises(WrongShift):
        await pay_in(desk.context, ORGANIZATION, shift_id, Dong(1), reason="tiền lẻ", actor=desk.other_cashier)
    assert await desk.drawer() == 200_000
    await assert_books_are_right(desk.context.database)


async def test_blind_count_books_over_and_short(desk: CashDesk) -> None:
    shift_id = await desk.open(500_000)

    with pytest.raises(DifferenceReasonNeeded):
        await end_shift(desk.context, ORGANIZATION, shift_id, {"500000": 1, "10000": 1}, actor=desk.cashier)
    with pytest.raises(WrongShift):
        await end_shift(desk.context, ORGANIZATION, shift_id, {"500000": 1}, actor=desk.head)
    await end_shift(
        desk.context,
        ORGANIZATION,
        shift_id,
        {"500000": 1, "10000": 1},
        difference_reason="thừa, chưa rõ",
        actor=desk.cashier,
    )

    view = await find_shift(desk.context, ORGANIZATION, shift_id, viewer=desk.cashier.person)
    assert (view.shift.state, view.shift.counted_cash, view.shift.expected_cash) == (
        ShiftState.ENDED,
        510_000,
        500_000,
    )
    assert (await desk.drawer(), await desk.balance("cash_over")) == (510_000, -10_000)
    with pytest.raises(ShiftNotOpen, match=str(desk.cashier.person)):
        await pay_in(desk.context, ORGANIZATION, shift_id, Dong(1), reason="tiền lẻ", actor=desk.cashier)
    await assert_books_are_right(desk.context.database)


async def test_ended_shift_is_closed_by_another_person(desk: CashDesk) -> None:
    shift_id = await desk.open()
    with pytest.raises(ShiftNotEnded):
        await close_shift(desk.context, ORGANIZATION, shift_id, actor=desk.head)
    await end_shift(desk.context, ORGANIZATION, shift_id, {}, actor=desk.cashier)

    with pytest.raises(SecondPersonRequired):
        await close_shift(desk.context, ORGANIZATION, shift_id, actor=desk.cashier)
    await close_shift(desk.context, ORGANIZATION, shift_id, actor=desk.head)
    with pytest.raises(ShiftNotEnded, match=str(desk.head.person)):
        await close_shift(desk.context, ORGANIZATION, shift_id, actor=desk.treasurer)


async def test_forced_close_is_approved_later_by_a_third_person(desk: CashDesk) -> None:
    shift_id = await desk.open(200_000)
    await force_close_shift(
        desk.context, ORGANIZATION, shift_id, {"100000": 1}, reason="thu ngân bỏ về", actor=desk.head
    )

    assert await desk.balance("cash_short") == 100_000
    with pytest.raises(SecondPersonRequired):
        await close_shift(desk.context, ORGANIZATION, shift_id, actor=desk.head)
    await close_shift(desk.context, ORGANIZATION, shift_id, actor=desk.treasurer)
    await assert_books_are_right(desk.context.database)


async def test_hand_over_is_accepted_by_another_person_once(desk: CashDesk) -> None:
    shift_id = await desk.open(500_000)
    sent = await hand_over_cash(desk.context, ORGANIZATION, shift_id, Dong(300_000), actor=desk.cashier)
    assert (await desk.drawer(), await desk.balance("cash_in_transit")) == (200_000, 300_000)

    with pytest.raises(SecondPersonRequired):
        await accept_hand_over(desk.context, ORGANIZATION, sent, actor=desk.cashier)
    await accept_hand_over(desk.context, ORGANIZATION, sent, actor=desk.treasurer)

    with pytest.raises(HandOverDecided, match=str(desk.treasurer.person)):
        await reject_hand_over(desk.context, ORGANIZATION, sent, reason="đếm thiếu", actor=desk.head)
    assert (await desk.balance("safe"), await desk.balance("cash_in_transit")) == (-200_000, 0)
    await assert_books_are_right(desk.context.database)


async def test_rejected_cash_returns_to_the_drawer_that_is_open_now(desk: CashDesk) -> None:
    first = await desk.open(500_000)
    sent = await hand_over_cash(desk.context, ORGANIZATION, first, Dong(300_000), actor=desk.cashier)
    await end_shift(desk.context, ORGANIZATION, first, {"200000": 1}, actor=desk.cashier)
    second = await desk.open(200_000, actor=desk.other_cashier, issued_float=Dong(0))

    with pytest.raises(WrongShift):
        await hand_over_cash(desk.context, ORGANIZATION, first, Dong(1_000), actor=desk.cashier)
    await reject_hand_over(desk.context, ORGANIZATION, sent, reason="đếm thiếu 1 tờ", actor=desk.treasurer)

    view = await find_shift(desk.context, ORGANIZATION, second, viewer=None)
    assert (view.cash, await desk.drawer()) == (500_000, 500_000)
    await assert_books_are_right(desk.context.database)


async def test_hand_over_never_exceeds_the_drawer(desk: CashDesk) -> None:
    shift_id = await desk.open(100_000)

    with pytest.raises(NotEnoughCash):
        await hand_over_cash(desk.context, ORGANIZATION, shift_id, Dong(100_001), actor=desk.cashier)
    await hand_over_cash(desk.context, ORGANIZATION, shift_id, Dong(100_000), actor=desk.cashier)
    assert await desk.drawer() == 0


async def test_shift_that_is_opened_while_it_is_looked_for_refuses_by_name(
    desk: CashDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.open()

    async def none_yet(_tx: object, _cashier: object) -> None:
        return None

    monkeypatch.setattr(cash, "lock_open_shift_of", none_yet)
    with pytest.raises(NoOpenShift, match=r"open your shift at a desk first$"):
        async with desk.context.database.transaction(ORGANIZATION) as tx:
            await cash.lock_own_drawer(tx, desk.cashier)

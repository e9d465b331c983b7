"""A shift is counted blindly in steps, signed by two persons, and its minutes are frozen."""

import asyncio
from collections.abc import Mapping

import pytest

from billing.core.approvals import SecondPersonRequired
from billing.core.ids import ReceiptId, ShiftId
from billing.core.money import Dong
from billing.visit_accounts.domain.collection import CollectedPart, Collection
from billing.visit_accounts.domain.difference_causes import CauseKind
from billing.visit_accounts.domain.receipt import PartMethod
from billing.visit_accounts.domain.shift import DifferenceReasonNeeded, NoOpenShift, ShiftNotOpen, ShiftState
from billing.visit_accounts.domain.shift_count import CashMovedSinceCount, CountNeeded, CountState
from billing.visit_accounts.service.collections import collect_at_desk
from billing.visit_accounts.service.shift_closing import (
    Signature,
    check_receipts,
    find_closing,
    finish_count,
    save_draft,
    sign_shift,
)
from billing.visit_accounts.service.shift_reads import find_minutes
from billing.visit_accounts.service.shifts import find_shift
from tests.flow import PaymentFlow, assert_books_are_right
from tests.visit_accounts.accounts import OpenVisit
from tests.visit_accounts.cashiers import ORGANIZATION, CashDesk
from tests.visit_accounts.service.test_collections import terminal

COUNTED = {"100000": 2, "50000": 1}


async def take(desk: CashDesk, visit: OpenVisit, *parts: CollectedPart, amount: int) -> ReceiptId:
    collection = Collection(visit_id=visit.visit_id, parts=parts, amount=Dong(amount))
    return await collect_at_desk(desk.context, ORGANIZATION, collection, actor=desk.cashier)


async def take_cash(desk: CashDesk, visit: OpenVisit, amount: int, *, tendered: int | None = None) -> ReceiptId:
    part = CollectedPart(
        method=PartMethod.CASH, amount=Dong(amount), tendered=None if tendered is None else Dong(tendered)
    )
    return await take(desk, visit, part, amount=amount)


async def count(desk: CashDesk, shift_id: ShiftId, counted: Mapping[str, int], *, ticked: list[ReceiptId]) -> None:
    await finish_count(desk.context, ORGANIZATION, shift_id, counted, actor=desk.cashier)
    await check_receipts(desk.context, ORGANIZATION, shift_id, ticked, actor=desk.cashier)


async def test_expected_cash_is_shown_only_after_count_and_ticks(desk: CashDesk, visit: OpenVisit) -> None:
    shift_id = await desk.open(100_000)
    await take_cash(desk, visit, 150_000)
    seen = [await find_closing(desk.context, ORGANIZATION, actor=desk.cashier)]

    await save_draft(desk.context, ORGANIZATION, shift_id, {"100000": 1}, follows=None, actor=desk.cashier)
    seen.append(await find_closing(desk.context, ORGANIZATION, actor=desk.cashier))
    await finish_count(desk.context, ORGANIZATION, shift_id, COUNTED, actor=desk.cashier)
    seen.append(await find_closing(desk.context, ORGANIZATION, actor=desk.cashier))
    await check_receipts(desk.context, ORGANIZATION, shift_id, [], actor=desk.cashier)
    last = await find_closing(desk.context, ORGANIZATION, actor=desk.cashier)

    assert [closing.result for closing in seen] == [None, None, None]
    assert [closing.count and closing.count.state for closing in seen] == [None, CountState.DRAFT, CountState.COUNTED]
    assert last.result is not None
    assert (last.result.expected, last.result.counted, last.result.difference) == (250_000, 250_000, 0)


@pytest.mark.parametrize("late", [COUNTED, {"100000": 2}])
async def test_draft_that_arrives_after_the_count_was_finished_does_not_reopen_it(
    desk: CashDesk, late: Mapping[str, int]
) -> None:
    """A browser sends the last typed note and the form at once; the server may answer the form first."""
    shift_id = await desk.open(100_000)
    await finish_count(desk.context, ORGANIZATION, shift_id, COUNTED, actor=desk.cashier)
    finished = (await find_closing(desk.context, ORGANIZATION, actor=desk.cashier)).count
    assert finished is not None

    await save_draft(desk.context, ORGANIZATION, shift_id, late, follows=None, actor=desk.cashier)
    kept = (await find_closing(desk.context, ORGANIZATION, actor=desk.cashier)).count
    await save_draft(desk.context, ORGANIZATION, shift_id, {"500": 1}, follows=finished.id, actor=desk.cashier)
    again = (await find_closing(desk.context, ORGANIZATION, actor=desk.cashier)).count

    assert kept == finished
    assert again is not None
    assert again.state is CountState.DRAFT
    assert dict(again.counted) == {"500": 1}


async def test_signed_by_two_persons_shift_is_closed_with_frozen_minutes(desk: CashDesk, visit: OpenVisit) -> None:
    shift_id = await desk.open(100_000)
    await take_cash(desk, visit, 150_000)
    await count(desk, shift_id, COUNTED, ticked=[])

    signature = Signature(shown_expected=Dong(250_000), second=desk.head)
    await sign_shift(desk.context, ORGANIZATION, shift_id, signature, actor=desk.cashier)

    closed = (await find_shift(desk.context, ORGANIZATION, shift_id, viewer=None)).shift
    minutes = await find_minutes(desk.context, ORGANIZATION, shift_id)
    assert (closed.state, closed.closed_by, closed.counted_cash) == (ShiftState.CLOSED, desk.head.person, 250_000)
    assert minutes.minutes.written_number.endswith("-000001")
    stated = {name: minutes.minutes.document[name] for name in ("difference", "receipts", "counts", "cashier")}
    assert stated == {"difference": 0, "receipts": 1, "counts": 1, "cashier": "Nguyễn Thị Thu"}
    await assert_books_are_right(desk.context.database)


async def test_shift_closed_alone_waits_for_its_audit(desk: CashDesk) -> None:
    shift_id = await desk.open(250_000)
    await count(desk, shift_id, COUNTED, ticked=[])

    await sign_shift(desk.context, ORGANIZATION, shift_id, Signature(shown_expected=Dong(250_000)), actor=desk.cashier)

    ended = (await find_shift(desk.context, ORGANIZATION, shift_id, viewer=None)).shift
    assert (ended.state, ended.closed_by) == (ShiftState.ENDED, None)
    with pytest.raises(NoOpenShift):
        await find_closing(desk.context, ORGANIZATION, actor=desk.cashier)


async def test_difference_needs_a_reason_and_is_booked(desk: CashDesk, visit: OpenVisit) -> None:
    shift_id = await desk.open(100_000)
    await take_cash(desk, visit, 200_000)
    await count(desk, shift_id, COUNTED, ticked=[])

    with pytest.raises(DifferenceReasonNeeded):
        await sign_shift(
            desk.context, ORGANIZATION, shift_id, Signature(shown_expected=Dong(300_000)), actor=desk.cashier
        )
    signature = Signature(shown_expected=Dong(300_000), difference_reason="Không rõ", second=desk.head)
    await sign_shift(desk.context, ORGANIZATION, shift_id, signature, actor=desk.cashier)

    assert (await desk.drawer(), await desk.balance("cash_short")) == (250_000, 50_000)
    await assert_books_are_right(desk.context.database)


async def test_own_signature_is_no_second_one(desk: CashDesk) -> None:
    shift_id = await desk.open(250_000)
    await count(desk, shift_id, COUNTED, ticked=[])

    with pytest.raises(SecondPersonRequired):
        await sign_shift(
            desk.context,
            ORGANIZATION,
            shift_id,
            Signature(shown_expected=Dong(250_000), second=desk.cashier),
            actor=desk.cashier,
        )

    assert (await find_shift(desk.context, ORGANIZATION, shift_id, viewer=None)).shift.state is ShiftState.OPEN


async def test_cash_taken_after_the_count_is_not_signed_away(desk: CashDesk, visit: OpenVisit) -> None:
    shift_id = await desk.open(250_000)
    await count(desk, shift_id, COUNTED, ticked=[])
    await take_cash(desk, visit, 40_000)

    with pytest.raises(CashMovedSinceCount):
        await sign_shift(
            desk.context,
            ORGANIZATION,
            shift_id,
            Signature(shown_expected=Dong(250_000), difference_reason="Không rõ"),
            actor=desk.cashier,
        )


async def test_signing_twice_at_once_ends_the_shift_once(desk: CashDesk) -> None:
    shift_id = await desk.open(250_000)
    await count(desk, shift_id, COUNTED, ticked=[])
    signature = Signature(shown_expected=Dong(250_000), second=desk.head)

    results = await asyncio.gather(
        *(sign_shift(desk.context, ORGANIZATION, shift_id, signature, actor=desk.cashier) for _ in range(2)),
        return_exceptions=True,
    )

    assert sorted(type(result) for result in results if result is not None) == [ShiftNotOpen]


async def test_result_needs_a_count(desk: CashDesk) -> None:
    shift_id = await desk.open(250_000)

    with pytest.raises(CountNeeded):
        await check_receipts(desk.context, ORGANIZATION, shift_id, [], actor=desk.cashier)
    with pytest.raises(CountNeeded):
        await sign_shift(
            desk.context, ORGANIZATION, shift_id, Signature(shown_expected=Dong(250_000)), actor=desk.cashier
        )


async def test_first_count_is_kept_when_the_cashier_counts_again(desk: CashDesk) -> None:
    shift_id = await desk.open(250_000)
    await count(desk, shift_id, {"100000": 2}, ticked=[])
    await count(desk, shift_id, COUNTED, ticked=[])

    signature = Signature(shown_expected=Dong(250_000), second=desk.head)
    await sign_shift(desk.context, ORGANIZATION, shift_id, signature, actor=desk.cashier)

    minutes = await find_minutes(desk.context, ORGANIZATION, shift_id)
    assert minutes.minutes.document["counts"] == 2


async def test_card_receipt_that_is_not_ticked_is_named_in_the_minutes(desk: CashDesk, visit: OpenVisit) -> None:
    shift_id = await desk.open(250_000)
    card = CollectedPart(
        method=PartMethod.CARD, amount=Dong(70_000), terminal_id=await terminal(desk), approval_code="A1"
    )
    receipts = [
        await take(desk, visit, card, amount=70_000),
        await take_cash(desk, visit, 1_000),
    ]
    closing = await find_closing(desk.context, ORGANIZATION, actor=desk.cashier)
    await count(desk, shift_id, {**COUNTED, "1000": 1}, ticked=[])

    signature = Signature(shown_expected=Dong(251_000), second=desk.head)
    await sign_shift(desk.context, ORGANIZATION, shift_id, signature, actor=desk.cashier)

    minutes = await find_minutes(desk.context, ORGANIZATION, shift_id)
    assert [one.id for one in closing.others] == receipts[:1]
    assert minutes.minutes.document["missing_receipts"] == [closing.others[0].written_number]


async def test_shortage_of_one_note_names_change_and_count(desk: CashDesk, visit: OpenVisit) -> None:
    shift_id = await desk.open(100_000)
    await take_cash(desk, visit, 150_000, tendered=200_000)
    await count(desk, shift_id, {"100000": 2}, ticked=[])

    closing = await find_closing(desk.context, ORGANIZATION, actor=desk.cashier)

    assert closing.result is not None
    assert [(cause.kind, cause.note) for cause in closing.result.causes] == [
        (CauseKind.TOO_MUCH_CHANGE, 50_000),
        (CauseKind.NOTE_MISCOUNTED, 50_000),
    ]


async def test_unallocated_money_of_the_missing_amount_is_named_first(
    flow: PaymentFlow, desk: CashDesk, visit: OpenVisit
) -> None:
    shift_id = await desk.open(250_000)
    await take_cash(desk, visit, 50_000)
    await flow.deliver(flow.notice("T1", "BA NOI KHAM TIM MACH", amount=50_000))
    await count(desk, shift_id, COUNTED, ticked=[])

    closing = await find_closing(desk.context, ORGANIZATION, actor=desk.cashier)

    assert closing.result is not None
    first = closing.result.causes[0]
    assert (first.kind, first.has_unallocated_money) == (CauseKind.OTHER_MONEY_RECORDED_AS_CASH, True)

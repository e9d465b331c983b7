"""Random days at a desk: after every step the drawer is the sum of its events, and at the end the books hold."""

from collections.abc import Awaitable, Callable
from random import Random
from uuid import UUID

import pytest

from billing.core.actor import Actor
from billing.core.errors import Refused
from billing.core.ids import ReceiptId, ShiftId
from billing.core.money import Dong
from billing.ledger.domain.accounts import AccountKey, AccountRole
from billing.organizations.domain.cash_setting import CashSetting
from billing.organizations.service.desks import set_cash_settings
from billing.visit_accounts.domain.collection import CollectedPart
from billing.visit_accounts.domain.receipt import PartMethod, Purpose
from billing.visit_accounts.service.cash import CashPayout, pay_out_cash
from billing.visit_accounts.service.hand_overs import accept_hand_over, hand_over_cash, reject_hand_over
from billing.visit_accounts.service.receipt_blocks import enter_unused_numbers, find_block, reserve_block
from billing.visit_accounts.service.receipts import void_issued_receipt
from billing.visit_accounts.service.shifts import (
    close_shift,
    end_shift,
    find_shift,
    force_close_shift,
    pay_in,
    pay_out,
)
from tests.builders import FACILITY_CODE
from tests.flow import assert_books_are_right
from tests.visit_accounts.accounts import OpenVisit
from tests.visit_accounts.cashiers import ORGANIZATION, CashDesk
from tests.visit_accounts.service.test_collections import cash, take, terminal

STEPS = 60


class Day:
    """Random acts at one desk; what is refused by name changes nothing."""

    def __init__(self, desk: CashDesk, visit: OpenVisit, terminal_id: UUID, random: Random) -> None:
        self.desk, self.visit, self.terminal_id, self.random = desk, visit, terminal_id, random
        self.shifts: list[ShiftId] = []
        self.receipts: list[ReceiptId] = []
        self.sent: list[UUID] = []
        self.slips = 0

    def amount(self) -> Dong:
        return Dong(self.random.randrange(1, 200) * 1_100)

    @property
    def shift_id(self) -> ShiftId:
        return self.shifts[-1]

    async def open(self) -> None:
        actor = self.random.choice([self.desk.cashier, self.desk.other_cashier])
        opening = self.random.choice([0, 100_000, 350_000])
        self.shifts.append(await self.desk.open(opening, actor=actor, difference_reason="chưa rõ"))

    async def collect(self) -> None:
        amount, by_card = self.amount(), self.amount()
        self.slips += 1
        card = CollectedPart(
            method=PartMethod.CARD, amount=by_card, terminal_id=self.terminal_id, approval_code=f"A{self.slips}"
        )
        parts = self.random.choice([[cash(amount)], [card], [cash(amount), card]])
        total = Dong(sum(part.amount for part in parts))
        self.receipts.append(await take(self.desk, self.visit, *parts, amount=total))

    async def void(self) -> None:
        receipt_id = self.random.choice(self.receipts)
        await void_issued_receipt(self.desk.context, ORGANIZATION, receipt_id, reason="nhầm", actor=self.desk.head)

    async def refund(self) -> None:
        payout = CashPayout(amount=self.amount(), purpose=Purpose.REFUND, debit=AccountKey(AccountRole.SAFE))
        async with self.desk.context.database.transaction(ORGANIZATION, posting=True) as tx:
            await pay_out_cash(tx, self.desk.context, payout, actor=self.desk.cashier)

    async def move(self) -> None:
        move = self.random.choice([pay_in, pay_out])
        await move(
            self.desk.context, ORGANIZATION, self.shift_id, self.amount(), reason="tiền lẻ", actor=self.desk.cashier
        )

    async def hand_over(self) -> None:
        actor = self.random.choice([self.desk.cashier, self.desk.other_cashier])
        sent = await hand_over_cash(self.desk.context, ORGANIZATION, self.shift_id, self.amount(), actor=actor)
        self.sent.append(sent)

    async def decide(self) -> None:
        sent = self.random.choice(self.sent)
        if self.random.random() < 0.5:
            await accept_hand_over(self.desk.context, ORGANIZATION, sent, actor=self.desk.treasurer)
        else:
            await reject_hand_over(self.desk.context, ORGANIZATION, sent, reason="đếm thiếu", actor=self.desk.treasurer)

    async def end(self) -> None:
        counted = {"100000": self.random.randrange(5), "1000": self.random.randrange(9)}
        actor = self.random.choice([self.desk.cashier, self.desk.other_cashier])
        await end_shift(
            self.desk.context, ORGANIZATION, self.shift_id, counted, difference_reason="chưa rõ", actor=actor
        )

    async def force(self) -> None:
        await force_close_shift(
            self.desk.context, ORGANIZATION, self.shift_id, {"50000": 1}, reason="bỏ về", actor=self.desk.head
        )

    async def close(self) -> None:
        shift_id = self.random.choice(self.shifts)
        await close_shift(self.desk.context, ORGANIZATION, shift_id, actor=self.desk.treasurer)

    async def reserve(self) -> None:
        block_id = await reserve_block(self.desk.context, ORGANIZATION, self.desk.desk_id, 2, actor=self.desk.cashier)
        block = (await find_block(self.desk.context, ORGANIZATION, block_id)).block
        await enter_unused_numbers(
            self.desk.context, ORGANIZATION, block_id, [block.last_number], actor=self.desk.cashier
        )

    async def step(self) -> None:
        """One random act; the frequent ones stand more than once."""
        acts: list[Callable[[], Awaitable[None]]] = [self.open, self.collect, self.reserve]
        if self.shifts:
            acts += [self.collect] * 4 + [self.refund, self.move, self.hand_over, self.end, self.force, self.close]
        acts += [self.void] * 2 if self.receipts else []
        acts += [self.decide] * 2 if self.sent else []
        try:
            await self.random.choice(acts)()
        except Refused:
            return


@pytest.mark.parametrize("seed", range(4))
async def test_drawer_is_its_events_at_every_step(desk: CashDesk, visit: OpenVisit, seed: int) -> None:
    await set_cash_settings(
        desk.context,
        ORGANIZATION,
        facility_code=FACILITY_CODE,
        setting=CashSetting(rounding_step=1_000),
        actor=Actor.system(),
    )
    day = Day(desk, visit, await terminal(desk), Random(seed))

    for _ in range(STEPS):
        await day.step()
        if day.shifts:
            view = await find_shift(desk.context, ORGANIZATION, day.shift_id, viewer=None)
            assert view.cash == await desk.drawer() >= 0

    assert day.receipts
    await assert_books_are_right(desk.context.database)

"""A shift with cash in its drawer, and the acts of cashiers, their head and the treasurer that may meet there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self
from uuid import UUID

from billing.core.errors import Refused
from billing.core.ids import ReceiptId, ShiftId
from billing.core.money import Dong
from billing.visit_accounts.service.hand_overs import accept_hand_over, hand_over_cash, reject_hand_over
from billing.visit_accounts.service.receipts import void_issued_receipt
from billing.visit_accounts.service.shifts import close_shift, end_shift, find_shift, force_close_shift, pay_out
from tests.races.race import Act
from tests.visit_accounts.accounts import OpenVisit
from tests.visit_accounts.cashiers import ORGANIZATION, CashDesk
from tests.visit_accounts.service.test_collections import cash, take

DESK_ACTS = ("collect", "void", "pay out", "end", "force", "close", "hand over", "accept", "reject", "open next")

DESK_EXPLAINED = frozenset(
    {
        "shift_not_open",
        "hand_over_decided",
        "receipt_already_void",
        "shift_already_open",
        "no_open_shift",
    }
)
"""The refusals of a loser: each states who was first and when."""


@dataclass(frozen=True, slots=True)
class DeskScene:
    """A shift with a float of 50 000 đồng and 50 000 of one receipt, 30 000 of them handed over; each act once."""

    desk: CashDesk
    visit: OpenVisit
    shift_id: ShiftId
    receipt_id: ReceiptId
    sent: UUID

    @classmethod
    async def set_up(cls, desk: CashDesk, visit: OpenVisit) -> Self:
        """Do what happened before."""
        shift_id = await desk.open(50_000, difference_reason="chưa rõ")
        receipt_id = await take(desk, visit, cash(50_000), amount=Dong(50_000))
        sent = await hand_over_cash(desk.context, ORGANIZATION, shift_id, Dong(30_000), actor=desk.cashier)
        return cls(desk, visit, shift_id, receipt_id, sent)

    @property
    def acts(self) -> Mapping[str, Act]:
        return {
            "collect": self._collect,
            "void": self._void,
            "pay out": self._pay_out,
            "end": self._end,
            "force": self._force,
            "close": self._close,
            "hand over": self._hand_over,
            "accept": self._accept,
            "reject": self._reject,
            "open next": self._open_next,
        }

    async def check(self, winners: Sequence[str]) -> None:
        """The drawer of the desk is the sum of its events, and the deposit has what winners brought and took."""
        view = await find_shift(self.desk.context, ORGANIZATION, self.shift_id, viewer=None)
        if view.shift.ended_at is None:
            assert view.cash == await self.desk.drawer() >= 0
        held = 50_000 + winners.count("collect") * 10_000 - ("void" in winners) * 50_000
        assert (await self.visit.deposit()).held == held, winners
        for act in ("void", "end", "force", "close", "accept", "reject", "open next"):
            assert winners.count(act) <= 1, f"{act} was done twice"

    async def finish(self) -> None:
        """End what is open, so that the next round begins with a free desk."""
        for act in (self._end, self._force):
            try:
                await act()
            except Refused:
                continue
        async with self.desk.context.database.transaction(ORGANIZATION) as tx:
            open_ids = [row["id"] for row in await tx.fetch("SELECT id FROM shift WHERE state = 'open'")]
        for shift_id in open_ids:
            await self._end_as(ShiftId(shift_id))

    async def _end_as(self, shift_id: ShiftId) -> None:
        await end_shift(
            self.desk.context, ORGANIZATION, shift_id, {}, difference_reason="chưa rõ", actor=self.desk.other_cashier
        )

    async def _collect(self) -> None:
        await take(self.desk, self.visit, cash(10_000), amount=Dong(10_000))

    async def _void(self) -> None:
        await void_issued_receipt(
            self.desk.context, ORGANIZATION, self.receipt_id, reason="nhầm người", actor=self.desk.head
        )

    async def _pay_out(self) -> None:
        await pay_out(
            self.desk.context, ORGANIZATION, self.shift_id, Dong(40_000), reason="trả quỹ", actor=self.desk.cashier
        )

    async def _end(self) -> None:
        await end_shift(
            self.desk.context, ORGANIZATION, self.shift_id, {}, difference_reason="chưa rõ", actor=self.desk.cashier
        )

    async def _force(self) -> None:
        await force_close_shift(
            self.desk.context, ORGANIZATION, self.shift_id, {}, reason="thu ngân về", actor=self.desk.head
        )

    async def _close(self) -> None:
        await close_shift(self.desk.context, ORGANIZATION, self.shift_id, actor=self.desk.treasurer)

    async def _hand_over(self) -> None:
        await hand_over_cash(self.desk.context, ORGANIZATION, self.shift_id, Dong(20_000), actor=self.desk.cashier)

    async def _accept(self) -> None:
        await accept_hand_over(self.desk.context, ORGANIZATION, self.sent, actor=self.desk.treasurer)

    async def _reject(self) -> None:
        await reject_hand_over(
            self.desk.context, ORGANIZATION, self.sent, reason="đếm thiếu", actor=self.desk.treasurer
        )

    async def _open_next(self) -> None:
        await self.desk.open(0, actor=self.desk.other_cashier, difference_reason="chưa rõ")

"""A visit at a desk, open or with its final bill, and the acts that two terminals may do with it at once."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import count
from typing import Any
from uuid import UUID

from billing.checkout.service.intent_targets import StandingTarget
from billing.checkout.service.intents import find_intent, open_intent
from billing.core.errors import Refused
from billing.core.ids import RefundId, ShiftId, VisitId
from billing.core.money import Dong
from billing.invoices.store.corrections import read_visit_invoices
from billing.ops.approval_kinds import approve_subject
from billing.organizations.service.approvals import ApprovalKind
from billing.payments.domain.refund import RefundWay
from billing.payments.service.intake import Intake
from billing.visit_accounts.domain.account import AccountState
from billing.visit_accounts.domain.collection import CollectedPart, Collection
from billing.visit_accounts.domain.message import Channel, Message, MessageKind
from billing.visit_accounts.domain.receipt import PartMethod
from billing.visit_accounts.service.account_views import find_account_view
from billing.visit_accounts.service.collections import collect_at_desk
from billing.visit_accounts.service.debts import NewDebt, agree_debt
from billing.visit_accounts.service.final_bills import close_visit, find_final_bill, reopen_visit
from billing.visit_accounts.service.hand_overs import accept_hand_over, hand_over_cash
from billing.visit_accounts.service.refund_sources import NewRefund
from billing.visit_accounts.service.refunds import request_refund, send_refund
from billing.visit_accounts.service.shifts import close_shift, end_shift
from billing.visit_accounts.service.visit_messages import cancel_charge, put_charges, put_visit
from tests.builders import ACCOUNT_NAME, FACILITY_CODE, drug_line, service_line
from tests.flow import PaymentFlow
from tests.races.race import Act
from tests.visit_accounts.cashiers import ORGANIZATION, CashDesk
from tests.web.live_visit import header, without_stt

ACTS = ("collect", "cancel line", "refund", "reopen", "close shift", "accept hand-over", "final bill", "callback")
"""The acts of the issue: each pair of them, and each with itself."""

EXPLAINED = frozenset(
    {
        "visit_closed", "deposit_closed", "visit_not_closed", "refund_not_waiting", "shift_not_open",
        "hand_over_decided", "no_open_shift", "shift_not_ended", "over_collection",
    }
)  # fmt: skip
"""The refusals of a loser: each states who was first and when."""

_COLLECTED, _REFUNDED, _TRANSFERRED = 10_000, 20_000, 7_000
_CASH, _HANDED_OVER = 200_000, 30_000
_NUMBERS = count(1)


@dataclass(slots=True)
class VisitScene:
    """A visit with two performed lines, 200 000 đồng in cash for it, a hand-over of 30 000 đồng that waits, and an
    approved refund of 20 000 đồng. `is_closed`: it has its final bill, with an amount owed as a debt.
    """

    flow: PaymentFlow
    desk: CashDesk
    is_closed: bool
    number: int = field(default_factory=lambda: next(_NUMBERS))
    visit_id: VisitId = field(init=False)
    shift_id: ShiftId = field(init=False)
    refund_id: RefundId = field(init=False)
    hand_over_id: UUID = field(init=False)
    code: str = field(init=False)
    collected: int = 0
    drawer: int = 0

    @property
    def acts(self) -> Mapping[str, Act]:
        return {
            "collect": self._collect,
            "cancel line": self._cancel_line,
            "refund": self._refund,
            "reopen": self._reopen,
            "close shift": self._close_shift,
            "accept hand-over": self._accept,
            "final bill": self._final_bill,
            "callback": self._callback,
        }

    async def set_up(self) -> None:
        """Do what happened before."""
        context, cashier = self.flow.context, self.desk.cashier
        self.shift_id = await self.desk.open(difference_reason="chưa rõ")
        opened = await put_visit(
            context, ORGANIZATION, self._message(MessageKind.VISIT, header(1, NGAY_RA="202611021700")), actor=cashier
        )
        self.visit_id = opened.account.visit_id
        lines = {
            "A": service_line(1, name="Khám", group=13, price="150000"),
            "B": drug_line(1, quantity="10", price="30000"),
        }
        charges = [
            {"line": line, "version": 1, "state": "performed", "item": without_stt(item)}
            for line, item in lines.items()
        ]
        await put_charges(
            context, ORGANIZATION, self._message(MessageKind.CHARGES, {"charges": charges}), actor=cashier
        )
        await self._take(_CASH, {"amount": Dong(_CASH)})
        intent_id = await open_intent(
            context, ORGANIZATION, account_name=ACCOUNT_NAME, target=StandingTarget(self.visit_id), amount=None,
            actor=cashier,
        )  # fmt: skip
        self.code = (await find_intent(context, ORGANIZATION, intent_id)).reference_code
        self.hand_over_id = await hand_over_cash(
            context, ORGANIZATION, self.shift_id, Dong(_HANDED_OVER), actor=cashier
        )
        new = NewRefund(amount=Dong(_REFUNDED), way=RefundWay.CASH, reason="hoàn thừa", visit_id=self.visit_id)
        self.refund_id = await request_refund(context, ORGANIZATION, new, actor=cashier)
        await approve_subject(context, ORGANIZATION, ApprovalKind.REFUND, self.refund_id, actor=self.desk.head)
        if self.is_closed:
            await self._close_with_debt()
        self.collected, self.drawer = _CASH, await self.desk.drawer()

    async def _close_with_debt(self) -> None:
        """A further line, which nobody has paid, before the final bill."""
        item = without_stt({**service_line(2, name="Giường", group=1, price="300000"), "PHAM_VI": "2"})
        charges = {"charges": [{"line": "C", "version": 1, "state": "performed", "item": item}]}
        await put_charges(
            self.flow.context, ORGANIZATION, self._message(MessageKind.CHARGES, charges), actor=self.desk.cashier
        )
        new = NewDebt(due_on=date(2099, 12, 31), reason="khó khăn", guarantor={"name": "Nguyễn Thị Con"})
        await agree_debt(self.flow.context, ORGANIZATION, self.visit_id, new, actor=self.desk.cashier)
        await self._final_bill()

    async def check(self, winners: Sequence[str]) -> None:
        """The money of the visit and of the drawer is what the winners brought and took."""
        assert winners or self.is_closed, "nobody won"
        context = self.flow.context
        view = await find_account_view(context, ORGANIZATION, self.visit_id)
        bill = (await find_final_bill(context, ORGANIZATION, self.visit_id)).amounts
        assert view.deposit is not None
        received = self.collected + winners.count("collect") * _COLLECTED + ("callback" in winners) * _TRANSFERRED
        returned = _REFUNDED if "refund" in winners else 0
        held = view.deposit.held + bill.paid + bill.credit + view.refunds_waiting
        assert held == received - returned, (winners, held, received, returned)
        for act in ("refund", "reopen", "close shift", "accept hand-over", "final bill"):
            assert winners.count(act) <= 1, f"{act} was done twice"
        async with context.database.transaction(ORGANIZATION) as tx:
            assert all(invoice.owed >= 0 for invoice in await read_visit_invoices(tx, self.visit_id))
        await self._check_drawer(winners)
        is_closed = view.account.state is AccountState.CLOSED
        assert is_closed or "final bill" not in winners or "reopen" in winners or self.is_closed

    async def _check_drawer(self, winners: Sequence[str]) -> None:
        """After a close the drawer has what was counted: nothing."""
        cash = 0
        if "close shift" not in winners:
            cash = self.drawer + winners.count("collect") * _COLLECTED - ("refund" in winners) * _REFUNDED
        assert await self.desk.drawer() == cash, winners

    async def finish(self) -> None:
        try:
            await self._close_shift()
        except Refused:
            return

    def _message(self, kind: MessageKind, body: Mapping[str, Any], *, line: str = "") -> Message:
        return Message(
            channel=Channel.HTTP,
            kind=kind,
            facility_code=FACILITY_CODE,
            ma_lk=f"LK-RACE-{self.number}",
            document=json.dumps(body),
            received_at=self.flow.context.clock(),
            line=line,
        )

    async def _take(self, amount: int, target: Mapping[str, Any]) -> None:
        part = CollectedPart(method=PartMethod.CASH, amount=Dong(amount))
        collection = Collection(visit_id=self.visit_id, parts=[part], **target)
        await collect_at_desk(self.flow.context, ORGANIZATION, collection, actor=self.desk.cashier)

    async def _collect(self) -> None:
        """An advance, or a part of what the invoice of a closed visit owes."""
        if not self.is_closed:
            await self._take(_COLLECTED, {"amount": Dong(_COLLECTED)})
            return
        async with self.flow.context.database.transaction(ORGANIZATION) as tx:
            [invoice, *_] = await read_visit_invoices(tx, self.visit_id)
        await self._take(_COLLECTED, {"invoice_id": invoice.id})

    async def _cancel_line(self) -> None:
        await cancel_charge(
            self.flow.context,
            ORGANIZATION,
            self._message(MessageKind.CHARGE, {}, line="B"),
            reason="người bệnh từ chối",
            actor=self.desk.cashier,
        )

    async def _refund(self) -> None:
        await send_refund(self.flow.context, ORGANIZATION, self.refund_id, actor=self.desk.cashier)

    async def _reopen(self) -> None:
        await reopen_visit(self.flow.context, ORGANIZATION, self.visit_id, reason="thêm thuốc", actor=self.desk.head)

    async def _close_shift(self) -> None:
        """The cashier counts and leaves; the treasurer audits."""
        context = self.flow.context
        await end_shift(context, ORGANIZATION, self.shift_id, {}, difference_reason="chưa rõ", actor=self.desk.cashier)
        await close_shift(context, ORGANIZATION, self.shift_id, actor=self.desk.treasurer)

    async def _accept(self) -> None:
        await accept_hand_over(self.flow.context, ORGANIZATION, self.hand_over_id, actor=self.desk.treasurer)

    async def _final_bill(self) -> None:
        await close_visit(self.flow.context, ORGANIZATION, self.visit_id, actor=self.desk.cashier)

    async def _callback(self) -> None:
        """The bank reports one transfer: with itself, the same one twice."""
        notice = self.flow.notice(f"RACE-{self.number}", f"MBVCB {self.code} nop tien", amount=_TRANSFERRED)
        async with Intake(self.flow.context) as intake:
            await intake.submit(self.flow.delivery(notice))

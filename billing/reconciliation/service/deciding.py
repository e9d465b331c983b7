"""An exception in the transaction that decides it: locked at its place in the lock order, closed or left open. A step.

The money of an action is locked first, then the exception (docs/design.md §5, lock order). Two persons who decide one
exception meet at its lock: the second one reads who was first and when.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from uuid import UUID

from billing.core.actor import Actor
from billing.core.clock import business_date
from billing.core.errors import NotFound
from billing.core.ids import DepositRequestId, InvoiceId, PaymentId, RefundId, VisitId
from billing.core.money import Dong
from billing.db.database import Transaction
from billing.ledger.domain.accounts import accounting_date
from billing.ledger.service.audit import note
from billing.ledger.store.journal import open_day, read_days
from billing.payments.domain.exception import ExceptionReason, ExceptionState
from billing.payments.domain.refund import BankDestination, RefundWay
from billing.payments.service.context import PaymentContext
from billing.reconciliation.domain.exception_case import (
    ActionNotPossible,
    Decision,
    DecisionAction,
    DecisionEntry,
    ExceptionCase,
)
from billing.reconciliation.domain.match_rules import ItemKind
from billing.reconciliation.store.decisions import add_decision
from billing.reconciliation.store.exceptions import change_case, find_case, find_open_of_payment, lock_cases

MONEY_REASONS = (
    ExceptionReason.NO_REFERENCE,
    ExceptionReason.AMBIGUOUS_REFERENCE,
    ExceptionReason.SPLIT_REFERENCE_AMOUNT_MISMATCH,
    ExceptionReason.CODE_NAMED_LATER,
    ExceptionReason.OVER_PAID,
    ExceptionReason.ALREADY_PAID,
    ExceptionReason.PAID_AFTER_CANCEL,
    ExceptionReason.PROBABLE_DUPLICATE,
)
"""Reasons that end once no money of the payment is unallocated or credit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDecision:
    """What a person decides, with the version of the exception that it read.

    `assign` names a visit, and its invoice or deposit request; `assign_to_payer` names the payer, and may name its
    guarantees; `amount` and `bank_reference` repeat those of the payment. `refund` names the way and, for a transfer, a
    destination if the account of the payer is not known. `open_trace` may name the day on which the trace is due.
    `match` may name the items of the line, and further lines that are `joined` with it; `book_return` the item that
    came back; without items it is the item that was found.
    """

    action: DecisionAction
    reason: str
    version: int
    visit_id: VisitId | None = None
    invoice_id: InvoiceId | None = None
    deposit_request_id: DepositRequestId | None = None
    payer: str = ""
    guarantee_ids: Sequence[UUID] = ()
    amount: Dong | None = None
    bank_reference: str = ""
    way: RefundWay | None = None
    destination: BankDestination | None = None
    due_on: date | None = None
    items: Sequence[tuple[ItemKind, UUID]] = ()
    joined: Sequence[UUID] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What an action did: its entries, the refund or the proposal it opened, and whether it closes the exception."""

    entries: tuple[DecisionEntry, ...] = ()
    refund_id: RefundId | None = None
    approval_id: UUID | None = None
    is_closing: bool = True


@dataclass(slots=True, kw_only=True)
class Deciding:
    """One exception in its transaction. `case` is as read without a lock until `lock` has returned."""

    tx: Transaction
    context: PaymentContext
    case: ExceptionCase
    new: NewDecision
    actor: Actor
    others: list[ExceptionCase] = field(default_factory=list)

    @property
    def payment_id(self) -> PaymentId:
        """The payment of the exception. Raises ActionNotPossible."""
        if self.case.payment_id is None:
            raise ActionNotPossible("this exception has no payment", field="action")
        return self.case.payment_id

    async def lock(self) -> None:
        """Lock the open exception after the money of its action. Raises ExceptionChanged with person and time."""
        await self._lock()
        self.case.require_open(version=self.new.version)

    async def lock_for_revert(self) -> None:
        """Lock the exception, open or closed. Raises ExceptionChanged with person and time."""
        await self._lock()
        self.case.require_version(self.new.version)

    async def _lock(self) -> None:
        """Lock the exception with the open exceptions that end together with it."""
        ids = [self.case.id]
        if self.case.payment_id is not None:
            ids += await find_open_of_payment(self.tx, self.case.payment_id, MONEY_REASONS, but=self.case.id)
        locked = await lock_cases(self.tx, ids)
        (self.case,) = (one for one in locked if one.id == self.case.id)
        self.others = [one for one in locked if one.id != self.case.id and one.state is ExceptionState.OPEN]

    async def write(self, effect: Effect, *, reverts_id: UUID | None = None) -> Decision:
        """Record the decision and the new state of the locked exception, with its audit row."""
        now, new = self.context.clock(), self.new
        decision = Decision(
            id=self.context.ids.new(),
            exception_id=self.case.id,
            action=new.action,
            reason=new.reason,
            is_closing=effect.is_closing,
            accounting_date=await read_accounting_date(self.tx, self.context),
            recorded_at=now,
            person_id=self.actor.person,
            visit_id=new.visit_id,
            invoice_id=new.invoice_id,
            deposit_request_id=new.deposit_request_id,
            refund_id=effect.refund_id,
            approval_id=effect.approval_id,
            reverts_id=reverts_id,
            entries=effect.entries,
        )
        await add_decision(self.tx, decision, actor=self.actor)
        state = ExceptionState.CLOSED if effect.is_closing else ExceptionState.OPEN
        await change_case(self.tx, self.case.id, state, by=self.actor.person, at=now)
        action = "exception_reverted" if reverts_id is not None else f"exception_{new.action}"
        await note(self.tx, self.context, self.actor, action, ("exception", self.case.id))
        return decision

    async def close_others(self) -> None:
        """Close the locked exceptions of the payment whose money this decision has placed."""
        await close_cases(self.tx, self.context, self.others, reason="the money of the payment was placed")


async def require_case(tx: Transaction, exception_id: UUID) -> ExceptionCase:
    """An exception, not locked. Raises NotFound."""
    case = await find_case(tx, exception_id)
    if case is None:
        raise NotFound("no such exception", field="exception_id")
    return case


async def close_cases(tx: Transaction, context: PaymentContext, cases: Sequence[ExceptionCase], *, reason: str) -> None:
    """Close locked exceptions whose cause is gone, each with a recorded decision of the system."""
    if not cases:
        return
    now, day, system = context.clock(), await read_accounting_date(tx, context), Actor.system()
    for case in cases:
        decision = Decision(
            id=context.ids.new(),
            exception_id=case.id,
            action=DecisionAction.CAUSE_GONE,
            reason=reason,
            is_closing=True,
            accounting_date=day,
            recorded_at=now,
        )
        await add_decision(tx, decision, actor=system)
        await change_case(tx, case.id, ExceptionState.CLOSED, by=None, at=now)
        await note(tx, context, system, "exception_cause_gone", ("exception", case.id))


async def read_accounting_date(tx: Transaction, context: PaymentContext) -> date:
    """The day of the books on which something that happens now is recorded. Raises NoOpenDay."""
    now = context.clock()
    today = business_date(now)
    await open_day(tx, today, at=now)
    days = await read_days(tx, first_day=today, last_day=today)
    return accounting_date(occurred_on=today, today=today, days=days)

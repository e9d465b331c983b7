"""Clearance of an order: may its lines be performed, and why or why not. Source: docs/visit-accounts.md, Clearance.

A line is paid when the deposit requests that name it are paid. The rest of the deposit covers other lines in the order
in which they were ordered, those that were started or performed first. The policy of the facility decides what is not
paid. An emergency is never blocked.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from billing.core.ids import VisitId
from billing.core.money import NOTHING, Dong, half_up_dong
from billing.visit_accounts.domain.charge import ChargeState


class PaymentTerm(StrEnum):
    """When the orders of a department are paid."""

    PAY_BEFORE = "pay_before"
    PAY_AFTER = "pay_after"
    INSURED_AT_END = "insured_at_end"


class DepositExhausted(StrEnum):
    """What happens to orders that need no payment in advance when the deposit is used up."""

    WARN = "warn"
    STOP_ELECTIVE = "stop_elective"


class ClearanceReason(StrEnum):
    """Why a line may be performed, or may not."""

    PAID = "paid"
    PAY_AFTER = "pay_after"
    INSURED_AT_END = "insured_at_end"
    EMERGENCY = "emergency"
    COVERED_BY_DEPOSIT = "covered_by_deposit"
    CONFIRMED_MANUALLY = "confirmed_manually"
    NOT_PAID = "not_paid"
    DEPOSIT_EXHAUSTED = "deposit_exhausted"
    CANCELLED = "cancelled"
    VISIT_CLOSED = "visit_closed"
    NOT_PRICED = "not_priced"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearancePolicy:
    """The policy of a department; `department` is empty for the whole facility, `valid_from` None for the default."""

    id: UUID | None = None
    department: str = ""
    valid_from: date | None = None
    term: PaymentTerm = PaymentTerm.PAY_BEFORE
    deposit_exhausted: DepositExhausted = DepositExhausted.WARN


_FOR_WANT_OF_MONEY = (ClearanceReason.NOT_PAID, ClearanceReason.NOT_PRICED, ClearanceReason.DEPOSIT_EXHAUSTED)

DEFAULT_POLICY = ClearancePolicy()
"""The policy of a facility that has set none: an order is paid before it is performed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeFacts:
    """What the clearance of a line depends on.

    `collected` is the amount of the paid requests that name the line; `is_request_open`: another one is open;
    `is_confirmed`: a head cashier has confirmed a transfer for each of the open ones.
    Amounts have two decimals and are None where the line has no price.
    """

    line: str
    order_number: str
    state: ChargeState
    department: str
    is_elective: bool
    is_emergency: bool
    stt: int
    ordered_at: datetime
    patient_amount: Decimal | None
    insurer_amount: Decimal | None
    collected: Dong = NOTHING
    is_request_open: bool = False
    is_confirmed: bool = False
    is_of_order: bool = True
    policy: ClearancePolicy = DEFAULT_POLICY

    @property
    def is_living(self) -> bool:
        """Whether the line is not cancelled."""
        return self.state is not ChargeState.CANCELLED

    @property
    def share(self) -> Dong:
        """The patient's share of the line in whole đồng; 0 where it has no price."""
        return NOTHING if self.patient_amount is None else half_up_dong(self.patient_amount)

    @property
    def is_paid(self) -> bool:
        """Whether every request that names the line is paid, or the patient has no share in it."""
        if self.is_request_open:
            return False
        return self.collected > 0 or (self.patient_amount is not None and self.share == 0)

    @property
    def committed(self) -> Dong:
        """The part of the deposit that the line needs: its share, or the collected amount where it has no price."""
        return self.collected if self.patient_amount is None else self.share

    @property
    def amount_due(self) -> Dong:
        """The part of the patient's share that no paid request covers; a cancelled line owes nothing."""
        if self.state is ChargeState.CANCELLED:
            return NOTHING
        return Dong(max(0, self.share - self.collected))


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitFacts:
    """A visit with all its lines.

    `available` is what secures the visit: the deposit held, confirmed guarantees, approved exemptions, and the money on
    its invoices, which a reopened visit has. `has_advance`: money was taken that no order line was named for.
    `confirmed` is what a head cashier has confirmed manually of advances and is not paid, `confirmed_for_lines` of
    requests that name order lines.
    """

    visit_id: VisitId
    is_closed: bool
    is_emergency: bool
    is_insured: bool
    available: Dong
    has_advance: bool
    lines: Sequence[ChargeFacts]
    confirmed: Dong = NOTHING
    confirmed_for_lines: Dong = NOTHING

    @property
    def free(self) -> int:
        """What secures the lines that are not confirmed: of `available`, confirmed ones take what has come for them."""
        taken = sum(line.committed for line in self.lines if line.is_living and line.is_confirmed)
        return min(self.available, self.available + self.confirmed_for_lines - taken)


@dataclass(frozen=True, slots=True, kw_only=True)
class LineClearance:
    """The answer for one line."""

    visit_id: VisitId
    line: str
    order_number: str
    state: ChargeState
    department: str
    is_cleared: bool
    reason: ClearanceReason
    amount_due: Dong
    policy: ClearancePolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderClearance:
    """The answer for an order: it is cleared when all its lines are that are not cancelled."""

    order_number: str
    is_cleared: bool
    reason: ClearanceReason
    lines: tuple[LineClearance, ...]
    policy: ClearancePolicy


def clear_order(order_number: str, visits: Sequence[VisitFacts]) -> OrderClearance | None:
    """Decide the lines of an order; None where no visit has a line of it.

    A sender may use a number again for a later visit: while an open visit has it, closed visits do not count.
    """
    open_visits = [visit for visit in visits if not visit.is_closed]
    lines = tuple(line for visit in open_visits or visits for line in clear_visit(visit))
    if not lines:
        return None
    living = [line for line in lines if line.state is not ChargeState.CANCELLED]
    blocked = [line for line in living if not line.is_cleared]
    deciding = (blocked or living or lines)[0]
    return OrderClearance(
        order_number=order_number,
        is_cleared=bool(living) and not blocked,
        reason=deciding.reason,
        lines=lines,
        policy=deciding.policy,
    )


def clear_visit(visit: VisitFacts) -> list[LineClearance]:
    """Decide the lines of a visit that are of the order, by line number."""
    lines = sorted((line for line in visit.lines if line.is_of_order), key=lambda each: (each.stt, each.line))
    is_deposit_needed = any(_decide_without_policy(visit, line) is None for line in lines)
    covered = frozenset(_covered(visit, visit.free) if is_deposit_needed else ())
    secured = visit.free + visit.confirmed
    confirmed = frozenset(_covered(visit, secured) if is_deposit_needed and visit.confirmed else ())
    return [
        _clear_line(
            visit,
            line,
            is_covered=line.line in covered,
            is_confirmed=line.is_confirmed or line.line in confirmed,
        )
        for line in lines
    ]


def _covered(visit: VisitFacts, free: int) -> Iterable[str]:
    """The lines that an amount of deposit covers, those that are confirmed left out.

    Paid lines use their own money, and started lines have used theirs; the rest goes to the oldest orders that it is
    enough for.
    """
    living = [(line, line.is_paid) for line in visit.lines if line.is_living and not line.is_confirmed]
    for line, is_paid in sorted(living, key=_precedence):
        committed = line.committed
        is_enough = committed <= free
        if is_enough or is_paid or line.state in (ChargeState.STARTED, ChargeState.PERFORMED):
            free -= committed
        if is_enough and line.patient_amount is not None:
            yield line.line


def _precedence(living: tuple[ChargeFacts, bool]) -> tuple[bool, bool, datetime, int, str]:
    line, is_paid = living
    is_waiting = line.state in (ChargeState.ORDERED, ChargeState.CLEARED)
    return (not is_paid, is_waiting, line.ordered_at, line.stt, line.line)


def _clear_line(visit: VisitFacts, line: ChargeFacts, *, is_covered: bool, is_confirmed: bool) -> LineClearance:
    is_cleared, reason = _decide(visit, line, is_covered=is_covered)
    if is_confirmed and reason in _FOR_WANT_OF_MONEY and not is_cleared:
        is_cleared, reason = True, ClearanceReason.CONFIRMED_MANUALLY
    return LineClearance(
        visit_id=visit.visit_id,
        line=line.line,
        order_number=line.order_number,
        state=line.state,
        department=line.department,
        is_cleared=is_cleared,
        reason=reason,
        amount_due=line.amount_due,
        policy=line.policy,
    )


def _decide(visit: VisitFacts, line: ChargeFacts, *, is_covered: bool) -> tuple[bool, ClearanceReason]:
    """Whether a line may be performed, with the reason; the first rule that applies decides."""
    fixed = _decide_without_policy(visit, line)
    if fixed is not None:
        return fixed
    released = _released_by(visit, line)
    if released is not None:
        if not visit.has_advance or is_covered or line.amount_due == 0:
            return True, released
        is_stopped = line.policy.deposit_exhausted is DepositExhausted.STOP_ELECTIVE and line.is_elective
        return not is_stopped, ClearanceReason.DEPOSIT_EXHAUSTED
    if is_covered:
        return True, ClearanceReason.COVERED_BY_DEPOSIT
    return False, ClearanceReason.NOT_PRICED if line.patient_amount is None else ClearanceReason.NOT_PAID


def _decide_without_policy(visit: VisitFacts, line: ChargeFacts) -> tuple[bool, ClearanceReason] | None:
    """What is decided whatever the policy is. Only a cancellation stops an emergency."""
    if line.state is ChargeState.CANCELLED:
        return False, ClearanceReason.CANCELLED
    if visit.is_emergency or line.is_emergency:
        return True, ClearanceReason.EMERGENCY
    if visit.is_closed:
        return False, ClearanceReason.VISIT_CLOSED
    if line.is_paid:
        return True, ClearanceReason.PAID
    return None


def _released_by(visit: VisitFacts, line: ChargeFacts) -> ClearanceReason | None:
    """The term by which a line is performed before it is paid; None where it is paid before.

    "Insured at the end" releases what the insurer shares in; a line that only the patient pays is paid before.
    """
    if line.policy.term is PaymentTerm.PAY_AFTER:
        return ClearanceReason.PAY_AFTER
    is_insured = visit.is_insured if line.insurer_amount is None else line.insurer_amount > 0
    if line.policy.term is PaymentTerm.INSURED_AT_END and is_insured:
        return ClearanceReason.INSURED_AT_END
    return None

"""Moves parts of payments from one allocation target to another: a deposit to an invoice, credit to a refund.

Allocations are never changed. A row that names an allocation reverses it whole, a row for its remainder follows, and a
row for the part at its new target. Source: docs/design.md §2, Allocation; §5, Where money goes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from uuid import UUID

from billing.core.errors import Refused
from billing.core.ids import AllocationId, DepositId, InvoiceId, PaymentId, VisitId
from billing.core.money import Dong
from billing.payments.domain.payment import AllocationTarget


class MoveReason(StrEnum):
    """Why a part of a payment got another target."""

    DEPOSIT_APPLIED = "deposit_applied"
    DEPOSIT_RELEASED = "deposit_released"
    INVOICE_CORRECTED = "invoice_corrected"
    RECEIPT_VOIDED = "receipt_voided"
    REFUND_REQUESTED = "refund_requested"
    REFUND_REFUSED = "refund_refused"
    REFUND_RETURNED = "refund_returned"
    ASSIGNED = "assigned"
    ASSIGNMENT_REVERTED = "assignment_reverted"
    GUARANTEE_PAID = "guarantee_paid"
    REMAINDER = "remainder_of_move"


class NotEnoughAllocated(Refused):
    """Less than this amount of the payments is allocated to the source."""

    code = "not_enough_allocated"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartAllocation:
    """An active allocation of a payment: a target with an amount in đồng."""

    id: AllocationId
    payment_id: PaymentId
    target: AllocationTarget
    amount: Dong
    invoice_id: InvoiceId | None = None
    deposit_id: DepositId | None = None
    guarantee_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """The new target of moved money. `visit_id` names the patient's visit in the posting."""

    target: AllocationTarget
    reason: MoveReason
    invoice_id: InvoiceId | None = None
    deposit_id: DepositId | None = None
    guarantee_id: UUID | None = None
    visit_id: VisitId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """The part of one allocation that goes to a destination; the ids are those of the rows to add."""

    source: PartAllocation
    amount: Dong
    destination: Destination
    reversal_id: AllocationId
    remainder_id: AllocationId | None
    moved_id: AllocationId


def move_allocations(
    sources: Sequence[PartAllocation], amount: Dong, destination: Destination, *, new_id: Callable[[], AllocationId]
) -> list[Move]:
    """Move an amount of the sources, in their order, each at most its own amount. Raises NotEnoughAllocated."""
    moves: list[Move] = []
    rest = amount
    for source in sources:
        if rest == 0:
            break
        part = Dong(min(rest, source.amount))
        rest = Dong(rest - part)
        moves.append(
            Move(
                source=source,
                amount=part,
                destination=destination,
                reversal_id=new_id(),
                remainder_id=new_id() if part < source.amount else None,
                moved_id=new_id(),
            )
        )
    if rest:
        raise NotEnoughAllocated(f"{rest} of {amount} đồng are not there to be moved")
    return moves


def remaining_after(sources: Sequence[PartAllocation], moves: Sequence[Move]) -> list[PartAllocation]:
    """What of the sources is left after moves of them, in their order."""
    rest = list(sources[len(moves) :])
    last = moves[-1] if moves else None
    if last is not None and last.remainder_id is not None:
        rest.insert(0, replace(last.source, id=last.remainder_id, amount=Dong(last.source.amount - last.amount)))
    return rest

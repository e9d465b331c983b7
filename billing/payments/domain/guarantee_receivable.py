"""What a payer owes for a guarantee that a final bill counted, and how its money pays it.

The guarantee itself is in `visit_accounts/domain/guarantee.py`. Money of a payer pays its receivables in the order in
which they were billed; the rest is credit of the payer. Source: docs/visit-accounts.md, Guarantees.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Self
from uuid import UUID

from billing.core.errors import Refused
from billing.core.ids import AllocationId, VisitId
from billing.core.money import NOTHING, Dong
from billing.payments.domain.payment import AllocationTarget
from billing.payments.domain.reallocation import (
    Destination,
    Move,
    MoveReason,
    PartAllocation,
    move_allocations,
    remaining_after,
)


class GuaranteesPaid(Refused):
    """The payer owes nothing for these guarantees."""

    code = "guarantees_paid"


@dataclass(frozen=True, slots=True, kw_only=True)
class GuaranteeReceivable:
    """The receivable of one guarantee, in đồng. owed = billed − paid − written_off, never negative."""

    guarantee_id: UUID
    visit_id: VisitId
    payer: str
    version: int
    billed_on: date
    billed: Dong = NOTHING
    paid: Dong = NOTHING
    written_off: Dong = NOTHING

    def __post_init__(self) -> None:
        assert self.owed >= 0, "a guarantee is paid at most once"

    @property
    def owed(self) -> Dong:
        return Dong(self.billed - self.paid - self.written_off)

    def pay(self, amount: Dong) -> Self:
        """The receivable after a part of a payment was allocated to it."""
        return replace(self, paid=Dong(self.paid + amount), version=self.version + 1)

    def give_back(self, amount: Dong) -> Self:
        """The receivable after allocated money left it: a void, an outflow, a lower final bill."""
        return replace(self, paid=Dong(self.paid - amount), version=self.version + 1)

    def write_off(self) -> Self:
        """The receivable after what is owed was written off."""
        return replace(self, written_off=Dong(self.written_off + self.owed), version=self.version + 1)

    def bill(self, change: int) -> "BilledChange":
        """The receivable after a final bill changed what it counts.

        What was written off above the new amount is taken back first; money above it is then free.
        """
        billed = Dong(self.billed + change)
        excess = max(0, self.paid + self.written_off - billed)
        restored = Dong(min(excess, self.written_off))
        freed = Dong(excess - restored)
        after = replace(
            self,
            billed=billed,
            paid=Dong(self.paid - freed),
            written_off=Dong(self.written_off - restored),
            version=self.version + 1,
        )
        return BilledChange(receivable=after, freed=freed, restored=restored)


@dataclass(frozen=True, slots=True, kw_only=True)
class BilledChange:
    """A receivable at its new amount: `freed` becomes credit of the payer, `restored` was written off before."""

    receivable: GuaranteeReceivable
    freed: Dong
    restored: Dong


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedMoney:
    """Money of a payer on its receivables: those that change, the moves, and the money that is left."""

    receivables: Sequence[GuaranteeReceivable]
    moves: Sequence[Move]
    rest: Sequence[PartAllocation]


def apply_money(
    sources: Sequence[PartAllocation],
    receivables: Sequence[GuaranteeReceivable],
    *,
    new_id: Callable[[], AllocationId],
) -> AppliedMoney:
    """Pay receivables in their order from parts of payments in theirs, each at most what it owes."""
    rest, paid, moves = list(sources), [], []
    for receivable in receivables:
        amount = Dong(min(receivable.owed, sum(part.amount for part in rest)))
        if amount == 0:
            continue
        destination = Destination(
            target=AllocationTarget.GUARANTEE,
            reason=MoveReason.GUARANTEE_PAID,
            guarantee_id=receivable.guarantee_id,
            visit_id=receivable.visit_id,
        )
        made = move_allocations(rest, amount, destination, new_id=new_id)
        rest = remaining_after(rest, made)
        moves += made
        paid.append(receivable.pay(amount))
    return AppliedMoney(receivables=paid, moves=moves, rest=rest)

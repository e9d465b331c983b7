"""The deposit of a visit and the requests for it (tạm thu, tạm ứng). Source: docs/design.md §2; docs/visit-accounts.md.

All money collected before the final bill is the deposit of the visit. A deposit request states what is to be collected:
the patient amounts of ordered lines, or an advance; it holds no money of its own.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Self

from billing.core.errors import Refused
from billing.core.ids import DepositId, DepositRequestId, VisitId
from billing.core.money import NOTHING, Dong


class DepositState(StrEnum):
    """A deposit closes with the final bill of its visit and opens again with a reopening."""

    OPEN = "open"
    CLOSED = "closed"


class AdvanceType(StrEnum):
    """What a tax document states about an advance: it secures the contract, or pays in advance. A facility decides.

    Source: docs/reference/hospital-money.md, M-003.
    """

    GUARANTEE_DEPOSIT = "guarantee_deposit"
    PREPAYMENT = "prepayment"


class DepositClosed(Refused):
    """The visit has its final bill: no deposit is taken for it."""

    code = "deposit_closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deposit:
    """The deposit of one visit, in đồng. held = received − applied − returned, never negative."""

    id: DepositId
    visit_id: VisitId
    state: DepositState
    version: int
    received: Dong = NOTHING
    applied: Dong = NOTHING
    returned: Dong = NOTHING

    @classmethod
    def of_visit(cls, visit_id: VisitId, deposit_id: DepositId) -> Self:
        """A new deposit: open and empty."""
        return cls(id=deposit_id, visit_id=visit_id, state=DepositState.OPEN, version=1)

    def __post_init__(self) -> None:
        assert self.held >= 0, "more left a deposit than it received"

    @property
    def held(self) -> Dong:
        return Dong(self.received - self.applied - self.returned)

    @property
    def takes_money(self) -> bool:
        return self.state is DepositState.OPEN

    def receive(self, amount: Dong) -> Self:
        """The deposit after money was allocated to it."""
        return replace(self, received=Dong(self.received + amount), version=self.version + 1)

    def apply(self, amount: Dong) -> Self:
        """The deposit after a part of it was moved to an invoice."""
        return replace(self, applied=Dong(self.applied + amount), version=self.version + 1)

    def give_back(self, amount: Dong) -> Self:
        """The deposit after a part of it left it: returned, reversed, voided, or moved to credit."""
        return replace(self, returned=Dong(self.returned + amount), version=self.version + 1)

    def take_back(self, amount: Dong) -> Self:
        """The deposit after a part that was to be returned is held again: its refund has failed."""
        return replace(self, returned=Dong(self.returned - amount), version=self.version + 1)

    def with_state(self, state: DepositState) -> Self:
        """The deposit closed by a final bill, or opened again."""
        return replace(self, state=state, version=self.version + 1)


class RequestKind(StrEnum):
    """Whether a request collects ordered lines (tạm thu) or an advance (tạm ứng)."""

    ORDER_LINES = "order_lines"
    ADVANCE = "advance"


class RequestState(StrEnum):
    """The progress of a deposit request. Money may still arrive after a withdrawal."""

    REQUESTED = "requested"
    PARTLY = "partly"
    PAID = "paid"
    WITHDRAWN = "withdrawn"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True, kw_only=True)
class DepositRequest:
    """A request to collect an amount, in đồng, for the deposit of a visit. `received` counts money paid for it."""

    id: DepositRequestId
    deposit_id: DepositId
    kind: RequestKind
    state: RequestState
    version: int
    amount: Dong
    proposed_amount: Dong
    requested_at: datetime
    received: Dong = NOTHING

    @classmethod
    def requested(
        cls,
        request_id: DepositRequestId,
        deposit_id: DepositId,
        kind: RequestKind,
        *,
        amount: Dong,
        proposed_amount: Dong,
        at: datetime,
    ) -> Self:
        """A new request, for which no money has arrived."""
        return cls(
            id=request_id,
            deposit_id=deposit_id,
            kind=kind,
            state=RequestState.REQUESTED,
            version=1,
            amount=amount,
            proposed_amount=proposed_amount,
            requested_at=at,
        )

    @property
    def remaining(self) -> Dong:
        """The amount that the request still requests; 0 once it is withdrawn or superseded."""
        if self.state not in (RequestState.REQUESTED, RequestState.PARTLY):
            return NOTHING
        return Dong(max(0, self.amount - self.received))

    def with_payment(self, amount: Dong) -> Self:
        """The request after money was paid for it, or (negative) left again.

        A withdrawn or superseded request requests nothing again: a part of its money does not open it.
        """
        received = Dong(self.received + amount)
        if received >= self.amount:
            state = RequestState.PAID
        elif self.state in (RequestState.WITHDRAWN, RequestState.SUPERSEDED):
            state = self.state
        else:
            state = RequestState.PARTLY if received > 0 else RequestState.REQUESTED
        return replace(self, received=received, state=state, version=self.version + 1)

    def with_state(self, state: RequestState) -> Self:
        """The request withdrawn, or superseded by another."""
        return replace(self, state=state, version=self.version + 1)

"""Hand-overs: cash of a shift on its way to the treasurer, accepted or rejected by another person."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Self
from uuid import UUID

from billing.core.errors import Refused
from billing.core.ids import PersonId, ShiftId
from billing.core.money import Dong


class HandOverState(StrEnum):
    """The progress of a hand-over."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


class HandOverDecided(Refused):
    """The hand-over was accepted or rejected before."""

    code = "hand_over_decided"


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOver:
    """Cash of a shift, in đồng, that a cashier sent to the treasurer."""

    id: UUID
    shift_id: ShiftId
    amount: Dong
    state: HandOverState
    notes: str
    requested_by: PersonId
    requested_at: datetime
    decision_reason: str = ""
    decided_by: PersonId | None = None
    decided_at: datetime | None = None

    def decide(self, state: HandOverState, *, by: PersonId, at: datetime, reason: str = "") -> Self:
        """The hand-over after its decision; the caller compares the persons. Raises HandOverDecided."""
        if self.state is not HandOverState.PENDING:
            raise HandOverDecided(
                f"the hand-over was {self.state} at {self.decided_at:%Y-%m-%d %H:%M:%S} UTC by {self.decided_by}"
            )
        return replace(self, state=state, decision_reason=reason, decided_by=by, decided_at=at)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewBankDeposit:
    """Cash of the safe that was paid into a bank account."""

    amount: Dong
    bank_account_id: UUID
    slip: str

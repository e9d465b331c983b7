"""The intent: a request to collect one amount, under one reference code, for invoices in a stated order or a deposit.

States only move forward: created < pending < unknown < failed = cancelled = expired < succeeded. Success after failure
is possible; only movements of money leave succeeded. Source: docs/design.md §5, States.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Self

from billing.core.ids import DepositId, DepositRequestId, IntentId, InvoiceId, ProviderAccountId
from billing.core.money import Dong
from billing.core.reference_code import ReferenceCode
from providers.contract import Outcome


class IntentState(StrEnum):
    """The progress of a collection."""

    CREATED = "created"
    PENDING = "pending"
    UNKNOWN = "unknown"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    SUCCEEDED = "succeeded"


_RANK: Mapping[IntentState, int] = {
    IntentState.CREATED: 0,
    IntentState.PENDING: 1,
    IntentState.UNKNOWN: 2,
    IntentState.FAILED: 3,
    IntentState.CANCELLED: 3,
    IntentState.EXPIRED: 3,
    IntentState.SUCCEEDED: 4,
}

# SUCCEEDED is not here: only money received makes an intent succeed. NOT_FOUND states nothing about the payer.
STATE_OF: Mapping[Outcome, IntentState] = {
    Outcome.PENDING: IntentState.PENDING,
    Outcome.UNKNOWN: IntentState.UNKNOWN,
    Outcome.REVIEW: IntentState.UNKNOWN,
    Outcome.FAILED: IntentState.FAILED,
    Outcome.CANCELLED: IntentState.CANCELLED,
    Outcome.EXPIRED: IntentState.EXPIRED,
}


def advance(state: IntentState, outcome: Outcome) -> IntentState:
    """The state after an outcome without money; a state never moves backwards nor between equal ranks."""
    reported = STATE_OF.get(outcome, state)
    return reported if _RANK[reported] > _RANK[state] else state


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """One collection. `received` counts all money received under its code, also beyond `amount`.

    It collects for `invoices`, or for a deposit and at most one request of it. A standing intent of a deposit accepts
    any amount any number of times: its amount is 0, and it never succeeds.
    """

    id: IntentId
    account_id: ProviderAccountId
    reference: ReferenceCode
    state: IntentState
    version: int
    amount: Dong
    received: Dong
    invoices: tuple[InvoiceId, ...]
    created_at: datetime
    expires_at: datetime | None = None
    deposit_id: DepositId | None = None
    deposit_request_id: DepositRequestId | None = None
    is_standing: bool = False

    @property
    def remaining(self) -> Dong:
        """The amount that this intent still requests."""
        return Dong(max(0, self.amount - self.received))

    def with_outcome(self, outcome: Outcome) -> Self:
        """The intent after an outcome without money."""
        state = advance(self.state, outcome)
        return self if state is self.state else replace(self, state=state, version=self.version + 1)

    def with_payment(self, amount: Dong) -> Self:
        """The intent after money was received under its code; it has succeeded once its whole amount is received."""
        received = Dong(self.received + amount)
        is_whole = received >= self.amount and not self.is_standing
        state = IntentState.SUCCEEDED if is_whole else advance(self.state, Outcome.PENDING)
        return replace(self, received=received, state=state, version=self.version + 1)

    def with_reversal(self, amount: Dong) -> Self:
        """The intent after an outflow of money under its code: the only exit from succeeded."""
        received = Dong(self.received - amount)
        is_short = self.state is IntentState.SUCCEEDED and received < self.amount
        state = IntentState.PENDING if is_short else self.state
        return replace(self, received=received, state=state, version=self.version + 1)

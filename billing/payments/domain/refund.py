"""Refunds: money of payments that is reserved, approved and returned at most once. Source: docs/design.md §5.

requested → approved (a second person above an amount) → sent → done or failed. Without a trustworthy answer of the
provider a refund is unknown: it is queried and never sent again. A refund that ends without money leaving (refused,
cancelled, failed) returns its parts to where they came from.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Self
from uuid import UUID

from billing.core.errors import InvalidValue, Refused
from billing.core.ids import AllocationId, DepositId, PaymentId, PersonId, ProviderAccountId, RefundId, VisitId
from billing.core.money import Dong
from billing.payments.domain.payment import AllocationTarget
from billing.payments.domain.reallocation import PartAllocation
from providers.contract import Outcome


class RefundWay(StrEnum):
    """How the money of a refund leaves."""

    PROVIDER = "provider"
    CASH = "cash"
    MANUAL_TRANSFER = "manual_transfer"


class RefundState(StrEnum):
    """The progress of a refund. `unknown`: sent, and the provider has not answered reliably.

    `returned`: the money left, and the bank sent it back; it is owed again.
    """

    REQUESTED = "requested"
    APPROVED = "approved"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    SENT = "sent"
    UNKNOWN = "unknown"
    DONE = "done"
    FAILED = "failed"
    RETURNED = "returned"


WAITING = (RefundState.REQUESTED, RefundState.APPROVED, RefundState.SENT, RefundState.UNKNOWN)
"""States in which the money is reserved and still owed to the patient."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundFilter:
    """Refunds by visit, payment, state and way; None filters nothing."""

    visit_id: VisitId | None = None
    payment_id: PaymentId | None = None
    state: RefundState | None = None
    way: RefundWay | None = None


class RefundNotWaiting(Refused):
    """The refund is not in a state in which this is possible; the message states the state and since when."""

    code = "refund_not_waiting"


class RefundNotApproved(Refused):
    """A second person has not approved the refund yet."""

    code = "refund_not_approved"


class BankReferenceUsed(Refused):
    """Another refund was confirmed with this reference of the bank."""

    code = "bank_reference_used"


class NothingToRefund(Refused):
    """Less than this amount can be returned: the rest is on invoices, needed for orders, reserved, or gone."""

    code = "nothing_to_refund"


class PaymentHeld(Refused):
    """The payment may be a duplicate; a person decides that first."""

    code = "payment_held"


class ProviderCannotRefund(Refused):
    """The provider of the payment cannot return this amount; use another way."""

    code = "provider_cannot_refund"


class RefundOfSeveralPayments(Refused):
    """Several payments are returned through the provider by one refund each."""

    code = "refund_of_several_payments"


class DestinationNeeded(InvalidValue):
    """The account of the payer is not known: state bank, account and holder."""

    code = "destination_needed"


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundPart:
    """A reserved part of a payment, in đồng, and where it came from: credit, deposit or unallocated."""

    allocation_id: AllocationId
    payment_id: PaymentId
    source: AllocationTarget
    amount: Dong
    deposit_id: DepositId | None = None

    @property
    def allocation(self) -> PartAllocation:
        """The active allocation that reserves the part."""
        return PartAllocation(
            id=self.allocation_id, payment_id=self.payment_id, target=AllocationTarget.REFUND, amount=self.amount
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund:
    """One refund, in đồng. `reference` is our code of it, in the provider's request or the text of the transfer."""

    id: RefundId
    reference: str
    way: RefundWay
    amount: Dong
    reason: str
    needs_approval: bool
    state: RefundState
    version: int
    requested_by: PersonId | None
    requested_at: datetime
    visit_id: VisitId | None = None
    provider_account_id: ProviderAccountId | None = None
    sent_by: PersonId | None = None
    sent_at: datetime | None = None
    bank_account_id: UUID | None = None
    due_at: datetime | None = None
    last_outcome: Outcome | None = None
    provider_reference: str = ""
    bank_reference: str = ""
    outflow_id: UUID | None = None
    ended_by: PersonId | None = None
    ended_at: datetime | None = None
    returned_at: datetime | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether its money is still reserved."""
        return self.state in WAITING

    @property
    def has_left(self) -> bool:
        """Whether the money may have left, also if it came back: it was sent and has not failed."""
        return self.state in (RefundState.SENT, RefundState.UNKNOWN, RefundState.DONE, RefundState.RETURNED)

    @property
    def may_leave_unrecorded(self) -> bool:
        """Whether a person may have instructed the transfer before recording it: the bank's report comes first then."""
        return self.state is RefundState.APPROVED and self.way is RefundWay.MANUAL_TRANSFER

    def approve(self, *, due_at: datetime | None) -> Self:
        """The refund that may be sent. Raises RefundNotWaiting."""
        self._require(RefundState.REQUESTED)
        return self._with(state=RefundState.APPROVED, due_at=due_at)

    def refuse(self, *, by: PersonId | None, at: datetime) -> Self:
        """The refund that a second person refused. Raises RefundNotWaiting."""
        self._require(RefundState.REQUESTED)
        return self._end(RefundState.REFUSED, by=by, at=at)

    def cancel(self, *, by: PersonId | None, at: datetime) -> Self:
        """The refund that was not sent and will not be. Raises RefundNotWaiting."""
        self._require(RefundState.REQUESTED, RefundState.APPROVED)
        return self._end(RefundState.CANCELLED, by=by, at=at)

    def send(
        self,
        *,
        by: PersonId | None,
        at: datetime,
        due_at: datetime | None = None,
        bank_account_id: UUID | None = None,
    ) -> Self:
        """The refund that is being sent; it is never sent again. Raises RefundNotApproved, RefundNotWaiting."""
        if self.state is RefundState.REQUESTED:
            raise RefundNotApproved("a second person approves this refund first: POST /v1/approvals/{id}/approve")
        self._require(RefundState.APPROVED)
        return self._with(
            state=RefundState.SENT, sent_by=by, sent_at=at, due_at=due_at, bank_account_id=bank_account_id
        )

    def complete(
        self, *, at: datetime, by: PersonId | None = None, bank_reference: str = "", provider_reference: str = ""
    ) -> Self:
        """The refund whose money has left. Raises RefundNotWaiting."""
        self._require(RefundState.SENT, RefundState.UNKNOWN)
        return self._end(
            RefundState.DONE,
            by=by,
            at=at,
            bank_reference=bank_reference or self.bank_reference,
            provider_reference=provider_reference or self.provider_reference,
        )

    def fail(self, *, at: datetime, by: PersonId | None = None) -> Self:
        """The refund that was sent and whose money has not left. Raises RefundNotWaiting."""
        self._require(RefundState.SENT, RefundState.UNKNOWN)
        return self._end(RefundState.FAILED, by=by, at=at)

    def mark_returned(self, *, at: datetime) -> Self:
        """The refund whose money the bank sent back; when and by whom it was done stays. Raises RefundNotWaiting."""
        self._require(RefundState.DONE)
        return self._with(state=RefundState.RETURNED, returned_at=at)

    def wait(self, outcome: Outcome, *, provider_reference: str, due_at: datetime | None) -> Self:
        """The refund after an answer without a final outcome. Raises RefundNotWaiting."""
        self._require(RefundState.SENT, RefundState.UNKNOWN)
        return self._with(
            state=RefundState.SENT if outcome is Outcome.PENDING else RefundState.UNKNOWN,
            last_outcome=outcome,
            provider_reference=provider_reference or self.provider_reference,
            due_at=due_at,
        )

    def lease(self, until: datetime) -> Self:
        """The refund while its provider is called."""
        return self._with(due_at=until)

    def match(self, outflow_id: UUID) -> Self:
        """The refund with the movement that a provider or bank reported for it."""
        assert self.outflow_id is None, "a refund has one outflow"
        return self._with(outflow_id=outflow_id)

    def _require(self, *states: RefundState) -> None:
        if self.state not in states:
            since = self.ended_at or self.sent_at or self.requested_at
            by = self.ended_by or self.sent_by or self.requested_by
            raise RefundNotWaiting(
                f"the refund is {self.state} since {since:%Y-%m-%d %H:%M:%S} UTC"
                + (f" by {by}" if by is not None else ""),
                field="refund_id",
            )

    def _end(self, state: RefundState, *, by: PersonId | None, at: datetime, **changes: str) -> Self:
        return self._with(state=state, ended_by=by, ended_at=at, due_at=None, **changes)

    def _with(self, **changes: object) -> Self:
        return replace(self, version=self.version + 1, **changes)  # type: ignore[arg-type]  # a mapping of names


@dataclass(frozen=True, slots=True, kw_only=True)
class BankDestination:
    """The bank account that a refund is transferred to. `is_stated`: named by a person, not captured from the payer."""

    bank_bin: str
    account_number: str
    holder: str
    is_stated: bool = False


_ORDER = (AllocationTarget.CREDIT, AllocationTarget.UNALLOCATED, AllocationTarget.DEPOSIT)


def refundable(parts: Sequence[PartAllocation], *, from_deposit: Dong) -> list[PartAllocation]:
    """What can be returned of active allocations: credit, then unallocated, then `from_deposit` of the deposit."""
    found: list[PartAllocation] = []
    rest = from_deposit
    for target in _ORDER:
        for part in parts:
            if part.target is not target:
                continue
            if target is not AllocationTarget.DEPOSIT:
                found.append(part)
            elif rest > 0:
                found.append(part)
                rest = Dong(max(0, rest - part.amount))
    return found


def require_refundable(parts: Sequence[PartAllocation], amount: Dong, *, from_deposit: Dong) -> None:
    """Raises NothingToRefund where the parts hold less than the amount; `from_deposit` limits what a deposit gives."""
    free = sum(part.amount for part in parts if part.target in _ORDER[:2])
    held = sum(part.amount for part in parts if part.target is AllocationTarget.DEPOSIT)
    possible = free + min(held, from_deposit)
    if amount > possible:
        raise NothingToRefund(
            f"{possible} đồng can be returned; money on an invoice is corrected first, and money for ordered lines is "
            "free once they are cancelled",
            field="amount",
        )

"""An exception while a person decides it: its version and its decisions.

`payments/domain/exception.py` has the reasons with their due times; `exception_reasons.py` has the sentence and the
proposed action of each. Source: docs/reconciliation.md, Exceptions.
"""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from billing.core.errors import InvalidValue, Refused
from billing.core.ids import (
    AllocationId,
    DepositRequestId,
    EntryId,
    IntentId,
    InvoiceId,
    PaymentId,
    PersonId,
    RefundId,
    VisitId,
)
from billing.core.money import Dong
from billing.ledger.domain.accounts import DayState
from billing.payments.domain.exception import ExceptionReason, ExceptionState
from billing.payments.domain.payment import AllocationTarget

_REASON_MIN, _REASON_MAX = 3, 1000
_COMMENT_MAX = 2000


class DecisionAction(StrEnum):
    """What was decided. `revert` reverts another decision.

    `cause_gone` is recorded by the system, where nothing is left to decide.
    """

    ASSIGN = "assign"
    ASSIGN_TO_PAYER = "assign_to_payer"
    RELEASE_HOLD = "release_hold"
    DECLARE_DUPLICATE = "declare_duplicate"
    REFUND = "refund"
    BOOK_PAYMENT = "book_payment"
    MATCH = "match"
    ACCEPT_DIFFERENCE = "accept_difference"
    ACCEPT_FEE = "accept_fee"
    BOOK_CHARGE = "book_charge"
    BOOK_RETURN = "book_return"
    OPEN_TRACE = "open_trace"
    NO_ACTION = "no_action"
    REVERT = "revert"
    CAUSE_GONE = "cause_gone"


class ExceptionChanged(Refused):
    """Another person changed or decided the exception since it was read; `version` is the present one."""

    code = "exception_changed"

    def __init__(self, detail: str, *, version: int) -> None:
        super().__init__(detail)
        self.version = version


class NothingToRevert(Refused):
    """No decision of the exception stands."""

    code = "nothing_to_revert"


class DecisionFinal(Refused):
    """The accounting day of the decision is closed, or its money has moved on."""

    code = "decision_final"


class ActionNotPossible(Refused):
    """The action does not fit the exception: its payment or item has nothing that the action could change."""

    code = "action_not_possible"


class PaymentDiffers(Refused):
    """Amount or bank reference are not those of the payment."""

    code = "payment_differs"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExceptionCase:
    """A stored exception; `changer` is the name of the person who changed it last, None for the system."""

    id: UUID
    reason: ExceptionReason
    state: ExceptionState
    amount: Dong
    version: int
    payment_id: PaymentId | None = None
    intent_id: IntentId | None = None
    item_kind: str | None = None
    item_id: UUID | None = None
    match_id: UUID | None = None
    bank_account_id: UUID | None = None
    owner_id: PersonId | None = None
    due_at: datetime
    changed_at: datetime | None = None
    changer: str | None = None

    def require_open(self, *, version: int) -> None:
        """Raises ExceptionChanged with the person and the time, for a closed exception or another version."""
        self.require_version(version)
        if self.state is not ExceptionState.OPEN:
            raise ExceptionChanged(f"this exception was closed{self._last_change}", version=self.version)

    def require_version(self, version: int) -> None:
        """Raises ExceptionChanged with the person and the time unless the exception has this version."""
        if self.version != version:
            done = "closed" if self.state is ExceptionState.CLOSED else "changed"
            raise ExceptionChanged(
                f"this exception was {done}{self._last_change}; read version {self.version} and decide again",
                version=self.version,
            )

    @property
    def _last_change(self) -> str:
        if self.changed_at is None:
            return ""
        return f" at {self.changed_at:%Y-%m-%d %H:%M:%S} UTC by {self.changer or 'the system'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionEntry:
    """A journal entry of a decision. Assigned money has a new allocation, and the target that it had before."""

    entry_id: EntryId
    amount: Dong
    allocation_id: AllocationId | None = None
    source: AllocationTarget | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A recorded decision: by a person with a reason. `is_closing`: the exception was closed by it.

    `entries` are its journal entries, none for a decision that moves no money; `visit_id` with its invoice or deposit
    request is where money was assigned to. `person` is the name.
    """

    id: UUID
    exception_id: UUID
    action: DecisionAction
    reason: str
    is_closing: bool
    accounting_date: date
    recorded_at: datetime
    person_id: PersonId | None = None
    person: str | None = None
    visit_id: VisitId | None = None
    invoice_id: InvoiceId | None = None
    deposit_request_id: DepositRequestId | None = None
    refund_id: RefundId | None = None
    approval_id: UUID | None = None
    reverts_id: UUID | None = None
    reverted_by_id: UUID | None = None
    entries: tuple[DecisionEntry, ...] = ()

    def require_revertible(self, day: DayState | None) -> None:
        """Raises DecisionFinal where the accounting day of the decision is closed."""
        if day is not DayState.OPEN:
            raise DecisionFinal(f"the books of {self.accounting_date} are closed; record a new decision instead")


def latest_standing(decisions: tuple[Decision, ...]) -> Decision:
    """The newest decision that is not reverted: decisions are reverted one by one, the newest first.

    Raises NothingToRevert.
    """
    for decision in reversed(decisions):
        if decision.action is not DecisionAction.REVERT and decision.reverted_by_id is None:
            return decision
    raise NothingToRevert("no decision of this exception stands")


def read_reason(text: str) -> str:
    """The reason of a decision, without needless spaces. Raises InvalidValue."""
    reason = " ".join(text.split())
    if not _REASON_MIN <= len(reason) <= _REASON_MAX:
        raise InvalidValue(f"a decision has a reason of {_REASON_MIN} to {_REASON_MAX} characters", field="reason")
    return reason


def read_comment(text: str) -> str:
    """A comment as stored. Raises InvalidValue."""
    comment = text.strip()
    if not 1 <= len(comment) <= _COMMENT_MAX:
        raise InvalidValue(f"a comment has 1 to {_COMMENT_MAX} characters", field="text")
    return comment

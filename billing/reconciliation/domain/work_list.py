"""The work list of finance: open exceptions with the money that they are about, as one row for one decision.

`exception_case.py` has the exception while it is decided. Source: docs/ux.md, Finance; docs/reconciliation.md.
"""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from billing.core.ids import IntentId, PaymentId, PersonId
from billing.core.money import Dong
from billing.payments.domain.exception import ExceptionReason, ExceptionState
from billing.reconciliation.domain.exception_case import DecisionAction
from billing.reconciliation.domain.exception_reasons import REASONS


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkFilter:
    """Which rows: by state, reason, owner, the day they belong to, bank account and a text; None filters nothing.

    `until` is the last day that they belong to. `is_unowned` leaves rows without an owner. `search` is an amount or a
    piece of the text, in capitals. `changed_on` is the day on which a person decided it.
    """

    state: ExceptionState | None = ExceptionState.OPEN
    reason: ExceptionReason | None = None
    owner_id: PersonId | None = None
    is_unowned: bool = False
    day: date | None = None
    until: date | None = None
    changed_on: date | None = None
    bank_account_id: UUID | None = None
    search: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkRow:
    """An exception with its money, as at `read_at`.

    `signed_amount` has the sign of the bank account. `occurred_at` is None where only the day is known. `text`,
    `payer_name` and `payer_account` are personal and empty once erased. `free` is the unallocated or credit money of
    its payment; `surplus_choice` is what the payer wishes for it, "keep" or "return". `codes` are the codes of the text
    that were issued.
    """

    id: UUID
    reason: ExceptionReason
    state: ExceptionState
    version: int
    amount: Dong
    signed_amount: int
    payment_id: PaymentId | None
    intent_id: IntentId | None
    item_kind: str | None
    item_id: UUID | None
    owner_id: PersonId | None
    owner: str | None
    business_day: date
    occurred_at: datetime | None
    opened_at: datetime
    due_at: datetime
    changed_at: datetime | None
    changer: str | None
    account: str
    bank_account_number: str
    bank_reference: str
    text: str
    payer_name: str
    payer_account: str
    codes: tuple[str, ...]
    free: Dong
    surplus_choice: str | None
    read_at: datetime

    @property
    def sentence(self) -> str:
        """What the clerk reads about the reason."""
        return REASONS[self.reason].sentence

    @property
    def proposed_action(self) -> DecisionAction:
        """The one action that is proposed."""
        return REASONS[self.reason].action

    @property
    def is_statement_line(self) -> bool:
        """Whether it is about a line of a bank statement."""
        return self.item_kind == "statement_line"

    @property
    def age_s(self) -> int:
        """Seconds since it was opened."""
        return max(0, int((self.read_at - self.opened_at).total_seconds()))

    @property
    def is_overdue(self) -> bool:
        """Whether it is still open after its due time."""
        return self.state is ExceptionState.OPEN and self.due_at < self.read_at


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonCount:
    """How many exceptions of a day have a reason, and their amount in đồng."""

    reason: ExceptionReason
    count: int
    amount: Dong
    without_owner: int

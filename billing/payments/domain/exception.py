"""Exceptions: who must decide a disagreement, and by when.

`reconciliation/domain/exception_reasons.py` states for each reason the sentence for the clerk and the proposed action.
The table below is our default; an organization sets its own policy by reason (`vienphi organization set-exception`).
Source: docs/design.md §2, exception, and §5; the policy is our rule, not law.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from billing.core.ids import IntentId, PaymentId, PersonId
from billing.core.money import Dong
from billing.payments.domain.event import PaymentEvent

_AT_ONCE = timedelta(hours=4)
_A_DAY = timedelta(days=1)
_AFTER_THE_STATEMENT = timedelta(days=2)
_A_WEEK = timedelta(days=7)


class ExceptionReason(StrEnum):
    """Why a person must decide; `AllocationReason` (`payment.py`) is the subset that an allocation carries."""

    NO_REFERENCE = "no_reference"
    AMBIGUOUS_REFERENCE = "ambiguous_reference"
    SPLIT_REFERENCE_AMOUNT_MISMATCH = "split_reference_amount_mismatch"
    CODE_NAMED_LATER = "code_named_later"
    OVER_PAID = "over_paid"
    ALREADY_PAID = "already_paid"
    PAID_AFTER_CANCEL = "paid_after_cancel"
    PROBABLE_DUPLICATE = "probable_duplicate"
    EVENT_CONTENT_CHANGED = "event_content_changed"
    AMOUNT_CHANGED = "amount_changed"
    KEYS_MATCH_TWO_PAYMENTS = "keys_match_two_payments"
    BANK_REFERENCE_REPEATED = "bank_reference_repeated"
    NO_TRANSACTION_ID = "no_transaction_id"
    FOREIGN_ACCOUNT = "foreign_account"
    REVIEW = "review"
    UNEXPECTED_REVERSAL = "unexpected_reversal"
    STATUS_UNRESOLVED = "status_unresolved"
    FEED_BLOCKED = "feed_blocked"
    # Opened by reconciliation, after matching.
    CALLBACK_MISSING = "callback_missing"
    FEE_WITHHELD = "fee_withheld"
    FEE_VARIANCE = "fee_variance"
    FEE_DATA_MISSING = "fee_data_missing"
    AFTER_CUT_OFF = "after_cut_off"
    DUPLICATE_TRANSFER = "duplicate_transfer"
    RETURNED_TRANSFER = "returned_transfer"
    AMOUNT_LOW = "amount_low"
    AMOUNT_HIGH = "amount_high"
    TEXT_UNREADABLE = "text_unreadable"
    PROVIDER_ONLY = "provider_only"
    BANK_ONLY = "bank_only"
    BANK_CHARGE = "bank_charge"
    LEDGER_ONLY = "ledger_only"
    PAYOUT_NOT_SEEN = "payout_not_seen"
    MANUAL_CONFIRMATION_NOT_SEEN = "manual_confirmation_not_seen"
    STATEMENT_GAP = "statement_gap"


class ExceptionState(StrEnum):
    """Whether a person must still decide."""

    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExceptionFilter:
    """Exceptions by state, reason, owner, and first and last day of opening, both included; None filters nothing."""

    state: ExceptionState = ExceptionState.OPEN
    reason: str | None = None
    owner_id: PersonId | None = None
    first_day: date | None = None
    last_day: date | None = None


OPEN_EXCEPTIONS = ExceptionFilter()


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentException:
    """A disagreement that a person must decide, before it has an id and a due date; `amount` is in whole đồng."""

    reason: ExceptionReason
    payment_event: PaymentEvent
    amount: Dong
    payment_id: PaymentId | None = None
    intent_id: IntentId | None = None


@dataclass(frozen=True, slots=True)
class ExceptionPolicy:
    """How long after its opening an exception is due; `owner_id` None: each person with the role finance."""

    due: timedelta
    owner_id: PersonId | None = None


DEFAULT_POLICIES: Mapping[ExceptionReason, ExceptionPolicy] = {
    # Forgery, error or theft: to be examined before more of it arrives.
    ExceptionReason.FOREIGN_ACCOUNT: ExceptionPolicy(_AT_ONCE),
    ExceptionReason.EVENT_CONTENT_CHANGED: ExceptionPolicy(_AT_ONCE),
    ExceptionReason.UNEXPECTED_REVERSAL: ExceptionPolicy(_AT_ONCE),
    # Nothing after the cursor of a blocked feed reaches the books.
    ExceptionReason.FEED_BLOCKED: ExceptionPolicy(_AT_ONCE),
    # A patient has paid and is still shown as owing.
    ExceptionReason.NO_REFERENCE: ExceptionPolicy(_AT_ONCE),
    ExceptionReason.AMBIGUOUS_REFERENCE: ExceptionPolicy(_AT_ONCE),
    ExceptionReason.SPLIT_REFERENCE_AMOUNT_MISMATCH: ExceptionPolicy(_AT_ONCE),
    ExceptionReason.CODE_NAMED_LATER: ExceptionPolicy(_AT_ONCE),
    # Two payment events disagree; the booked one is used meanwhile.
    ExceptionReason.AMOUNT_CHANGED: ExceptionPolicy(_A_DAY),
    ExceptionReason.KEYS_MATCH_TWO_PAYMENTS: ExceptionPolicy(_A_DAY),
    ExceptionReason.BANK_REFERENCE_REPEATED: ExceptionPolicy(_A_DAY),
    # A patient has paid too much.
    ExceptionReason.OVER_PAID: ExceptionPolicy(_A_DAY),
    ExceptionReason.ALREADY_PAID: ExceptionPolicy(_A_DAY),
    ExceptionReason.PAID_AFTER_CANCEL: ExceptionPolicy(_A_DAY),
    # The provider does not know or does not report: a person must call it.
    ExceptionReason.STATUS_UNRESOLVED: ExceptionPolicy(_A_DAY),
    # The bank's statement of the next morning decides it.
    ExceptionReason.NO_TRANSACTION_ID: ExceptionPolicy(_AFTER_THE_STATEMENT),
    ExceptionReason.REVIEW: ExceptionPolicy(_AFTER_THE_STATEMENT),
    ExceptionReason.PROBABLE_DUPLICATE: ExceptionPolicy(_AFTER_THE_STATEMENT),
    # A patient has paid, the bank confirms it, and the service does not know it.
    ExceptionReason.CALLBACK_MISSING: ExceptionPolicy(_AT_ONCE),
    ExceptionReason.TEXT_UNREADABLE: ExceptionPolicy(_AT_ONCE),
    # Money that a person stated and the bank does not show.
    ExceptionReason.MANUAL_CONFIRMATION_NOT_SEEN: ExceptionPolicy(_AT_ONCE),
    ExceptionReason.BANK_ONLY: ExceptionPolicy(_A_DAY),
    ExceptionReason.DUPLICATE_TRANSFER: ExceptionPolicy(_A_DAY),
    ExceptionReason.RETURNED_TRANSFER: ExceptionPolicy(_A_DAY),
    ExceptionReason.AMOUNT_LOW: ExceptionPolicy(_A_DAY),
    ExceptionReason.AMOUNT_HIGH: ExceptionPolicy(_A_DAY),
    # The day stays incomplete until the missing statement is imported.
    ExceptionReason.STATEMENT_GAP: ExceptionPolicy(_A_DAY),
    # The provider or the bank must answer.
    ExceptionReason.PROVIDER_ONLY: ExceptionPolicy(_AFTER_THE_STATEMENT),
    ExceptionReason.LEDGER_ONLY: ExceptionPolicy(_AFTER_THE_STATEMENT),
    ExceptionReason.PAYOUT_NOT_SEEN: ExceptionPolicy(_AFTER_THE_STATEMENT),
    ExceptionReason.AFTER_CUT_OFF: ExceptionPolicy(_AFTER_THE_STATEMENT),
    # Fees are examined once a week against the contract.
    ExceptionReason.FEE_WITHHELD: ExceptionPolicy(_A_WEEK),
    ExceptionReason.FEE_VARIANCE: ExceptionPolicy(_A_WEEK),
    ExceptionReason.FEE_DATA_MISSING: ExceptionPolicy(_A_WEEK),
    ExceptionReason.BANK_CHARGE: ExceptionPolicy(_A_WEEK),
}


def policy_of(reason: ExceptionReason, own: Mapping[str, ExceptionPolicy]) -> ExceptionPolicy:
    """The policy of a reason: the organization's own, by the reason's code, else the default."""
    return own.get(reason.value) or DEFAULT_POLICIES[reason]

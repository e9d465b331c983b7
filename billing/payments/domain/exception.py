"""Exceptions: by when a person must have decided a disagreement, and who.

The table below is ours; an organization sets its own terms by reason (`vienphi organization set-exception`).
Source: docs/design.md §2, exception, and §5; the terms are a rule of the house, not of law.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from billing.core.ids import PersonId
from billing.payments.domain.apply_events import Reason
from billing.payments.domain.payment import Why

_AT_ONCE = timedelta(hours=4)
_A_DAY = timedelta(days=1)
_AFTER_THE_STATEMENT = timedelta(days=2)


class ExceptionState(StrEnum):
    """Whether a person must still decide."""

    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class ExceptionTerms:
    """How long after it was opened an exception is due; `owner_id` None: whoever holds the role finance."""

    due: timedelta
    owner_id: PersonId | None = None


DEFAULT_TERMS: Mapping[Reason | Why, ExceptionTerms] = {
    # Somebody forges, errs or takes money: look before more of it comes.
    Reason.FOREIGN_ACCOUNT: ExceptionTerms(_AT_ONCE),
    Reason.SAME_EVENT_OTHER_CONTENT: ExceptionTerms(_AT_ONCE),
    Reason.MONEY_LEFT_UNASKED: ExceptionTerms(_AT_ONCE),
    # Nothing after the place where a provider's list is stuck reaches the books.
    Reason.FEED_STUCK: ExceptionTerms(_AT_ONCE),
    # A patient has paid and still stands as owing.
    Why.NO_REFERENCE: ExceptionTerms(_AT_ONCE),
    Why.TWO_REFERENCES: ExceptionTerms(_AT_ONCE),
    Why.RESPACED_AMOUNT_DIFFERS: ExceptionTerms(_AT_ONCE),
    Reason.CODE_NAMED_LATER: ExceptionTerms(_AT_ONCE),
    # Two payment events disagree; what is in the books holds meanwhile.
    Reason.SAME_FACT_OTHER_AMOUNT: ExceptionTerms(_A_DAY),
    Reason.KEYS_MEET_TWO_FACTS: ExceptionTerms(_A_DAY),
    Reason.BANK_REFERENCE_REPEATED: ExceptionTerms(_A_DAY),
    # A patient has paid too much.
    Why.OVER_PAID: ExceptionTerms(_A_DAY),
    Why.PAID_AGAIN: ExceptionTerms(_A_DAY),
    Why.PAID_AFTER_CANCEL: ExceptionTerms(_A_DAY),
    # The provider does not know or does not say: somebody must ring up.
    Reason.ASKED_IN_VAIN: ExceptionTerms(_A_DAY),
    # The bank's statement of the next morning decides it.
    Reason.NO_FACT_KEY: ExceptionTerms(_AFTER_THE_STATEMENT),
    Reason.REVIEW: ExceptionTerms(_AFTER_THE_STATEMENT),
    Why.PROBABLE_DUPLICATE: ExceptionTerms(_AFTER_THE_STATEMENT),
}


def terms_of(reason: Reason | Why, own: Mapping[str, ExceptionTerms]) -> ExceptionTerms:
    """The terms of a reason: the organization's own, by the reason's word, else ours."""
    return own.get(reason.value) or DEFAULT_TERMS[reason]

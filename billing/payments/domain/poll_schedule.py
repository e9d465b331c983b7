"""Asking a provider what became of a payment: when to ask, and when an answer is one.

Source: docs/design.md §5, States: 1, 5, 15 minutes, 1 hour, then hourly to 24 hours, then a person; no answer is
UNKNOWN.
"""

from collections.abc import Collection
from datetime import datetime, timedelta

from billing.payments.domain.intent import IntentState
from providers.contract import Outcome, PollSchedule

TIMES = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=15),
    *(timedelta(hours=hours) for hours in range(1, 25)),
)
"""When to ask, counted from when the asking began."""

NOT_FOUND_HOLDS_AFTER = timedelta(minutes=15)
"""A payment that its provider does not know so long after it was begun was never begun there."""

_OPEN_LONG = 8
"""An open payment is asked about no more often than each eighth of its age."""

LEASE = timedelta(minutes=2)
"""How long a question is one worker's; longer than a call may take and its answer needs to be applied."""

_FINAL_STATES = frozenset({IntentState.SUCCEEDED, IntentState.FAILED, IntentState.CANCELLED})
_ANSWERS = frozenset({Outcome.SUCCEEDED, Outcome.FAILED, Outcome.CANCELLED, Outcome.EXPIRED})


def next_poll_at(*, started_at: datetime, now: datetime) -> datetime | None:
    """The next moment to ask after now; times that have passed are left out, and None is after the last."""
    return next((started_at + after for after in TIMES if started_at + after > now), None)


def next_open_poll_at(schedule: PollSchedule, *, created_at: datetime, now: datetime) -> datetime:
    """The next moment to ask about a payment that is still open: often while it is young, rarely once it is old."""
    return now + max(schedule.every, (now - created_at) / _OPEN_LONG)


def is_final(state: IntentState) -> bool:
    """Whether there is nothing left to ask about."""
    return state in _FINAL_STATES


def is_final_answer(outcomes: Collection[Outcome], *, created_at: datetime, now: datetime) -> bool:
    """Whether a provider's answer ends the asking. PENDING, REVIEW and UNKNOWN never do.

    NOT_FOUND does from 15 minutes after the intent was made: before that the provider may only be slow.
    """
    if Outcome.NOT_FOUND in outcomes and now - created_at >= NOT_FOUND_HOLDS_AFTER:
        return True
    return not _ANSWERS.isdisjoint(outcomes)

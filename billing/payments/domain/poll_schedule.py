"""The schedule of status polls: when to poll a provider, and which answers are final.

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
"""Times of polls, counted from the start of polling."""

NOT_FOUND_HOLDS_AFTER = timedelta(minutes=15)
"""A payment that its provider does not know this long after it was started was never started there."""

_OPEN_LONG = 8
"""An open payment is polled at most once in each eighth of its age."""

LEASE = timedelta(minutes=2)
"""How long one worker leases a poll; longer than a call may take and its answer needs to be applied."""

_FINAL_STATES = frozenset({IntentState.SUCCEEDED, IntentState.FAILED, IntentState.CANCELLED})
_ANSWERS = frozenset({Outcome.SUCCEEDED, Outcome.FAILED, Outcome.CANCELLED, Outcome.EXPIRED})


def next_poll_at(*, started_at: datetime, now: datetime) -> datetime | None:
    """The next poll after now; times that have passed are skipped, and None is after the last."""
    return next((started_at + after for after in TIMES if started_at + after > now), None)


def next_open_poll_at(schedule: PollSchedule, *, created_at: datetime, now: datetime) -> datetime:
    """The next poll of a payment that is still open: often while it is young, rarely once it is old."""
    return now + max(schedule.every, (now - created_at) / _OPEN_LONG)


def is_final(state: IntentState) -> bool:
    """Whether no further poll is needed."""
    return state in _FINAL_STATES


def is_final_answer(outcomes: Collection[Outcome], *, created_at: datetime, now: datetime) -> bool:
    """Whether a provider's answer ends polling. PENDING, REVIEW and UNKNOWN never do.

    NOT_FOUND does from 15 minutes after the intent was created: before that the provider may only be slow.
    """
    if Outcome.NOT_FOUND in outcomes and now - created_at >= NOT_FOUND_HOLDS_AFTER:
        return True
    return not _ANSWERS.isdisjoint(outcomes)

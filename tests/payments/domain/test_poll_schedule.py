"""When a provider is polled, and which answers end the polling."""

from datetime import UTC, datetime, timedelta

import pytest

from billing.payments.domain.intent import IntentState
from billing.payments.domain.poll_schedule import is_final, is_final_answer, next_poll_at
from providers.contract import Outcome

BEGUN = datetime(2026, 11, 2, 1, 0, tzinfo=UTC)


def test_questions_come_at_1_5_15_minutes_1_hour_then_hourly_to_24_hours() -> None:
    polled: list[float] = []
    timestamp = BEGUN
    while (at := next_poll_at(started_at=BEGUN, now=timestamp)) is not None:
        polled.append((at - BEGUN) / timedelta(minutes=1))
        timestamp = at

    assert polled == [1, 5, 15, 60, *(60 * hour for hour in range(2, 25))]


def test_times_that_passed_while_nobody_polled_are_left_out() -> None:
    now = BEGUN + timedelta(hours=3, minutes=20)

    assert next_poll_at(started_at=BEGUN, now=now) == BEGUN + timedelta(hours=4)
    assert next_poll_at(started_at=BEGUN, now=BEGUN + timedelta(days=2)) is None


@pytest.mark.parametrize(
    ("outcome", "ends"),
    [
        (Outcome.SUCCEEDED, True),
        (Outcome.FAILED, True),
        (Outcome.CANCELLED, True),
        (Outcome.EXPIRED, True),
        (Outcome.PENDING, False),
        (Outcome.REVIEW, False),
        (Outcome.UNKNOWN, False),
    ],
)
def test_only_an_end_ends_polling(outcome: Outcome, ends: bool) -> None:
    assert is_final_answer({outcome}, created_at=BEGUN, now=BEGUN + timedelta(days=1)) is ends


@pytest.mark.parametrize(("minutes", "ends"), [(0, False), (14, False), (15, True), (60, True)])
def test_not_found_holds_from_fifteen_minutes_after_the_intent_was_made(minutes: int, ends: bool) -> None:
    now = BEGUN + timedelta(minutes=minutes)

    assert is_final_answer({Outcome.NOT_FOUND}, created_at=BEGUN, now=now) is ends


def test_no_answer_at_all_ends_nothing() -> None:
    assert not is_final_answer(set(), created_at=BEGUN, now=BEGUN + timedelta(days=1))


@pytest.mark.parametrize("state", list(IntentState))
def test_intent_is_closed_when_it_succeeded_failed_or_was_cancelled(state: IntentState) -> None:
    assert is_final(state) is (state in {IntentState.SUCCEEDED, IntentState.FAILED, IntentState.CANCELLED})

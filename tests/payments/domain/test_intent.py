"""The states of an intent: every pair of state and outcome, and what money does to them."""

import pytest

from billing.core.money import Dong
from billing.payments.domain.intent import IntentState, advance
from providers.contract import Outcome
from tests.payments.event_builders import intent, invoice

S = IntentState
_ORDER = [S.CREATED, S.PENDING, S.UNKNOWN, S.FAILED, S.SUCCEEDED]
_STATES = {
    Outcome.PENDING: S.PENDING,
    Outcome.UNKNOWN: S.UNKNOWN,
    Outcome.REVIEW: S.UNKNOWN,
    Outcome.FAILED: S.FAILED,
    Outcome.CANCELLED: S.CANCELLED,
    Outcome.EXPIRED: S.EXPIRED,
}


def _rank(state: IntentState) -> int:
    return _ORDER.index(S.FAILED if state in {S.CANCELLED, S.EXPIRED} else state)


@pytest.mark.parametrize("state", S)
@pytest.mark.parametrize("outcome", Outcome)
def test_outcome_moves_a_state_only_onwards(state: IntentState, outcome: Outcome) -> None:
    after = advance(state, outcome)

    expected = _STATES.get(outcome)
    moves = expected is not None and _rank(expected) > _rank(state)
    assert after == (expected if moves else state)


def test_word_of_success_alone_moves_nothing() -> None:
    assert advance(S.PENDING, Outcome.SUCCEEDED) is S.PENDING


def test_intent_succeeds_when_its_whole_amount_is_received() -> None:
    one = intent(invoices=[invoice()], amount=100)

    half = one.with_payment(Dong(60))
    whole = half.with_payment(Dong(40))

    assert (half.state, half.remaining) == (S.PENDING, 40)
    assert (whole.state, whole.remaining, whole.version) == (S.SUCCEEDED, 0, 3)

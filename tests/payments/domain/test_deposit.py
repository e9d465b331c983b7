"""States of a deposit request as money comes and leaves."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from billing.core.ids import DepositId, DepositRequestId
from billing.core.money import Dong
from billing.payments.domain.deposit import DepositRequest, RequestKind, RequestState

S = RequestState
NOW = datetime(2026, 11, 2, 8, tzinfo=UTC)


def _request(state: RequestState = S.REQUESTED, received: int = 0) -> DepositRequest:
    return DepositRequest(
        id=DepositRequestId(UUID(int=1)),
        deposit_id=DepositId(UUID(int=2)),
        kind=RequestKind.ADVANCE,
        state=state,
        version=1,
        amount=Dong(500_000),
        proposed_amount=Dong(500_000),
        requested_at=NOW,
        received=Dong(received),
    )


@pytest.mark.parametrize(
    ("state", "received", "amount", "expected", "remaining"),
    [
        (S.REQUESTED, 0, 200_000, S.PARTLY, 300_000),
        (S.PARTLY, 200_000, 300_000, S.PAID, 0),
        (S.PAID, 500_000, -500_000, S.REQUESTED, 500_000),
        (S.WITHDRAWN, 0, 200_000, S.WITHDRAWN, 0),
        (S.SUPERSEDED, 0, 200_000, S.SUPERSEDED, 0),
        (S.WITHDRAWN, 200_000, 300_000, S.PAID, 0),
    ],
)
def test_withdrawn_request_has_nothing_due_again(
    state: RequestState, received: int, amount: int, expected: RequestState, remaining: int
) -> None:
    after = _request(state, received).with_payment(Dong(amount))

    assert (after.state, after.remaining) == (expected, remaining)

"""Terms of exceptions: every reason has some, and an organization's own go before ours."""

from datetime import timedelta
from uuid import UUID

import pytest

from billing.core.ids import PersonId
from billing.payments.domain.apply_events import Reason
from billing.payments.domain.exception import DEFAULT_TERMS, ExceptionTerms, terms_of
from billing.payments.domain.payment import Why


def test_every_reason_a_person_must_look_at_has_terms() -> None:
    assert set(DEFAULT_TERMS) == {*Reason, *Why} - {Why.OWED}
    assert all(timedelta(0) < terms.due <= timedelta(days=30) for terms in DEFAULT_TERMS.values())


@pytest.mark.parametrize("reason", list(DEFAULT_TERMS))
def test_own_terms_go_before_ours(reason: Reason | Why) -> None:
    own = ExceptionTerms(timedelta(hours=7), PersonId(UUID(int=1)))

    assert terms_of(reason, {reason.value: own}) == own
    assert terms_of(reason, {"another_reason": own}) == DEFAULT_TERMS[reason]

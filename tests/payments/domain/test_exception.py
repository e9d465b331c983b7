"""Policies of exceptions: every reason has a default, and the policy of an organization replaces it."""

from datetime import timedelta
from uuid import UUID

import pytest

from billing.core.ids import PersonId
from billing.payments.domain.exception import DEFAULT_POLICIES, ExceptionPolicy, ExceptionReason, policy_of
from billing.payments.domain.payment import AllocationReason


def test_every_reason_has_a_default_policy() -> None:
    assert set(DEFAULT_POLICIES) == set(ExceptionReason)
    assert all(timedelta(0) < policy.due <= timedelta(days=30) for policy in DEFAULT_POLICIES.values())


@pytest.mark.parametrize("reason", list(DEFAULT_POLICIES))
def test_policy_of_the_organization_replaces_the_default(reason: ExceptionReason) -> None:
    own = ExceptionPolicy(timedelta(hours=7), PersonId(UUID(int=1)))

    assert policy_of(reason, {reason.value: own}) == own
    assert policy_of(reason, {"another_reason": own}) == DEFAULT_POLICIES[reason]


def test_reasons_of_allocations_are_reasons_of_exceptions() -> None:
    assert {ExceptionReason(reason) for reason in AllocationReason if reason is not AllocationReason.OWED} < set(
        ExceptionReason
    )

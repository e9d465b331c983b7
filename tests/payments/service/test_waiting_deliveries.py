"""What an intake queue writes next: a batch of one organization, or a group of small batches that share a commit."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from billing.payments.service.payment_events import Delivery
from billing.payments.service.waiting_deliveries import SHARED_COMMIT_MAX, WaitingDeliveries, WaitingDelivery


def waiting(*organizations: int, batch_max: int = 96) -> WaitingDeliveries:
    made = WaitingDeliveries(batch_max=batch_max)
    for arrived, organization in enumerate(organizations):
        delivery = SimpleNamespace(account=SimpleNamespace(organization_id=organization))
        unused = cast("asyncio.Future[Any]", None)
        made.add(WaitingDelivery(cast("Delivery", delivery), unused, float(arrived)))
    return made


def taken(made: WaitingDeliveries) -> list[list[tuple[int, float]]]:
    return [[(each.delivery.account.organization_id, each.arrived) for each in batch] for batch in made.take()]


def test_nothing_is_taken_if_nothing_waits() -> None:
    assert waiting().take() == []


def test_small_batches_are_taken_together_and_a_large_one_alone() -> None:
    made = waiting(3, 1, 2, 2, 2, 2, 1)

    assert taken(made) == [[(1, 1.0), (1, 6.0)], [(3, 0.0)]]
    assert (len(made), made.count_of(2)) == (4, 4)
    assert taken(made) == [[(2, 2.0), (2, 3.0), (2, 4.0), (2, 5.0)]]
    assert (len(made), list(made)) == (0, [])


def test_large_batch_that_is_first_is_not_passed_over() -> None:
    made = waiting(2, 2, 2, 2, 1)

    assert [len(batch) for batch in made.take()] == [4]
    assert taken(made) == [[(1, 4.0)]]


def test_rest_of_a_batch_waits_behind_the_others() -> None:
    made = waiting(*[1] * 7, 2, batch_max=5)

    assert [each[0][0] for each in taken(made)] == [1]
    assert [each[0][0] for each in taken(made)] == [1, 2]
    assert len(made) == 0


@pytest.mark.parametrize(("batch_max", "expected"), [(96, SHARED_COMMIT_MAX), (5, 5), (1, 1)])
def test_group_has_a_maximum(batch_max: int, expected: int) -> None:
    made = waiting(*range(1, 41), batch_max=batch_max)

    assert sum(len(batch) for batch in made.take()) == expected
    assert len(made) == 40 - expected


def test_queue_ends_although_no_organization_fits_into_a_group_of_one() -> None:
    made = waiting(1, 1, 2, 2, batch_max=1)

    sizes = [[len(batch) for batch in made.take()] for _ in range(5)]

    assert sizes == [[1], [1], [1], [1], []]

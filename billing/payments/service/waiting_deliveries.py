"""The waiting deliveries of an intake queue, by organization and served in turn: in batches or groups of small batches.

A batch holds one organization and is written by `apply_notices.py`. A group holds several organizations with few
deliveries each and shares a commit (`apply_single.py`). Source: docs/design.md §5, points 3 to 6.
"""

import asyncio
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from time import monotonic

from billing.core.ids import OrganizationId
from billing.payments.service.payment_events import Answer, Delivery
from billing.tracing import Span

SHARED_COMMIT_MAX = 16
"""The maximum number of deliveries in a group."""

SMALL_BATCH_MAX = 3
"""An organization with more waiting deliveries has a batch of its own: from four on, one set-based write costs less
processor time than a write for each delivery (docs/decisions/0020-shared-commits.md)."""


@dataclass(slots=True, eq=False)
class WaitingDelivery:
    """A delivery, when it arrived, the future of its answer, and the span that waits for it, if one is recorded."""

    delivery: Delivery
    answered: "asyncio.Future[Answer]"
    arrived: float
    span: Span | None = None


class WaitingDeliveries:
    """First in, first out for each organization; the organization that was served least recently comes first."""

    def __init__(self, *, batch_max: int) -> None:
        self._batch_max = batch_max
        self._by_organization: dict[OrganizationId, deque[WaitingDelivery]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[WaitingDelivery]:
        return (each for queue in self._by_organization.values() for each in queue)

    def add(self, waiting: WaitingDelivery) -> None:
        """Append a delivery to those of its organization."""
        self._by_organization.setdefault(waiting.delivery.account.organization_id, deque()).append(waiting)
        self._count += 1

    def clear(self) -> None:
        """Remove all."""
        self._by_organization.clear()
        self._count = 0

    def count_of(self, organization_id: OrganizationId) -> int:
        """How many deliveries of one organization wait."""
        return len(self._by_organization.get(organization_id, ()))

    def age_ms(self, organization_id: OrganizationId) -> float:
        """How long the organization's oldest delivery has waited for the start of its batch.

        Not the oldest of the queue: organizations are served in turn, and a backlog of one causes no rejection for
        another.
        """
        queue = self._by_organization.get(organization_id)
        return (monotonic() - queue[0].arrived) * 1000 if queue else 0.0

    def take(self) -> list[list[WaitingDelivery]]:
        """Remove what is written next: a batch of the first organization, or, if few deliveries of it wait, a group.

        The lists are the batches of a group, one for each organization; empty if nothing waits.
        """
        if not self._by_organization:
            return []
        first = next(iter(self._by_organization))
        if self.count_of(first) > SMALL_BATCH_MAX:
            return [self._take_batch(first)]
        return [self._take_batch(organization_id) for organization_id in self._small_batches()]

    def _small_batches(self) -> list[OrganizationId]:
        """The organizations of the next group; the order keeps groups of several processes from deadlocks."""
        chosen: list[OrganizationId] = []
        room = min(SHARED_COMMIT_MAX, self._batch_max)
        for organization_id, queue in self._by_organization.items():
            if len(queue) <= min(SMALL_BATCH_MAX, room):
                chosen.append(organization_id)
                room -= len(queue)
            if not room:
                break
        return sorted(chosen) or [next(iter(self._by_organization))]

    def _take_batch(self, organization_id: OrganizationId) -> list[WaitingDelivery]:
        queue = self._by_organization.pop(organization_id)
        batch = [queue.popleft() for _ in range(min(len(queue), self._batch_max))]
        if queue:
            self._by_organization[organization_id] = queue
        self._count -= len(batch)
        return batch

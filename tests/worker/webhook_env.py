"""One organization with an endpoint, for the tests of webhooks: a clock to set, messages to deliver."""

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from billing.core.ids import OrganizationId
from billing.db.database import Database, DatabaseLimits
from billing.ledger.store.journal import write_message
from billing.notifications.domain.webhook import Endpoint, EndpointId
from billing.notifications.service.webhooks import (
    Dispatch,
    dispatch_once,
    enqueue_once,
    find_due_endpoints,
    open_endpoint,
)
from billing.payments.service.context import PaymentContext
from billing.worker.sender import Sender, SenderLimits
from tests.builders import DemoHospital

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
TRUSTING = SenderLimits(allow_private=True, allow_http=True, timeout_s=5)


@dataclass(slots=True)
class ManualClock:
    """A clock that stands until it is turned."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __call__(self) -> datetime:
        return self.now

    def turn(self, **by: float) -> None:
        self.now += timedelta(**by)


@dataclass(slots=True, kw_only=True)
class WebhookEnvironment:
    """A hospital with webhooks; `limits` are those of the sender."""

    context: PaymentContext
    hospital: DemoHospital
    owner_url: str
    clock: ManualClock
    limits: SenderLimits = TRUSTING

    @property
    def organization_id(self) -> OrganizationId:
        return self.hospital.organization_id

    def dispatch(self, **changes: Any) -> Dispatch:
        fields: dict[str, Any] = {
            "send": Sender(self.limits).send,
            "secret_of": {"his": SECRET, "his-old": SECRET[:-1] + "A"}.__getitem__,
            "random": random.Random(1),
        }
        return Dispatch(**(fields | changes))

    async def endpoint(self, url: str, *, topics: tuple[str, ...] = ()) -> EndpointId:
        owner = await Database.open(self.owner_url, limits=DatabaseLimits(connections_max=1))
        try:
            return await open_endpoint(
                owner,
                self.organization_id,
                url=url,
                secret_names=["his"],
                topics=topics,
                allow_http=True,
                secret_of={"his": SECRET}.__getitem__,
                allow_private=True,
                clock=self.clock,
            )
        finally:
            await owner.close()

    async def message(self, topic: str = "invoice.updated", **payload: object) -> UUID:
        message_id = self.context.ids.new()
        async with self.context.database.transaction(self.organization_id) as tx:
            await write_message(tx, message_id, topic=topic, payload=payload)
        return message_id

    async def due(self) -> list[Endpoint]:
        return await find_due_endpoints(self.context, self.organization_id)

    async def send_due(self, **changes: Any) -> int:
        """Enqueue new messages and send all that are due once; returns how many were sent."""
        await enqueue_once(self.context, self.organization_id)
        return sum(
            [
                await dispatch_once(self.context, self.organization_id, endpoint, self.dispatch(**changes))
                for endpoint in await self.due()
            ]
        )

    async def rows(self) -> list[dict[str, Any]]:
        async with self.context.database.transaction(self.organization_id) as tx:
            found = await tx.fetch("SELECT * FROM webhook_delivery ORDER BY message_id, endpoint_id")
        return [dict(row) for row in found]

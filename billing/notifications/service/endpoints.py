"""Administration of webhook endpoints: list, send a test message, remove. Delivery of messages is in `webhooks.py`."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from billing.core.errors import NotFound, Refused
from billing.core.ids import OrganizationId
from billing.db.context import Context
from billing.db.database import Database
from billing.db.tenants import require_organization
from billing.notifications.domain.webhook import (
    Attempt,
    DueDelivery,
    EndpointId,
    message_body,
    signed_headers,
    signing_key,
)
from billing.notifications.store.webhooks import ListedEndpoint, Unanswered, lock_endpoint, read_unanswered
from billing.notifications.store.webhooks import list_endpoints as read_endpoints
from billing.notifications.store.webhooks import remove_endpoint as delete_endpoint

__all__ = [
    "TEST_TOPIC",
    "EndpointHasMessages",
    "ListedEndpoint",
    "Unanswered",
    "list_endpoints",
    "list_unanswered",
    "remove_endpoint",
    "send_test",
]

Send = Callable[[str, bytes, Mapping[str, str]], Awaitable[Attempt]]
"""Posts a body with headers to an address once; never raises for what the receiver does."""

TEST_TOPIC = "webhook.test"

_NO_ENDPOINT = "no such endpoint; vienphi webhook list shows them"


class EndpointHasMessages(Refused):
    """Messages of the endpoint were not delivered, and removing it would lose them."""

    code = "endpoint_has_messages"


async def list_endpoints(context: Context, organization_id: OrganizationId) -> Sequence[ListedEndpoint]:
    """Every endpoint of an organization, stopped ones too, in order of age. Raises NotFound."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        await require_organization(tx)
        return await read_endpoints(tx)


async def list_unanswered(context: Context, organization_id: OrganizationId) -> Sequence[Unanswered]:
    """The endpoints with messages that were tried without an answer, for the integration inbox."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        return await read_unanswered(tx)


async def remove_endpoint(
    owner: Database, organization_id: OrganizationId, endpoint_id: EndpointId, *, discards_messages: bool
) -> int:
    """Remove an endpoint with what it was sent; returns how many undelivered messages were discarded.

    `owner` is opened with the owner's role. Raises NotFound; EndpointHasMessages if messages wait or are dead and
    `discards_messages` is false.
    """
    async with owner.transaction(organization_id) as tx:
        await lock_endpoint(tx, endpoint_id)
        found = await read_endpoints(tx, endpoint_id)
        if not found:
            raise NotFound(_NO_ENDPOINT, field="endpoint_id")
        [listed] = found
        undelivered = listed.waiting + listed.dead
        if undelivered and not discards_messages:
            raise EndpointHasMessages(
                f"{listed.waiting} messages wait and {listed.dead} are dead; deliver them first, or add --discard"
            )
        await delete_endpoint(tx, endpoint_id)
    return undelivered


async def send_test(
    context: Context,
    organization_id: OrganizationId,
    endpoint_id: EndpointId,
    *,
    send: Send,
    secret_of: Callable[[str], str],
) -> Attempt:
    """Send an endpoint one signed message of the topic `webhook.test`, once; nothing of it is recorded.

    Raises NotFound, WebhookAddressRefused, SecretMissing, WebhookSecretUnusable.
    """
    async with context.database.transaction(organization_id, read_only=True) as tx:
        found = await read_endpoints(tx, endpoint_id)
    if not found:
        raise NotFound(_NO_ENDPOINT, field="endpoint_id")
    endpoint = found[0].endpoint
    due = DueDelivery(
        message_id=context.ids.new(), topic=TEST_TOPIC, payload={"endpoint_id": str(endpoint_id)}, attempts=0
    )
    body = message_body(due, organization_id=organization_id)
    keys = [signing_key(secret_of(name)) for name in endpoint.secret_names]
    headers = signed_headers(str(due.message_id), body, sent_at=context.clock(), keys=keys)
    return await send(endpoint.url, body, headers)

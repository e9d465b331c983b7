"""Webhook messages to the systems of an organization: topics, signatures, retry schedule.

The payloads are described in `web/webhook_documents.py`, and built by the use cases that write the messages:
`invoices/service/issue.py`, `payments/service/webhook_messages.py` and `payments/service/apply_notices.py`.

The form is Standard Webhooks: the headers `webhook-id`, `webhook-timestamp` and `webhook-signature`, the symmetric
signature `v1`. Source: Standard Webhooks specification 1.0.0 (standard-webhooks/standard-webhooks on GitHub,
spec/standard-webhooks.md): Signature scheme, Webhook headers, Deliverability and reliability.
"""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, NewType
from uuid import UUID

from billing.core.errors import InvalidValue
from providers.addresses import AddressRefused, AddressRules, check_url

EndpointId = NewType("EndpointId", UUID)

_SECRET_BEGINS = "whsec_"  # noqa: S105 - how every such secret begins
_SECRET_BYTES = range(24, 65)
_GONE = 410
_RETRY_AFTER_MAX = timedelta(hours=1)

DELAYS = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 72_000)  # 71 h 35 min
)
"""How long to wait after each attempt that failed: three days, then the message is dead."""

_JITTER = 0.1


class WebhookSecretUnusable(InvalidValue):
    """A signing secret is not `whsec_` and the base64 of 24 to 64 bytes."""

    code = "webhook_secret_unusable"


class WebhookAddressRefused(InvalidValue):
    """An address that is not allowed: of another scheme, with a password, or inside the private network."""

    code = "webhook_address_refused"


class DeliveryState(StrEnum):
    """The state of one message for one endpoint."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    DEAD = "dead"


TOPICS = (
    "invoice.issued",
    "invoice.updated",
    "intent.updated",
    "payment.received",
    "deposit_request.updated",
    "charge.cleared",
    "charge.withdrawn",
    "receipt.issued",
    "receipt.voided",
    "shift.updated",
    "hand_over.updated",
    "visit.updated",
    "guarantee.updated",
    "refund.updated",
    "visit.closed",
    "visit.reopened",
)
"""Every topic of a webhook; the payload of each is described in the API document."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A receiver of webhooks of an organization; no `topics` means all."""

    id: EndpointId
    url: str
    secret_names: tuple[str, ...]
    topics: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DueDelivery:
    """One message that is due; `attempts` counts the previous attempts."""

    message_id: UUID
    topic: str
    payload: Mapping[str, Any]
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """The result of one attempt: the status of the response, or the problem in one word."""

    status: int | None
    problem: str | None = None
    retry_after: timedelta | None = None

    @property
    def is_delivered(self) -> bool:
        """Only 2xx is; a redirect is not followed."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_gone(self) -> bool:
        """The receiver accepts no more messages: 410 Gone."""
        return self.status == _GONE


def check_address(url: str, *, allow_http: bool, allow_private: bool = False) -> str:
    """Check an address before its host name is resolved; the resolved addresses are checked before each delivery.

    Raises WebhookAddressRefused.
    """
    try:
        check_url(url, AddressRules(allow_private=allow_private, allow_http=allow_http))
    except AddressRefused as refusal:
        raise WebhookAddressRefused(str(refusal), field="url") from None
    return url


def signing_key(secret: str) -> bytes:
    """The key of a secret as it is handed out. Raises WebhookSecretUnusable, whose text repeats nothing of it."""
    encoded = secret.removeprefix(_SECRET_BEGINS)
    try:
        key = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if encoded == secret or len(key) not in _SECRET_BYTES:
        raise WebhookSecretUnusable("a webhook secret is whsec_ and the base64 of 24 to 64 bytes")
    return key


def signed_headers(message_id: str, body: bytes, *, sent_at: datetime, keys: Sequence[bytes]) -> dict[str, str]:
    """The headers of one attempt: the id is the same at every attempt, the timestamp and the signatures are not."""
    timestamp = str(int(sent_at.timestamp()))
    signed = f"{message_id}.{timestamp}.".encode() + body
    signatures = [base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode() for key in keys]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


def message_body(due: DueDelivery, *, organization_id: int) -> bytes:
    """The body of a message: the same bytes at every attempt. The time of the event is that of the message's id."""
    happened_at = datetime.fromtimestamp((due.message_id.int >> 80) / 1000, UTC)
    return json.dumps(
        {
            "type": due.topic,
            "timestamp": happened_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "organization_id": organization_id,
            "data": dict(due.payload),
        },
        ensure_ascii=False,
        sort_keys=True,
        separators=(",", ":"),
    ).encode()


def next_attempt(attempt: Attempt, *, attempts: int, now: datetime, jitter: float) -> datetime | None:
    """When to try again after an attempt that failed; None when the message is dead.

    `attempts` counts this one too; `jitter` from 0 to 1 spreads what failed together. Retry-After of
    the receiver is respected up to an hour.
    """
    if attempt.is_gone or attempts > len(DELAYS):
        return None
    delay = DELAYS[attempts - 1] * (1 + _JITTER * jitter)
    if attempt.retry_after is not None:
        delay = max(delay, min(attempt.retry_after, _RETRY_AFTER_MAX))
    return now + delay

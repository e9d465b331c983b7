"""The messages sent to endpoints, and their signature."""

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from billing.notifications.domain.webhook import (
    DELAYS,
    Attempt,
    DueDelivery,
    WebhookSecretUnusable,
    message_body,
    next_attempt,
    signed_headers,
    signing_key,
)

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NOW = datetime(2026, 11, 2, 1, 0, tzinfo=UTC)
FAILED = Attempt(status=500)


def test_signature_is_that_of_the_specification() -> None:
    """Sample of the reference library, standard-webhooks/standard-webhooks, libraries/javascript, sign function."""
    headers = signed_headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        b'{"test": 2432232314}',
        sent_at=datetime.fromtimestamp(1614265330, UTC),
        keys=[signing_key(SECRET)],
    )

    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_two_secrets_sign_side_by_side_while_one_is_changed() -> None:
    headers = signed_headers("m", b"{}", sent_at=NOW, keys=[b"a" * 24, b"b" * 24])

    signatures = headers["webhook-signature"].split(" ")
    assert len(set(signatures)) == 2
    assert all(signature.startswith("v1,") for signature in signatures)


@pytest.mark.parametrize(
    "secret", ["", "whsec_", SECRET.removeprefix("whsec_"), "whsec_MfKQ", "whsec_!" + "A" * 40, "whsec_" + "A" * 100]
)
def test_secret_of_another_form_is_refused_and_not_repeated(secret: str) -> None:
    with pytest.raises(WebhookSecretUnusable) as refused:
        signing_key(secret)

    assert not secret or len(secret) < 8 or secret not in str(refused.value)


def test_body_is_the_same_bytes_whatever_the_order_of_the_payload() -> None:
    message_id = UUID("019a4295-4c00-7000-8000-000000000000")  # 0x019a42954c00 ms = 2025-11-02T01:29:43.936Z
    one = DueDelivery(message_id=message_id, topic="invoice.updated", payload={"version": 2, "owed": 0}, attempts=0)
    other = DueDelivery(message_id=message_id, topic="invoice.updated", payload={"owed": 0, "version": 2}, attempts=3)

    body = message_body(one, organization_id=7)

    assert body == message_body(other, organization_id=7)
    timestamp = datetime.fromtimestamp(0x019A42954C00 / 1000, UTC)
    assert json.loads(body) == {
        "type": "invoice.updated",
        "timestamp": timestamp.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "organization_id": 7,
        "data": {"owed": 0, "version": 2},
    }


def test_attempts_spread_over_three_days_then_the_message_is_dead() -> None:
    timestamp, attempts = NOW, 0
    while (
        again_at := next_attempt(FAILED, attempts=(attempts := attempts + 1), now=timestamp, jitter=0.0)
    ) is not None:
        assert again_at > timestamp
        timestamp = again_at

    # 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 20 h
    assert timestamp - NOW == timedelta(hours=71, minutes=35, seconds=5)
    assert attempts == len(DELAYS) + 1 == 10


def test_jitter_adds_at_most_a_tenth() -> None:
    assert next_attempt(FAILED, attempts=2, now=NOW, jitter=1.0) == NOW + timedelta(seconds=330)


def test_gone_is_dead_at_once() -> None:
    assert next_attempt(Attempt(status=410), attempts=1, now=NOW, jitter=0.0) is None


def test_retry_after_is_waited_for_up_to_an_hour() -> None:
    short = Attempt(status=503, retry_after=timedelta(minutes=2))
    long = Attempt(status=503, retry_after=timedelta(days=30))

    assert next_attempt(short, attempts=1, now=NOW, jitter=0.0) == NOW + timedelta(minutes=2)
    assert next_attempt(short, attempts=4, now=NOW, jitter=0.0) == NOW + timedelta(hours=2)
    assert next_attempt(long, attempts=1, now=NOW, jitter=0.0) == NOW + timedelta(hours=1)


@pytest.mark.parametrize(
    ("status", "is_delivered"), [(199, False), (200, True), (204, True), (299, True), (300, False)]
)
def test_only_2xx_is_delivered(status: int, is_delivered: bool) -> None:
    assert Attempt(status=status).is_delivered is is_delivered

"""Shared parts of adapters: fingerprint of meaningful fields, notice without a transaction, Vietnamese local time."""

import hashlib
import json
from datetime import datetime, timedelta, timezone

from providers.contract import Notice, Outcome, PendingPayment

VIETNAM = timezone(timedelta(hours=7))
"""The time zone of every Vietnamese provider; no daylight saving."""

_COMPACT = "%Y%m%d%H%M%S"


def fingerprint(*fields: object) -> bytes:
    """SHA-256 over the fields that decide amount, account and target of a message, each as JSON writes it."""
    return hashlib.sha256(json.dumps(fields, separators=(",", ":"), default=str).encode("ascii")).digest()


def status_only(known: PendingPayment, outcome: Outcome, provider_status: str = "") -> Notice:
    """The notice of a payment without a transaction; repeated notices have the same event key."""
    return Notice(
        event_key=f"query:{known.reference}:{outcome.value}:{provider_status}",
        outcome=outcome,
        provider_status=provider_status,
        occurred_at=known.queried_at,
        amount=known.amount,
        fingerprint=fingerprint(known.reference),
        reference=known.reference,
    )


def format_vietnam_timestamp(timestamp: datetime) -> str:
    """A timestamp as `yyyyMMddHHmmss` in Vietnamese time."""
    return timestamp.astimezone(VIETNAM).strftime(_COMPACT)


def parse_vietnam_timestamp(digits: str) -> datetime:
    """Parse `yyyyMMddHHmmss` in Vietnamese time. Raises ValueError for another form."""
    if len(digits) != 14 or not (digits.isascii() and digits.isdigit()):
        raise ValueError("14 digits are needed")
    return datetime.strptime(digits, _COMPACT).replace(tzinfo=VIETNAM)


def request_id(*parts: str, length: int = 32) -> str:
    """A unique id of a call, equal at each retry: the provider recognises a repeat."""
    return hashlib.sha256("\0".join(parts).encode("utf-8")).hexdigest()[:length]

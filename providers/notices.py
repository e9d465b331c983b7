"""What adapters say alike: a fingerprint of meaningful fields, what is known when nothing is, Vietnamese clock time."""

import hashlib
import json
from datetime import datetime, timedelta, timezone

from providers.contract import Notice, Outcome, PendingPayment

VIETNAM = timezone(timedelta(hours=7))
"""Every Vietnamese provider's clock; no daylight saving."""

_COMPACT = "%Y%m%d%H%M%S"


def fingerprint(*fields: object) -> bytes:
    """SHA-256 over the fields that decide amount, account and target of a message, each as JSON writes it."""
    return hashlib.sha256(json.dumps(fields, separators=(",", ":"), default=str).encode("ascii")).digest()


def status_only(known: PendingPayment, outcome: Outcome, provider_status: str = "") -> Notice:
    """What is said of a payment when no transaction is told; told any number of times it stays one telling."""
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
    """A timestamp as `yyyyMMddHHmmss` of the Vietnamese clock."""
    return timestamp.astimezone(VIETNAM).strftime(_COMPACT)


def parse_vietnam_timestamp(digits: str) -> datetime:
    """A timestamp written `yyyyMMddHHmmss` by the Vietnamese clock. Raises ValueError for anything else."""
    if len(digits) != 14 or not (digits.isascii() and digits.isdigit()):
        raise ValueError("14 digits are needed")
    return datetime.strptime(digits, _COMPACT).replace(tzinfo=VIETNAM)


def request_id(*parts: str, length: int = 32) -> str:
    """An id that a call has each time it is made and no other call has: the provider knows a repeat."""
    return hashlib.sha256("\0".join(parts).encode("utf-8")).hexdigest()[:length]

"""Stripe's signature of a delivery: `t=<unix>,v1=<hex>[,v1=<hex>][,…]` over the timestamp, a full stop and the raw
body.

Only v1 counts, whatever else the header names; any v1 may match, since a rotation of the secret sends two.
Source: Stripe, webhooks, signatures (2024-06-20).
"""

import re
from collections.abc import Sequence

from providers.signing import hmac_sha256_hex, is_same_secret

_SCHEME = "v1"
_TIMESTAMP_FORMAT = re.compile(r"0|[1-9][0-9]{0,11}")


def signature_of(secret: bytes, payload: bytes, timestamp: int) -> str:
    """The v1 signature of a body at a timestamp (Unix seconds)."""
    return hmac_sha256_hex(secret, b"%d." % timestamp + payload)


def signature_header(secret: bytes, payload: bytes, timestamp: int) -> str:
    """The header of a delivery as its sender writes it."""
    return f"t={timestamp},{_SCHEME}={signature_of(secret, payload, timestamp)}"


def is_signed(
    secrets: Sequence[bytes],
    header: str | None,
    payload: bytes,
    *,
    now: int,
    tolerance_s: int = 300,
    future_s: int = 300,
) -> bool:
    """Whether a header proves a body by any active secret, and is neither too old nor too far ahead.

    An age of exactly `tolerance_s` is valid. A header without a timestamp, or with two, is invalid.
    """
    items = [item.partition("=") for item in (header or "").split(",")]
    timestamps = [value for name, _, value in items if name == "t"]
    if len(timestamps) != 1 or not _TIMESTAMP_FORMAT.fullmatch(timestamps[0]):
        return False
    timestamp = int(timestamps[0])
    received = [value for name, _, value in items if name == _SCHEME]
    expected = [signature_of(secret, payload, timestamp) for secret in secrets]
    is_ours = any(is_same_secret(ours, theirs) for ours in expected for theirs in received)
    return is_ours and -future_s <= now - timestamp <= tolerance_s

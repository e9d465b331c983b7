"""ZaloPay's macs: HMAC-SHA256 in lower-case hex over fields joined by `|`. Source: ZaloPay, payment gateway API v2."""

from collections.abc import Mapping, Sequence

from providers.signing import hmac_sha256_hex, is_same_secret

CREATE = ("app_id", "app_trans_id", "app_user", "amount", "app_time", "embed_data", "item")
REFUND = ("app_id", "zp_trans_id", "amount", "description", "timestamp")
QUERY_REFUND = ("app_id", "m_refund_id", "timestamp")


def joined(fields: Mapping[str, object], names: Sequence[str]) -> str:
    """The signed text of a call: the values as sent."""
    return "|".join(str(fields[name]) for name in names)


def query_text(app_id: object, app_trans_id: str, key1: bytes) -> str:
    """The signed text of a query: key1 is both the key and its last field."""
    return f"{app_id}|{app_trans_id}|{key1.decode('utf-8')}"


def mac_of(key: bytes, text: str) -> str:
    """The mac of a signed text."""
    return hmac_sha256_hex(key, text.encode("utf-8"))


def is_signed(keys: Sequence[bytes], text: str, received: object) -> bool:
    """Whether a mac matches a text under any active key."""
    shown = received.lower() if isinstance(received, str) else received  # hex is compared in lower case
    return any(is_same_secret(mac_of(key, text), shown) for key in keys)

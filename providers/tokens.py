"""Bearer tokens that a provider fetches from us and sends with its callbacks: short, signed, not stored.

A token is `<end in unix seconds>.<random>.<mac>`; a token is valid until its end, on every replica and under both
secrets during a rotation.
"""

import base64
import binascii
import re
from collections.abc import Sequence
from datetime import datetime
from secrets import token_hex

from providers.contract import Callback
from providers.signing import hmac_sha256_hex, is_same_secret

_TOKEN = re.compile(r"([0-9]{1,12})\.([0-9a-f]{16})\.([0-9a-f]{64})")
_PURPOSE = "vienphi bearer token"


def issue_token(secret: bytes, *, now: datetime, life_s: int) -> str:
    """Return a new token that is valid for `life_s` seconds."""
    signed_text = f"{int(now.timestamp()) + life_s}.{token_hex(8)}"
    return f"{signed_text}.{_mac(secret, signed_text)}"


def is_token(secrets: Sequence[bytes], token: str, *, now: datetime) -> bool:
    """Whether a token was issued by us and is still valid."""
    found = _TOKEN.fullmatch(token)
    if found is None:
        return False
    ends_at, random, mac = found.groups()
    is_ours = any(is_same_secret(_mac(secret, f"{ends_at}.{random}"), mac) for secret in secrets)
    return is_ours and now.timestamp() < int(ends_at)


def shown_token(callback: Callback) -> str:
    """The token of an `Authorization: Bearer` header; empty if absent."""
    scheme, _, token = (callback.header("authorization") or "").partition(" ")
    return token if scheme.lower() == "bearer" else ""


def basic_credentials(callback: Callback) -> tuple[str, str]:
    """Name and password of an `Authorization: Basic` header; both empty if absent or unreadable."""
    scheme, _, encoded = (callback.header("authorization") or "").partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        name, colon, password = base64.b64decode(encoded, validate=True).decode("utf-8").partition(":")
    except (binascii.Error, ValueError):
        return "", ""
    return (name, password) if colon else ("", "")


def _mac(secret: bytes, signed_text: str) -> str:
    return hmac_sha256_hex(secret, f"{_PURPOSE}.{signed_text}".encode("ascii"))

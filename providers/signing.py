"""Authentication tools of all providers: a keyed hash, a constant-time comparison, a strict JSON reader.

Each provider defines the signed bytes and the place of the signature.
"""

import hashlib
import hmac

from providers.strict_json import NotStrictJson, parse_object

BODY_SIZE_MAX = 64 * 1024
"""Larger than any provider's message."""


def hmac_sha256_hex(secret: bytes, message: bytes) -> str:
    """HMAC-SHA256 in lower-case hex (RFC 2104, FIPS 180-4)."""
    return hmac.new(secret, message, hashlib.sha256).hexdigest()


def is_same_secret(expected: str, received: object) -> bool:
    """Compare in constant time; every other received value (None, other letters, another length) is unequal."""
    if not isinstance(received, str):
        return False
    return hmac.compare_digest(expected.encode("utf-8"), received.encode("utf-8", "surrogatepass"))


def read_json_object(body: bytes, *, size_max: int = BODY_SIZE_MAX) -> dict[str, object]:
    """Read a JSON object in UTF-8; integers become int, every other number Decimal, so there is no float.

    Raises NotStrictJson if two readers could differ or a database could not store it: a key twice, NaN or Infinity,
    bad UTF-8, a byte-order mark, half a surrogate pair, a NUL in a text, too deep, too long, or no object.
    """
    if len(body) > size_max:
        raise NotStrictJson(f"longer than {size_max} bytes")
    try:
        return parse_object(body.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise NotStrictJson(f"no UTF-8 at byte {error.start}") from None

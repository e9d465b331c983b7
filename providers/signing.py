"""What every provider needs to trust a message: a keyed hash, a comparison that tells nothing, JSON read strictly.

Which bytes are signed, and where the signature stands, is each provider's own matter.
"""

import hashlib
import hmac
import json
from decimal import Decimal
from typing import NoReturn

BODY_SIZE_MAX = 64 * 1024
"""Generous for any provider's message."""


class NotStrictJson(Exception):
    """A body that is no JSON object two readers would read alike; holds nothing of the body but a place."""


def hmac_sha256_hex(secret: bytes, message: bytes) -> str:
    """HMAC-SHA256 in lower-case hex (RFC 2104, FIPS 180-4)."""
    return hmac.new(secret, message, hashlib.sha256).hexdigest()


def is_same_secret(expected: str, received: object) -> bool:
    """Compare in constant time; whatever was received (None, other letters, another length) is just not the same."""
    if not isinstance(received, str):
        return False
    return hmac.compare_digest(expected.encode("utf-8"), received.encode("utf-8", "surrogatepass"))


def read_json_object(body: bytes, *, size_max: int = BODY_SIZE_MAX) -> dict[str, object]:
    """Read a JSON object in UTF-8; integers become int, every other number Decimal, so no float is ever made.

    Raises NotStrictJson where two readers could differ or a database could not keep it: a key twice, NaN or Infinity,
    bad UTF-8, a byte-order mark, half a surrogate pair, a NUL in a text, too deep, too long, or no object.
    """
    if len(body) > size_max:
        raise NotStrictJson(f"longer than {size_max} bytes")
    try:
        value = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_object,
            parse_float=_decimal,
            parse_constant=_refuse_constant,
        )
    except UnicodeDecodeError as error:
        raise NotStrictJson(f"no UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise NotStrictJson(f"no JSON at character {error.pos}") from None
    except RecursionError:
        raise NotStrictJson("nested too deep") from None
    except ValueError:
        raise NotStrictJson("a whole number of too many digits") from None  # Python reads at most 4300
    if not isinstance(value, dict):
        raise NotStrictJson("not an object")
    if b"\\u" in body:  # UTF-8 itself holds no half of a pair, and JSON no bare NUL
        _refuse_broken_texts(value)
    return value


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise NotStrictJson("a key stands twice")
    return result


def _decimal(digits: str) -> Decimal:
    try:
        return Decimal(digits)
    except ArithmeticError:
        raise NotStrictJson("a number of too large an exponent") from None


def _refuse_constant(name: str) -> NoReturn:
    raise NotStrictJson(f"{name} is no number of JSON")


def _refuse_broken_texts(root: object) -> None:
    """Walk without recursion: every text must be whole Unicode without NUL."""
    waiting = [root]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend(value.keys())
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, str) and ("\0" in value or not _is_whole(value)):
            raise NotStrictJson("a text that holds NUL or half a character")


def _is_whole(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)

"""payOS's signatures: HMAC-SHA256 in lower-case hex with the checksum key.

Webhooks and answers are signed over their `data`: every key received, sorted, `key=value` joined by `&`, raw.
Source: payOS, merchant API v2 (signatures of requests, webhooks, answers and payouts).
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import quote

from providers.signing import hmac_sha256_hex, is_same_secret

CREATE = ("amount", "cancelUrl", "description", "orderCode", "returnUrl")
_EMPTY = ("null", "undefined")
_NODE_OBJECT = "[object Object]"  # JavaScript's text form of an object
_UNESCAPED = "-_.!~*'()"  # unchanged by encodeURIComponent, in addition to letters and digits


def create_text(fields: Mapping[str, object]) -> str:
    """The signed text of a new link: exactly five fields, raw."""
    return "&".join(f"{name}={_plain(fields[name])}" for name in CREATE)


def data_text(data: Mapping[str, object]) -> str:
    """The signed text of a webhook or answer of payOS; keys that are unknown to us are signed too.

    Null and the texts `null` and `undefined` are empty; a list is compact JSON whose objects have their keys sorted.
    Raises TypeError for a value that payOS cannot write.
    """
    return "&".join(f"{name}={_value(data[name])}" for name in sorted(data))


def accepted_texts(data: Mapping[str, object]) -> frozenset[str]:
    """The signed texts of received `data`: one for each form in which payOS's own programs write nested values.

    The rule covers lists only. For an object the vendor's Node SDK 2.0.5 signs the literal `[object Object]`, and its
    newer signatures sort every level. The content of a nested object may be unsigned: no field of one is read.
    Raises TypeError for a value that payOS cannot write.
    """
    if not any(isinstance(value, (list, dict)) for value in data.values()):
        return frozenset({data_text(data)})
    sorted_at_all_levels = {name: _sorted_deep(value) for name, value in data.items()}
    as_node = {name: _NODE_OBJECT if isinstance(value, dict) else value for name, value in data.items()}
    return frozenset(data_text(each) for each in (data, sorted_at_all_levels, as_node))


def payout_text(body: Mapping[str, object]) -> str:
    """The signed text of a payout: as `data_text`, keys and values encoded as `encodeURIComponent` does."""
    return "&".join(f"{_encoded(name)}={_encoded(_value(body[name]))}" for name in sorted(body))


def signature_of(key: bytes, text: str) -> str:
    """The signature of a signed text."""
    return hmac_sha256_hex(key, text.encode("utf-8"))


def is_signed(keys: Sequence[bytes], texts: Iterable[str], received: object) -> bool:
    """Whether a signature is that of one of the texts by any active checksum key."""
    shown = received.lower() if isinstance(received, str) else received  # hex is compared in lower case
    return any(is_same_secret(signature_of(key, text), shown) for text in texts for key in keys)


def _value(value: object) -> str:
    if value is None or value in _EMPTY:
        return ""
    if isinstance(value, (list, dict)):
        return json.dumps(_sorted(value), separators=(",", ":"), ensure_ascii=False)
    return _plain(value)


def _sorted(value: object) -> object:
    """Objects directly in a list, or the object itself, with their keys sorted."""
    if isinstance(value, list):
        return [_sorted(each) for each in value]
    return {name: value[name] for name in sorted(value)} if isinstance(value, dict) else value


def _sorted_deep(value: object) -> object:
    if isinstance(value, list):
        return [_sorted_deep(each) for each in value]
    return {name: _sorted_deep(value[name]) for name in sorted(value)} if isinstance(value, dict) else value


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _encoded(text: str) -> str:
    return quote(text, safe=_UNESCAPED)

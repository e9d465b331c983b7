"""VNPAY's signatures: HMAC-SHA512, in lower-case hex, over two kinds of text.

Messages in addresses (pay address, IPN) are signed as a sorted query, calls between servers as values in a fixed
order joined by `|`. Source: VNPAY, payment gateway interface 2.1.0.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import quote_plus

from providers.signing import is_same_secret

HASH_FIELD = "vnp_SecureHash"
_UNSIGNED = frozenset({HASH_FIELD, "vnp_SecureHashType"})
_OURS = "vnp_"
_HASH = re.compile(r"[0-9A-Fa-f]{128}")

_STAR, _TILDE = {"%2A": "*"}, {"~": "%7E"}
# Encoders compared with Python's `quote_plus`: equal, Java and browsers, PHP, JavaScript's encodeURIComponent.
_SPELLINGS: tuple[Mapping[str, str], ...] = (
    {},
    {**_STAR, **_TILDE},
    _TILDE,
    _STAR,
    {**_STAR, "%21": "!", "%27": "'", "%28": "(", "%29": ")"},
)

# fmt: off
QUERY_REQUEST = (
    "RequestId", "Version", "Command", "TmnCode", "TxnRef", "TransactionDate", "CreateDate", "IpAddr", "OrderInfo",
)
QUERY_ANSWER = (
    "ResponseId", "Command", "ResponseCode", "Message", "TmnCode", "TxnRef", "Amount", "BankCode", "PayDate",
    "TransactionNo", "TransactionType", "TransactionStatus", "OrderInfo", "PromotionCode", "PromotionAmount",
)
REFUND_REQUEST = (
    "RequestId", "Version", "Command", "TmnCode", "TransactionType", "TxnRef", "Amount", "TransactionNo",
    "TransactionDate", "CreateBy", "CreateDate", "IpAddr", "OrderInfo",
)
# fmt: on
REFUND_ANSWER = QUERY_ANSWER[:-2]


def query_text(fields: Mapping[str, object]) -> str:
    """The signed text of a query: names that begin with `vnp_`, without the hash and empty values, sorted by name.

    Names and values are form-encoded: a space becomes `+`, hex is upper-case.
    """
    signed = {
        name: str(value)
        for name, value in fields.items()
        if name.startswith(_OURS) and name not in _UNSIGNED and str(value) != ""
    }
    return "&".join(f"{quote_plus(name)}={quote_plus(signed[name])}" for name in sorted(signed))


def accepted_texts(fields: Mapping[str, object]) -> frozenset[str]:
    """The signed texts of a received query: one for each form-encoding in use.

    The rule is "form-encoded" and the encoders differ for a few signs: Java and browsers leave `*` and encode `~`,
    PHP encodes both, JavaScript's encodeURIComponent leaves `*~!'()`. All of them encode the same names and values, so
    that accepting each of them accepts no other message.
    """
    text = query_text(fields)
    return frozenset(_respelled(text, spelling) for spelling in _SPELLINGS)


def _respelled(text: str, spelling: Mapping[str, str]) -> str:
    for ours, theirs in spelling.items():
        text = text.replace(ours, theirs)
    return text


def listed_text(fields: Mapping[str, object], names: Sequence[str]) -> str:
    """The signed text of a call between servers: the values of `names` (without `vnp_`), empty if absent."""
    return "|".join(_text(fields.get(_OURS + name)) for name in names)


def secure_hash(secret: bytes, text: str) -> str:
    """HMAC-SHA512 of a signed text."""
    return hmac.new(secret, text.encode("utf-8"), hashlib.sha512).hexdigest()


def is_signed(secrets: Sequence[bytes], texts: Iterable[str], received: object) -> bool:
    """Whether a hash is that of one of the texts by any active secret; its letters may be of either case."""
    if not isinstance(received, str) or not _HASH.fullmatch(received):
        return False
    return any(is_same_secret(secure_hash(secret, text), received.lower()) for text in texts for secret in secrets)


def _text(value: object) -> str:
    return "" if value is None else str(value)

"""MoMo's signatures: HMAC-SHA256 in lower-case hex over `name=value` pairs joined by `&`, values raw.

Each kind of message signs its own list of names, in alphabetical order; an empty value is `name=`. The access key
is in every signed text and in no message. Source: MoMo, payment API v2 (one-time payment).
"""

from collections.abc import Mapping, Sequence

from providers.signing import hmac_sha256_hex, is_same_secret

# fmt: off
CREATE = (
    "accessKey", "amount", "extraData", "ipnUrl", "orderId", "orderInfo", "partnerCode", "redirectUrl", "requestId",
    "requestType",
)
IPN = (
    "accessKey", "amount", "extraData", "message", "orderId", "orderInfo", "orderType", "partnerCode", "payType",
    "requestId", "responseTime", "resultCode", "transId",
)
# fmt: on
QUERY = ("accessKey", "orderId", "partnerCode", "requestId")
REFUND = ("accessKey", "amount", "description", "orderId", "partnerCode", "requestId", "transId")


def signed_text(fields: Mapping[str, object], names: Sequence[str], access_key: str) -> str:
    """The signed text of a message; a value that is absent or null is empty.

    Raises TypeError for a value that is neither text nor a whole number: it has no defined signed form.
    """
    values = {**fields, "accessKey": access_key}
    return "&".join(f"{name}={_text(values.get(name))}" for name in names)


def signature_of(secret: bytes, text: str) -> str:
    """The signature of a signed text."""
    return hmac_sha256_hex(secret, text.encode("utf-8"))


def is_signed(secrets: Sequence[bytes], text: str, received: object) -> bool:
    """Whether a signature matches a text under any active secret."""
    shown = received.lower() if isinstance(received, str) else received  # hex is compared in lower case
    return any(is_same_secret(signature_of(secret, text), shown) for secret in secrets)


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise TypeError("a value that is neither text nor a whole number")
    return str(value)

"""Strict reading of clients' JSON; an error states the position of the fault."""

from collections.abc import Mapping

from billing.core.errors import InvalidValue
from providers.strict_json import NotStrictJson, parse_object


def read_object(content: bytes) -> Mapping[str, object]:
    """Read one JSON object from UTF-8 bytes, a byte-order mark allowed; numbers arrive as int or exact Decimal.

    Raises InvalidValue with the position of the fault.
    """
    try:
        return parse_object(content.decode("utf-8-sig"))
    except UnicodeDecodeError as cause:
        raise InvalidValue(f"byte {cause.start} is not UTF-8") from cause
    except NotStrictJson as cause:
        raise InvalidValue(cause.detail, field=cause.key or None) from cause

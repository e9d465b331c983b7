"""JSON without its traps: a key twice, binary floats, NaN, broken text and bottomless nesting are refused."""

import json
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import NoReturn

from billing.core.errors import InvalidValue

_NUMBER_LENGTH_MAX = 60


def read_object(content: bytes) -> Mapping[str, object]:
    """Read one JSON object from UTF-8 bytes, a byte-order mark allowed; numbers arrive as int or exact Decimal.

    Raises InvalidValue saying where the text is not such an object.
    """
    try:
        document = json.loads(
            content.decode("utf-8-sig"),
            object_pairs_hook=_unique,
            parse_float=_decimal,
            parse_int=_integer,
            parse_constant=_refuse_constant,
        )
    except UnicodeDecodeError as cause:
        raise InvalidValue(f"byte {cause.start} is not UTF-8") from cause
    except json.JSONDecodeError as cause:
        raise InvalidValue(f"line {cause.lineno}: {cause.msg} (column {cause.colno})") from cause
    except RecursionError as cause:
        raise InvalidValue("objects stand too deep in each other") from cause
    if not isinstance(document, dict):
        raise InvalidValue("a JSON object is expected")
    _refuse_broken_text(document)
    return document


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result = dict(pairs)
    if len(result) != len(pairs):
        counts = Counter(key for key, _ in pairs)  # in the order of first appearance, in linear time
        twice = next(key for key, number in counts.items() if number > 1)
        raise InvalidValue(f"the key {_shown(twice)} stands twice in one object", field=_shown(twice)[1:-1])
    return result


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(_short(text))
    except InvalidOperation as cause:
        raise InvalidValue(f"the number {_shown(text)} has an exponent beyond all limits") from cause


def _integer(text: str) -> int:
    return int(_short(text))


def _short(text: str) -> str:
    if len(text) > _NUMBER_LENGTH_MAX:
        raise InvalidValue(f"a number has more than {_NUMBER_LENGTH_MAX} characters")
    return text


def _refuse_constant(text: str) -> NoReturn:
    raise InvalidValue(f"{text} is not a number")


def _refuse_broken_text(document: object) -> None:
    """A lone surrogate or a NUL can be neither stored nor printed."""
    waiting = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend(value.keys())
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, str) and _is_broken(value):
            raise InvalidValue(f"{_shown(value)} holds a character that is no text")


def _is_broken(text: str) -> bool:
    return "\x00" in text or any("\ud800" <= character <= "\udfff" for character in text)


def _shown(text: str) -> str:
    return ascii(text[:80])

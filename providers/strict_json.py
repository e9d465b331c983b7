"""JSON that all readers parse equally: no key twice, no float, no NaN, whole text, bounded numbers and depth."""

import json
from collections import Counter
from decimal import Decimal, InvalidOperation
from typing import NoReturn

_NUMBER_LENGTH_MAX = 60


class NotStrictJson(Exception):
    """A text that is not a strict JSON object.

    `str()` names the fault and its place without the text; `detail` may quote the text. `key` is a key that
    occurs twice.
    """

    def __init__(self, fault: str, detail: str = "", *, key: str = "") -> None:
        super().__init__(fault)
        self.detail = detail or fault
        self.key = key


def parse_object(text: str) -> dict[str, object]:
    """Read one JSON object; whole numbers become int, every other number Decimal. Raises NotStrictJson."""
    try:
        value = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_float=_decimal,
            parse_int=_integer,
            parse_constant=_reject_constant,
        )
    except json.JSONDecodeError as error:
        fault = f"no JSON at character {error.pos}"
        raise NotStrictJson(fault, f"line {error.lineno}: {error.msg} (column {error.colno})") from None
    except RecursionError:
        raise NotStrictJson("objects stand too deep in each other") from None
    if not isinstance(value, dict):
        raise NotStrictJson("a JSON object is expected")
    if "\\u" in text:  # decoded text has no half of a pair, and JSON no bare NUL: only an escape can contain them
        _reject_broken_texts(value)
    return value


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result = dict(pairs)
    if len(result) != len(pairs):
        counts = Counter(key for key, _ in pairs)  # in the order of first appearance, in linear time
        repeated = next(key for key, number in counts.items() if number > 1)
        detail = f"the key {_shown(repeated)} stands twice in one object"
        raise NotStrictJson("a key stands twice", detail, key=_shown(repeated)[1:-1])
    return result


def _decimal(digits: str) -> Decimal:
    try:
        return Decimal(_short(digits))
    except InvalidOperation:
        detail = f"the number {_shown(digits)} has an exponent beyond all limits"
        raise NotStrictJson("a number of too large an exponent", detail) from None


def _integer(digits: str) -> int:
    return int(_short(digits))


def _short(digits: str) -> str:
    if len(digits) > _NUMBER_LENGTH_MAX:
        raise NotStrictJson(f"a number has more than {_NUMBER_LENGTH_MAX} characters")
    return digits


def _reject_constant(name: str) -> NoReturn:
    raise NotStrictJson(f"{name} is not a number")


def _reject_broken_texts(root: object) -> None:
    """A lone surrogate or a NUL can be neither stored nor printed. Iterates without recursion."""
    waiting = [root]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend(value.keys())
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, str) and _is_broken(value):
            detail = f"{_shown(value)} holds a character that is no text"
            raise NotStrictJson("a text that holds NUL or half a character", detail)


def _is_broken(text: str) -> bool:
    return "\x00" in text or not (text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text))


def _shown(text: str) -> str:
    return ascii(text[:80])

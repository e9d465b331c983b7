"""JSON in the database: exact numbers only, so that no amount passes through a float.

`db/database.py` registers it as the jsonb codec of every connection.
"""

import json
from decimal import Decimal
from json.encoder import encode_basestring
from typing import Any, NoReturn

_WORDS = {None: "null", True: "true", False: "false"}


def encode_json(value: object) -> str:
    """Write a value of None, bool, int, Decimal, str, list, tuple and dict with text keys as JSON.

    A Decimal is written as a number with its own digits. Raises TypeError for anything else, a float above all,
    and ValueError for a Decimal that is not a finite number.
    """
    match value:
        case str():
            return encode_basestring(value)
        case None | bool():
            return _WORDS[value]
        case int():
            return int.__repr__(value)
        case Decimal():
            if not value.is_finite():
                raise ValueError(f"{value} is no number in JSON")
            return format(value, "f")
        case list() | tuple():
            return "[" + ",".join(encode_json(item) for item in value) + "]"
        case dict():
            return "{" + ",".join(f"{_encode_key(key)}:{encode_json(item)}" for key, item in value.items()) + "}"
        case _:
            raise TypeError(f"{type(value).__name__} has no exact form in JSON; convert it first")


def decode_json(text: str) -> Any:
    """Read the text of a jsonb value: whole numbers as int, others as Decimal. Raises ValueError for NaN.

    A jsonb object has each key once, so keys are not checked: that check took a third of the time.
    """
    return _DECODER.decode(text)


def _encode_key(key: object) -> str:
    if not isinstance(key, str):
        raise TypeError(f"a key of JSON is text, not {type(key).__name__}")
    return encode_basestring(key)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number in JSON")


_DECODER = json.JSONDecoder(parse_float=Decimal, parse_constant=_refuse_constant)

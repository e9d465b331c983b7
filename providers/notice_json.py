"""Verified notices as canonical JSON and back: the stored form of a delivery that is booked later.

Every field of the contract's notice is written; the reader restores them exactly. The bytes are ASCII, keys sorted, so
that equal notices are equal bytes. A document of a later version, or with a field that this code does not know, is
refused, so that no value is dropped silently. A field that the document lacks has its default.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Union, cast, get_args, get_origin, get_type_hints

from providers.contract import Notice

VERSION = 1


class NoticesUnreadable(Exception):
    """This code cannot restore the stored document exactly."""


def write_notices(notices: Sequence[Notice]) -> bytes:
    """The document of notices. Raises TypeError for a value that has no exact form."""
    document = {"version": VERSION, "notices": [_write(notice) for notice in notices]}
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def read_notices(content: bytes) -> tuple[Notice, ...]:
    """The notices of a document, equal to those that were written. Raises NoticesUnreadable."""
    try:
        document = json.loads(content)
        version = document["version"]
        if version != VERSION:
            raise NoticesUnreadable(f"version {version}; this code reads version {VERSION}")
        return tuple(cast(Notice, _read(one, Notice)) for one in document["notices"])
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise NoticesUnreadable(f"not a document of notices: {type(error).__name__}") from error


def _write(value: Any) -> Any:  # noqa: PLR0911 - one line for each type
    if value is None or type(value) in (bool, int, str):
        return value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, bytes):
        return b64encode(value).decode("ascii")
    if isinstance(value, (frozenset, set)):
        return sorted((_write(item) for item in value), key=repr)
    if isinstance(value, (tuple, list)):
        return [_write(item) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: _write(getattr(value, each.name)) for each in fields(value)}
    raise TypeError(f"{type(value).__name__} has no exact form in JSON")


def _read(value: Any, kind: Any) -> Any:  # noqa: PLR0911 - one line for each type
    """A value of the document as its declared type."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        if value is None and NoneType in arguments:
            return None
        (inner,) = (each for each in arguments if each is not NoneType)
        return _read(value, inner)
    if origin is frozenset:
        return frozenset(_read(item, arguments[0]) for item in _list(value))
    if origin in (tuple, list, Sequence):
        return _read_items(_list(value), arguments)
    if kind in (bool, int, str):
        if type(value) is not kind:
            raise NoticesUnreadable(f"{type(value).__name__} in the place of {kind.__name__}")
        return value
    if kind is bytes:
        return b64decode(value, validate=True)
    if isinstance(kind, type) and issubclass(kind, (datetime, date)):
        return kind.fromisoformat(value)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(value)
    if is_dataclass(kind):
        return _read_fields(value, kind)
    raise NoticesUnreadable(f"a field of type {kind} cannot be read")


def _read_items(items: list[Any], arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(arguments) == 2 and arguments[1] is not Ellipsis:
        return tuple(_read(item, kind) for item, kind in zip(items, arguments, strict=True))
    return tuple(_read(item, arguments[0]) for item in items)


def _read_fields(value: Any, kind: Any) -> Any:
    known = get_type_hints(kind)
    if not isinstance(value, dict) or not value.keys() <= known.keys():
        raise NoticesUnreadable(f"{kind.__name__} has a field that this code does not know")
    return kind(**{name: _read(item, known[name]) for name, item in value.items()})


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise NoticesUnreadable(f"{type(value).__name__} in the place of a list")
    return value

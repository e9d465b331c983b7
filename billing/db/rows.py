"""Rows of the database as dataclasses or named tuples, read by column name.

asyncpg returns ids, times and numbers as such; in JSON they are text. `json_codec.py` decodes the JSON of a row.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from functools import cache, partial
from types import NoneType, UnionType
from typing import Any, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import asyncpg

Row = TypeVar("Row")

_FROM_TEXT: Mapping[Any, Callable[[str], object]] = {
    UUID: UUID,
    datetime: datetime.fromisoformat,
    date: date.fromisoformat,
    Decimal: Decimal,
}


def read_row(kind: type[Row], record: asyncpg.Record | Mapping[str, Any]) -> Row:
    """Build a dataclass or named tuple from a row, or an object of JSON in a row: a column is the field of its name.

    Raises KeyError for a column without a field, and TypeError for a field without a column or a default.
    """
    build: Callable[..., Row] = kind
    columns = _columns(build)
    values = dict(record)
    if not columns.names >= values.keys():
        raise KeyError(f"{kind.__name__} has no field {', '.join(sorted(values.keys() - columns.names))}")
    for name, parse in columns.from_text:
        value = values.get(name)
        if type(value) is str:
            values[name] = parse(value)
    for name, convert in columns.converted:
        value = values.get(name)
        if value is not None:
            values[name] = convert(value)
    return build(**values)


def read_rows(kind: type[Row], records: Sequence[asyncpg.Record]) -> list[Row]:
    """Build a named tuple of plain values from each of many rows: the columns are compared with its fields once.

    Raises KeyError and TypeError as `read_row`.
    """
    if not records:
        return []
    build: Callable[..., Row] = kind
    columns = _columns(build)
    unknown = set(records[0].keys()) - columns.names
    if unknown:
        raise KeyError(f"{kind.__name__} has no field {', '.join(sorted(unknown))}")
    if not columns.converted:
        return [build(**record) for record in records]
    rows = []
    for record in records:
        values = dict(record)
        for name, convert in columns.converted:
            values[name] = convert(values[name])
        rows.append(build(**values))
    return rows


def extend(kind: type[Row], value: Any, **more: object) -> Row:
    """Build a subclass of a dataclass from a value of the dataclass and the fields that the subclass adds."""
    build: Callable[..., Row] = kind
    return build(**{field.name: getattr(value, field.name) for field in fields(value)}, **more)


class _Columns(NamedTuple):
    """The fields of a dataclass: those that are text in JSON only, and those that are always converted."""

    names: frozenset[str]
    from_text: tuple[tuple[str, Callable[[str], object]], ...]
    converted: tuple[tuple[str, Callable[[Any], object]], ...]


@cache
def _columns(kind: Any) -> _Columns:
    types = get_type_hints(kind)
    from_text, converted = [], []
    names = list(kind._fields) if issubclass(kind, tuple) else [field.name for field in fields(kind)]
    for name in names:
        if (parse := _FROM_TEXT.get(_type_of_value(types[name]))) is not None:
            from_text.append((name, parse))
        elif (convert := _converter(types[name])) is not _as_it_is:
            converted.append((name, convert))
    return _Columns(frozenset(names), tuple(from_text), tuple(converted))


def _type_of_value(kind: Any) -> Any:
    """The type of a field whose value is not None, without its NewType."""
    kind = getattr(kind, "__supertype__", kind)
    if get_origin(kind) in (Union, UnionType):
        (kind,) = (each for each in get_args(kind) if each is not NoneType)
    return getattr(kind, "__supertype__", kind)


def _converter(kind: Any) -> Callable[[Any], object]:
    """The function that converts a value of a row to the type of a field; most values have it already."""
    kind = getattr(kind, "__supertype__", kind)  # of a NewType
    if get_origin(kind) in (Union, UnionType):
        (one,) = (each for each in get_args(kind) if each is not NoneType)
        return _unless_none(_converter(one))
    if get_origin(kind) is tuple:
        convert = _converter(get_args(kind)[0])
        return tuple if convert is _as_it_is else lambda values: tuple(map(convert, values))
    if isinstance(kind, type) and is_dataclass(kind):
        return partial(read_row, kind)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind
    if (parse := _FROM_TEXT.get(kind)) is not None:
        return lambda value: parse(value) if isinstance(value, str) else value
    return _as_it_is


def _unless_none(convert: Callable[[Any], object]) -> Callable[[Any], object]:
    return convert if convert is _as_it_is else lambda value: None if value is None else convert(value)


def _as_it_is(value: object) -> object:
    return value

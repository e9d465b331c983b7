"""A facility's readings as texts by name: how an invoice freezes them, how they are stored, proposed and tried.

A choice is written by its word, a fact as True or False, a number or text as itself, a row with blanks between.
"""

from collections.abc import Mapping
from dataclasses import asdict
from decimal import Decimal
from enum import StrEnum
from functools import cache, lru_cache
from typing import Any, get_args, get_origin, get_type_hints

from billing.core.errors import InvalidValue
from billing.coverage.domain.policy import Policy

_FACTS = {"True": True, "False": False}


class ReadingUnknown(InvalidValue):
    """A reading of a name or value this version does not know; `field` is its name."""

    code = "reading_unknown"


def write_readings(policy: Policy) -> dict[str, str]:
    """Every reading by name."""
    return {
        name: " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
        for name, value in asdict(policy).items()
    }


def read_readings(readings: Mapping[str, object]) -> Policy:
    """The policy with these readings; what is not named keeps its default. Raises ReadingUnknown, InvalidValue."""
    for name, value in readings.items():
        if type(value) is not str:
            raise ReadingUnknown(f"{name} is not written as a text", field=name)
    return _policy_of(tuple(readings.items()))


@lru_cache(maxsize=64)
def _policy_of(readings: tuple[tuple[str, object], ...]) -> Policy:
    """Read once: a facility's invoices name the same readings for years."""
    kinds = _kinds_of_readings()
    for name, _ in readings:
        if name not in kinds:
            raise ReadingUnknown(f"no reading is called {name}", field=name)
    return Policy(**{name: read_reading(name, kinds[name], value) for name, value in readings})


@cache
def _kinds_of_readings() -> Mapping[str, Any]:
    return get_type_hints(Policy)


def read_reading(name: str, kind: Any, value: object) -> Any:
    """One reading from its text: a choice, a fact, a number or a text, or a row of those. Raises ReadingUnknown."""
    assert isinstance(value, str), "read_readings has looked"
    if get_origin(kind) is tuple:
        return tuple(read_reading(name, get_args(kind)[0], part) for part in value.split())
    assert issubclass(kind, (StrEnum, bool, Decimal, int, str)), f"how is the reading {name} read back?"
    try:
        return _FACTS[value] if kind is bool else kind(value)
    except (KeyError, ValueError, ArithmeticError) as cause:
        raise ReadingUnknown(f"{name} cannot be {value or 'empty'}", field=name) from cause

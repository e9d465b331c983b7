"""Policy options as texts by name: for price snapshots, the database, requests and the command line.

A choice is written as its value, a flag as True or False, a number or text as itself, a list separated by blanks.
"""

from collections.abc import Mapping
from dataclasses import asdict
from decimal import Decimal
from enum import StrEnum
from functools import cache, lru_cache
from typing import Any, get_args, get_origin, get_type_hints

from billing.core.errors import InvalidValue
from billing.coverage.domain.policy import Policy

_FLAGS = {"True": True, "False": False}


class UnknownPolicyOption(InvalidValue):
    """The policy option, or this value of it, does not exist in this version; `field` is the name of the option."""

    code = "unknown_policy_option"


def write_policy_options(policy: Policy) -> dict[str, str]:
    """Every policy option by name."""
    return {
        name: " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
        for name, value in asdict(policy).items()
    }


def read_policy_options(options: Mapping[str, object]) -> Policy:
    """The policy with these options; an option that is not named keeps its default.

    Raises UnknownPolicyOption, InvalidValue.
    """
    for name, value in options.items():
        if type(value) is not str:
            raise UnknownPolicyOption(f"{name} is not written as a text", field=name)
    return _policy_of(tuple(options.items()))


@lru_cache(maxsize=64)
def _policy_of(options: tuple[tuple[str, object], ...]) -> Policy:
    """Cached: the invoices of a facility name the same options for years."""
    kinds = _option_types()
    for name, _ in options:
        if name not in kinds:
            raise UnknownPolicyOption(f"no policy option is called {name}", field=name)
    return Policy(**{name: _read_value(name, kinds[name], value) for name, value in options})


@cache
def _option_types() -> Mapping[str, Any]:
    return get_type_hints(Policy)


def _read_value(name: str, kind: Any, value: object) -> Any:
    """One value from its text: a choice, a flag, a number or a text, or a list of those. Raises UnknownPolicyOption."""
    assert isinstance(value, str), "read_policy_options checks the type"
    if get_origin(kind) is tuple:
        return tuple(_read_value(name, get_args(kind)[0], part) for part in value.split())
    assert issubclass(kind, (StrEnum, bool, Decimal, int, str)), f"the type of policy option {name} cannot be read"
    try:
        return _FLAGS[value] if kind is bool else kind(value)
    except (KeyError, ValueError, ArithmeticError) as cause:
        raise UnknownPolicyOption(f"{name} cannot be {value or 'empty'}", field=name) from cause

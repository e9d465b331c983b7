"""Reports the wrong settings of an account with reason and action: never a value, since some are secrets."""

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from providers.settings import FieldsDisagree, secret_fields

_OWN_WORDS = frozenset({"value_error", "assertion_error"})
"""Kinds of errors with a validator's own text; it is not shown for a secret, as it may repeat the value."""


_SENTENCES = {
    "missing": "missing; add it",
    "string_too_short": "too short; at least {min_length} characters",
    "string_too_long": "too long; at most {max_length} characters",
    "too_short": "too short; at least {min_length}",
    "too_long": "too long; at most {max_length}",
    "greater_than": "too small; more than {gt}",
    "greater_than_equal": "too small; at least {ge}",
    "less_than": "too large; less than {lt}",
    "less_than_equal": "too large; at most {le}",
    "enum": "not one of {expected}",
    "literal_error": "not one of {expected}",
}
"""The meaning of a kind of error and the expected input; pydantic's own sentences are for programmers."""


def wrong_fields(
    error: ValidationError, settings: Mapping[str, object], settings_type: type[BaseModel] | None = None
) -> dict[str, str]:
    """Each wrong field by its path (`report.amount`, `allowed_networks[0]`) with its problem.

    The path is empty if a validator refused the settings as a whole. `settings` are the refused settings.
    """
    found: dict[str, str] = {}
    for each in error.errors(include_url=False, include_input=False):
        cause = each.get("ctx", {}).get("error")
        if isinstance(cause, FieldsDisagree):
            found.update(cause.fields)
            continue
        path = _path(each["loc"], settings)
        # Each branch of a union reports its own error; the first suffices.
        found.setdefault(path, _reason(each, settings_type))
    return found


def _path(location: Sequence[int | str], settings: object) -> str:
    """The path of a value. pydantic also names branches of unions in it, which are removed."""
    path, here = "", settings
    for depth, part in enumerate(location):
        if depth > 0 and not _is_place(part, here):
            continue
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
        here = _at(here, part)
    return path


def _is_place(part: int | str, here: object) -> bool:
    return isinstance(here, Mapping) if isinstance(part, str) else isinstance(here, (list, tuple))


def _at(here: object, part: int | str) -> object:
    if isinstance(here, Mapping):
        return here.get(part)
    if isinstance(here, (list, tuple)) and isinstance(part, int) and part < len(here):
        return here[part]
    return None


def _reason(error: ErrorDetails, settings_type: type[BaseModel] | None) -> str:
    kind = error["type"]
    if kind in _SENTENCES:
        return _SENTENCES[kind].format_map(error.get("ctx", {}))
    if kind == "string_pattern_mismatch":
        return _wrong_form(str(error.get("ctx", {}).get("pattern", "")))
    if kind == "extra_forbidden":
        return _unknown(error["loc"], settings_type)
    is_secret = settings_type is not None and bool(error["loc"]) and error["loc"][0] in secret_fields(settings_type)
    if kind in _OWN_WORDS and is_secret:
        return "is not as the provider needs it"
    text = error["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return text[:1].lower() + text[1:]


_ONE_CLASS = re.compile(r"\^\[([^]]+)\]\{(\d+)(?:,(\d+))?\}\$")
_KINDS = {"0-9": "digits", "A-Za-z": "letters", "A-Z": "capital letters", "a-z": "small letters", "!-~": "signs"}


def _wrong_form(pattern: str) -> str:
    """The expected form of a value: most patterns of settings are a number of characters of some kinds."""
    found = _ONE_CLASS.fullmatch(pattern)
    if found is None:
        return f"must match the pattern {pattern}"
    kinds, least, most = found.groups()
    names = []
    for written, name in _KINDS.items():
        if written in kinds:
            names.append(name)
            kinds = kinds.replace(written, "")
    names += [f"{' '.join(kinds.replace(' ', ''))} and spaces" if " " in kinds else " ".join(kinds)] if kinds else []
    return f"must be {least if most is None else f'{least} to {most}'} {', '.join(names)}"


def _unknown(location: Sequence[int | str], settings_type: type[BaseModel] | None) -> str:
    if settings_type is None or len(location) != 1:
        return "no such setting; take it out"
    known = sorted(set(settings_type.model_fields) - set(secret_fields(settings_type)))
    close = get_close_matches(str(location[0]), known, n=3, cutoff=0.6)
    if close:
        return f"no such setting; did you mean {' or '.join(close)}?"
    return f"no such setting; known: {', '.join(known)}"

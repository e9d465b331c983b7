"""The readings a facility can choose, in words: what each decides, what may be chosen, and the doubt behind it.

The readings themselves are `Policy`; the words stand in `readings.toml`, one table a field.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from billing.coverage.domain.explain import Language


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One reading, by the name of its field of `Policy`, with the rule it belongs to.

    `choices` are its values with what each means; where there are none, `form` says how a value is written.
    """

    name: str
    rule: str
    title: Mapping[Language, str]
    doubt: Mapping[Language, str]
    choices: Mapping[str, Mapping[Language, str]]
    form: Mapping[Language, str] | None


@cache
def all_readings() -> Mapping[str, Reading]:
    """Every reading by name, in the order of `Policy`."""
    text = resources.files("billing.coverage.domain").joinpath("readings.toml").read_text("utf-8")
    return {name: _reading(name, row) for name, row in tomllib.loads(text).items()}


def _reading(name: str, row: Mapping[str, Any]) -> Reading:
    return Reading(
        name=name,
        rule=row["rule"],
        title=_by_language(row, ""),
        doubt=_by_language(row, "doubt_"),
        choices={value: _by_language(words, "") for value, words in row.get("choices", {}).items()},
        form=_by_language(row, "form_") if "form_vi" in row else None,
    )


def _by_language(row: Mapping[str, str], prefix: str) -> Mapping[Language, str]:
    return {language: row[f"{prefix}{language.value}"] for language in Language}

"""The description of each policy option: its effect, its values, and the legal question behind it.

The options themselves are the fields of `Policy`; their texts are in `policy_options.toml`, one table per field.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from billing.coverage.domain.explain import Language


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyOption:
    """One policy option, named after its field of `Policy`, with the rule it belongs to.

    `choices` maps each value to its meaning. An option without choices has `form`, which describes a value.
    """

    name: str
    rule: str
    title: Mapping[Language, str]
    question: Mapping[Language, str]
    choices: Mapping[str, Mapping[Language, str]]
    form: Mapping[Language, str] | None


@cache
def all_policy_options() -> Mapping[str, PolicyOption]:
    """Every policy option by name, in the order of `Policy`."""
    text = resources.files("billing.coverage.domain").joinpath("policy_options.toml").read_text("utf-8")
    return {name: _policy_option(name, row) for name, row in tomllib.loads(text).items()}


def _policy_option(name: str, row: Mapping[str, Any]) -> PolicyOption:
    return PolicyOption(
        name=name,
        rule=row["rule"],
        title=_by_language(row, ""),
        question=_by_language(row, "question_"),
        choices={value: _by_language(words, "") for value, words in row.get("choices", {}).items()},
        form=_by_language(row, "form_") if "form_vi" in row else None,
    )


def _by_language(row: Mapping[str, str], prefix: str) -> Mapping[Language, str]:
    return {language: row[f"{prefix}{language.value}"] for language in Language}

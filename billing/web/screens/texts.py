"""The texts of the screens in each language, from `catalogues/<area>.<language>.toml`.

A file holds flat keys: `area.key = "text {placeholder}"`. A test compares keys and placeholders of the languages, and
the keys that templates and handlers name. Messages about rejected requests have the keys `error.<code>`.
"""

import tomllib
from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Any


class ScreenLanguage(StrEnum):
    """A language of the screens."""

    VIETNAMESE = "vi"
    ENGLISH = "en"


def translate(language: ScreenLanguage, key: str, /, **values: object) -> str:
    """The text of a key with its placeholders filled in. The template escapes it. Raises KeyError for a missing key."""
    return catalogue(language)[key].format_map(values)


def find_text(language: ScreenLanguage, key: str) -> str | None:
    """The text of a key without its values; None if the catalogue has none."""
    return catalogue(language).get(key)


@cache
def catalogue(language: ScreenLanguage) -> Mapping[str, str]:
    """Every text of a language by its key. A test finds keys that are in two files with two texts."""
    texts: dict[str, str] = {}
    for file in sorted(
        resources.files("billing.web.screens").joinpath("catalogues").iterdir(), key=lambda one: one.name
    ):
        if file.name.endswith(f".{language}.toml"):
            for key, text in _flatten(tomllib.loads(file.read_text("utf-8"))):
                texts.setdefault(key, text)
    return texts


def _flatten(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value

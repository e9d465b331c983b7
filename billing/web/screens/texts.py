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

import structlog

MISSING = "⟦⟧"

log = structlog.get_logger(__name__)


class ScreenLanguage(StrEnum):
    """A language of the screens."""

    VIETNAMESE = "vi"
    ENGLISH = "en"


def translate(language: ScreenLanguage, key: str, /, **values: object) -> str:
    """The text of a key with its placeholders filled in. The template escapes it.

    A missing key is logged and shown between MISSING signs: a page about money does not fail for a word. Tests fail
    where a page shows one.
    """
    text = catalogue(language).get(key)
    if text is None:
        log.error("text_missing", key=key, language=language.value)
        return f"{MISSING[0]}{key}{MISSING[1]}"
    return text.format_map(values)


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

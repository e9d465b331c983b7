"""Say in a sentence why an amount is what it is: reason → Vietnamese or English, with the legal citation.

The words stand in `rules.toml`; prices carry only rule ids and operands, and sentences are made when somebody asks.
"""

import string
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Any

from billing.domain.coverage.priced import Reason
from billing.domain.errors import NotFound
from billing.domain.money import hundredths

MAIN_SENTENCE = "sentence"
_TEXT_KEYS = frozenset({"title_vi", "title_en", "citation_vi", "citation_en", "status", "proof"})


class Language(StrEnum):
    """A language sentences exist in."""

    VIETNAMESE = "vi"
    ENGLISH = "en"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule of the reference: titles and citations by language, how sure it is, and its sentences by variant.

    `proof` names the worked cases or tests that show it; every rule has at least one sentence.
    """

    id: str
    titles: Mapping[Language, str]
    citations: Mapping[Language, str]
    status: str  # verified, partly or unverified
    proof: tuple[str, ...]
    sentences: Mapping[str, Mapping[Language, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A reason in words: the sentence with its amounts, where the rule comes from, and how sure it is."""

    rule: str
    sentence: str
    citation: str
    status: str


@dataclass(frozen=True, slots=True)
class _Texts:
    rules: Mapping[str, Rule]
    object_codes: Mapping[str, Mapping[Language, str]]


def explain(reason: Reason, language: Language) -> Explanation:
    """Put a reason into words; raises NotFound for a rule or variant without a sentence."""
    rule = find_rule(reason.rule)
    variant = reason.variant or MAIN_SENTENCE
    if variant not in rule.sentences:
        raise NotFound(f"rule {reason.rule} has no sentence {variant}")
    template = rule.sentences[variant][language]
    return Explanation(
        rule=rule.id,
        sentence=_OperandFormatter(language).vformat(template, (), reason.operands),
        citation=rule.citations[language],
        status=rule.status,
    )


def find_rule(rule_id: str) -> Rule:
    """The rule of an id such as `B-020`; raises NotFound."""
    try:
        return _texts().rules[rule_id]
    except KeyError as cause:
        raise NotFound(f"no rule {rule_id}") from cause


def all_rules() -> Mapping[str, Rule]:
    """Every rule this version knows, by id."""
    return _texts().rules


def object_code_name(code: str, language: Language) -> str:
    """What an object code [MA_DOITUONG_KCB] means; empty for one that is in no table."""
    return _texts().object_codes.get(code, {}).get(language, "")


def money_text(amount: Decimal | int) -> str:
    """An amount for people: `1.234.567 đ`, with `,50` where there are hundredths."""
    exact = hundredths(Decimal(amount))
    digits = f"{exact:,.2f}".translate(str.maketrans(",.", ".,"))
    return f"{digits.removesuffix(',00')} đ"


def percent_text(percentage: Decimal, language: Language) -> str:
    """A percentage for people: `47,5 %` in Vietnamese, `47.5 %` in English."""
    digits = plain_number(percentage)
    return f"{digits.replace('.', ',') if language is Language.VIETNAMESE else digits} %"


def plain_number(number: Decimal) -> str:
    """A number as its shortest text, without exponent: `80`, `47.5`."""
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


class _OperandFormatter(string.Formatter):
    """Fills `{name:kind}`; operands are texts, and only the named kinds change how they look."""

    def __init__(self, language: Language) -> None:
        self._language = language

    def get_value(self, key: int | str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        return kwargs[str(key)]

    def format_field(self, value: Any, format_spec: str) -> str:
        match format_spec:
            case "money":
                return money_text(Decimal(value))
            case "percent":
                return percent_text(Decimal(value), self._language)
            case "day":
                return date.fromisoformat(value).strftime("%d/%m/%Y")
            case "object_code":
                name = object_code_name(value, self._language)
                return f"{value} ({name})" if name else str(value)
            case _:
                return format(str(value), format_spec)


@cache
def _texts() -> _Texts:
    text = resources.files("billing.domain.coverage").joinpath("rules.toml").read_text("utf-8")
    document = tomllib.loads(text)
    names = document.pop("object_codes")
    return _Texts(
        rules={rule_id: _rule(rule_id, row) for rule_id, row in document.items()},
        object_codes={code: _by_language(row) for code, row in names.items()},
    )


def _rule(rule_id: str, row: Mapping[str, Any]) -> Rule:
    return Rule(
        id=rule_id,
        titles={Language.VIETNAMESE: row["title_vi"], Language.ENGLISH: row["title_en"]},
        citations={Language.VIETNAMESE: row["citation_vi"], Language.ENGLISH: row["citation_en"]},
        status=row["status"],
        proof=tuple(row["proof"]),
        sentences={variant: _by_language(words) for variant, words in row.items() if variant not in _TEXT_KEYS},
    )


def _by_language(row: Mapping[str, str]) -> Mapping[Language, str]:
    return {language: row[language.value] for language in Language}

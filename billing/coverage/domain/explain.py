"""Explain an amount: applied rule → sentence in Vietnamese or English, with the legal citation.

The texts are in `rules.toml`, `rules_of_lines.toml` and `rules_general.toml`. A price carries only rule ids and
operands; a sentence is built when it is displayed.
"""

import string
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Any

from billing.core.errors import NotFound
from billing.core.money import round_2dp
from billing.coverage.domain.price_result import AppliedRule

MAIN_SENTENCE = "sentence"
NOTE = "note"
"""The sentence of a rule that no amount and no finding names: what it means here."""

RULE_STATUSES = ("verified", "partly", "unverified")
_TEXT_KEYS = frozenset({"title_vi", "title_en", "citation_vi", "citation_en", "status", "since", "until", "proof"})


class Language(StrEnum):
    """A language sentences exist in."""

    VIETNAMESE = "vi"
    ENGLISH = "en"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule of the reference: titles and citations by language, how sure it is, and its sentences by variant.

    `since` and `until` are a year or a day, empty where no text names one. `proof` names the worked cases or tests that
    show it; every rule has at least one sentence.
    """

    id: str
    titles: Mapping[Language, str]
    citations: Mapping[Language, str]
    status: str  # one of RULE_STATUSES
    since: str
    until: str
    proof: tuple[str, ...]
    sentences: Mapping[str, Mapping[Language, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A reason in words: the sentence with its amounts, where the rule comes from and since when, how sure it is."""

    rule: str
    sentence: str
    citation: str
    period: str
    status: str


@dataclass(frozen=True, slots=True)
class _Texts:
    rules: Mapping[str, Rule]
    patient_categories: Mapping[str, Mapping[Language, str]]
    facts: Mapping[str, Mapping[Language, str]]


def explain(reason: AppliedRule, language: Language) -> Explanation:
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
        period=period_text(rule, language),
        status=rule.status,
    )


class Notes:
    """The different reasons of a price, numbered from 0 in the order in which they were first named."""

    def __init__(self) -> None:
        self.reasons: list[AppliedRule] = []
        self._numbers: dict[tuple[str, ...], int] = {}

    def numbers(self, reasons: Iterable[AppliedRule]) -> list[int]:
        """The number of each reason; one not named before gets the next."""
        found = []
        for reason in reasons:
            key = (reason.rule, reason.variant, *reason.operands.values())
            if key not in self._numbers:
                self._numbers[key] = len(self.reasons)
                self.reasons.append(reason)
            found.append(self._numbers[key])
        return found


def find_rule(rule_id: str) -> Rule:
    """The rule of an id such as `B-020`; raises NotFound."""
    try:
        return _texts().rules[rule_id]
    except KeyError as cause:
        raise NotFound(f"no rule {rule_id}") from cause


def all_rules() -> Mapping[str, Rule]:
    """Every rule this version knows, by id."""
    return _texts().rules


def category_name(code: str, language: Language) -> str:
    """What an object code [MA_DOITUONG_KCB] means; empty for one that is in no table."""
    return _texts().patient_categories.get(code, {}).get(language, "")


def fact_names(facts: str, language: Language) -> str:
    """Facts of a visit by name, from their words in code joined by blanks."""
    names = _texts().facts
    return ", ".join(names[fact][language] for fact in facts.split())


def period_text(rule: Rule, language: Language) -> str:
    """The period of a rule: `từ 01/07/2025`, `01/01/2015 – 31/12/2024`; empty where no text states it."""
    since, until = _period_day(rule.since), _period_day(rule.until)
    if not until:
        return f"{_SINCE[language]} {since}" if since else ""
    return f"{since} – {until}"


def _period_day(day: str) -> str:
    return _day_text(day, Language.VIETNAMESE) if "-" in day else day


def number_text(number: Decimal) -> str:
    """A number for people, whole: `1.234,567`, without zeros behind the comma."""
    digits = f"{number:,f}".translate(str.maketrans(",.", ".,"))
    return digits.rstrip("0").rstrip(",") if "," in digits else digits


def money_text(amount: Decimal | int) -> str:
    """An amount for people: `1.234.567 đ`, with `,50` where there are round_2dp."""
    exact = round_2dp(Decimal(amount))
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
        if format_spec in _KINDS:
            return _KINDS[format_spec](value, self._language)
        return format(str(value), format_spec)


def _day_text(day: str, _language: Language) -> str:
    return date.fromisoformat(day).strftime("%d/%m/%Y")


def _category_text(code: str, language: Language) -> str:
    name = category_name(code, language)
    return f"{code} ({name})" if name else code


def _rule_text(rule_id: str, language: Language) -> str:
    return f"{rule_id} ({find_rule(rule_id).titles[language]})"


_SINCE = {Language.VIETNAMESE: "từ", Language.ENGLISH: "since"}
_KINDS: Mapping[str, Callable[[str, Language], str]] = {
    "money": lambda value, _language: money_text(Decimal(value)),
    "percent": lambda value, language: percent_text(Decimal(value), language),
    "day": _day_text,
    "category_code": _category_text,
    "rule": _rule_text,
    "facts": fact_names,
}


@cache
def _texts() -> _Texts:
    document = _read("rules.toml")
    names = document.pop("patient_categories")
    further = _read("rules_of_lines.toml")
    facts = further.pop("facts")
    for rule_id, row in (*further.items(), *_read("rules_general.toml").items()):
        document[rule_id] = {**document.get(rule_id, {}), **row}
    return _Texts(
        rules={rule_id: _rule(rule_id, row) for rule_id, row in document.items()},
        patient_categories={code: _by_language(row) for code, row in names.items()},
        facts={fact: _by_language(row) for fact, row in facts.items()},
    )


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads(resources.files("billing.coverage.domain").joinpath(name).read_text("utf-8"))


def _rule(rule_id: str, row: Mapping[str, Any]) -> Rule:
    return Rule(
        id=rule_id,
        titles={Language.VIETNAMESE: row["title_vi"], Language.ENGLISH: row["title_en"]},
        citations={Language.VIETNAMESE: row["citation_vi"], Language.ENGLISH: row["citation_en"]},
        status=row["status"],
        since=row.get("since", ""),
        until=row.get("until", ""),
        proof=tuple(row["proof"]),
        sentences={variant: _by_language(words) for variant, words in row.items() if variant not in _TEXT_KEYS},
    )


def _by_language(row: Mapping[str, str]) -> Mapping[Language, str]:
    return {language: row[language.value] for language in Language}

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
"""The variant of a rule that no amount and no finding names: it states the meaning of the rule."""

RULE_STATUSES = ("verified", "partly", "unverified")
_TEXT_KEYS = frozenset({"title_vi", "title_en", "citation_vi", "citation_en", "status", "since", "until", "proof"})


class Language(StrEnum):
    """A language of the sentences."""

    VIETNAMESE = "vi"
    ENGLISH = "en"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule of the reference: titles and citations by language, verification status, and sentences by variant.

    `since` and `until` are a year or a day, empty where no legal text states it. `proof` names the worked cases or
    tests that cover the rule; every rule has at least one sentence.
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
    """An applied rule as text: the sentence with its amounts, the citation, the period and the verification status."""

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
    """Build the explanation of an applied rule; raises NotFound for a rule or variant without a sentence."""
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
    """The distinct applied rules of a price, numbered from 0 in order of first use."""

    def __init__(self) -> None:
        self.reasons: list[AppliedRule] = []
        self._numbers: dict[tuple[str, ...], int] = {}

    def numbers(self, reasons: Iterable[AppliedRule]) -> list[int]:
        """The number of each applied rule; a new rule gets the next number."""
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
    """Every rule of this version, by id."""
    return _texts().rules


def category_name(code: str, language: Language) -> str:
    """The meaning of an object code [MA_DOITUONG_KCB]; empty for a code that is in no table."""
    return _texts().patient_categories.get(code, {}).get(language, "")


def fact_names(facts: str, language: Language) -> str:
    """The display names of facts of a visit, from their code names joined by blanks."""
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
    """A number for display, with all its digits: `1.234,567`, without trailing zeros."""
    digits = f"{number:,f}".translate(str.maketrans(",.", ".,"))
    return digits.rstrip("0").rstrip(",") if "," in digits else digits


def money_text(amount: Decimal | int) -> str:
    """An amount for display: `1.234.567 đ`, with two decimals (`,50`) where it is not whole."""
    exact = round_2dp(Decimal(amount))
    digits = f"{exact:,.2f}".translate(str.maketrans(",.", ".,"))
    return f"{digits.removesuffix(',00')} đ"


def percent_text(percentage: Decimal, language: Language) -> str:
    """A percentage for display: `47,5 %` in Vietnamese, `47.5 %` in English."""
    digits = plain_number(percentage)
    return f"{digits.replace('.', ',') if language is Language.VIETNAMESE else digits} %"


def plain_number(number: Decimal) -> str:
    """A number as its shortest text, without exponent: `80`, `47.5`."""
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


class _OperandFormatter(string.Formatter):
    """Fills `{name:kind}`; operands are texts, and only the named kinds change their notation."""

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

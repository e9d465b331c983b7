"""Numbers of the claim data standard, and the decimal commas and thousands marks some systems write instead.

A text has candidate numbers. Where a single comma allows two, the formulae of the line decide, and only if exactly one
candidate fits. Source: Decision 130/QĐ-BYT, field conventions ("." is the decimal point, no thousands mark);
the tolerance is the section "Variants seen in the wild" of our reference.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal, InvalidOperation, Overflow
from itertools import product as combinations

LENGTH_MAX = 45
DECIMALS_MAX = 38
"""The maximum of a JSON visit, which is the stored shape."""

WHOLE_DIGITS_MAX = 15
"""The length of a money field in the standard; with the length of a text it keeps every sum exact in 50 digits."""

EXACT = Context(prec=200, traps=[InvalidOperation, Overflow])
"""Wide enough for the product of four numbers of LENGTH_MAX digits."""

_PLAIN = re.compile(r"-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)")
_ONE_COMMA_DECIMAL = re.compile(r"-?[0-9]+,[0-9]+")
_ONE_COMMA_THOUSANDS = re.compile(r"-?[1-9][0-9]{0,2},[0-9]{3}")
_THOUSANDS = {
    ",": re.compile(r"-?[1-9][0-9]{0,2}(?:,[0-9]{3})+"),
    ".": re.compile(r"-?[1-9][0-9]{0,2}(?:\.[0-9]{3})+"),
}

Candidates = tuple[Decimal, ...]
Values = Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class Formula:
    """An equation between fields of a line; `holds` gets a value for each of `fields`."""

    fields: tuple[str, ...]
    holds: Callable[[Values], bool]


def is_plain(text: str) -> bool:
    """Whether the text is a number in the notation of the standard, which needs no finding."""
    return _PLAIN.fullmatch(text) is not None


def has_one_comma(text: str) -> bool:
    """Whether the only mark is one comma: decimal, unless the amounts of the line show that it groups thousands."""
    return text.count(",") == 1 and "." not in text


def candidates_of(text: str) -> Candidates:
    """The candidate numbers of a text: none, one, or two (a single comma before three digits; decimal first)."""
    if len(text) > LENGTH_MAX:
        return ()
    found = (value if value else value.copy_abs() for value in _candidates(text))
    return tuple(value for value in found if abs(value) < 10**WHOLE_DIGITS_MAX and _decimals(value) <= DECIMALS_MAX)


def _decimals(number: Decimal) -> int:
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int), "what is read is finite"
    return -exponent


def _candidates(text: str) -> Candidates:
    if _PLAIN.fullmatch(text):
        return (Decimal(text),)
    commas, points = text.count(","), text.count(".")
    if commas and points:
        return _with_both_marks(text)
    if commas + points > 1:
        mark = "," if commas else "."
        return (Decimal(text.replace(mark, "")),) if _THOUSANDS[mark].fullmatch(text) else ()
    if not _ONE_COMMA_DECIMAL.fullmatch(text):
        return ()
    as_decimal = Decimal(text.replace(",", "."))
    if not _ONE_COMMA_THOUSANDS.fullmatch(text):
        return (as_decimal,)
    return (as_decimal, Decimal(text.replace(",", "")))


def _with_both_marks(text: str) -> Candidates:
    """The last mark is the decimal mark, the other one groups thousands."""
    decimal_mark = max(",.", key=text.rfind)
    thousands_mark = "." if decimal_mark == "," else ","
    whole, _, fraction = text.rpartition(decimal_mark)
    if not _THOUSANDS[thousands_mark].fullmatch(whole) or not re.fullmatch("[0-9]+", fraction):
        return ()
    return (Decimal(f"{whole.replace(thousands_mark, '')}.{fraction}"),)


def prune(candidates: Mapping[str, Candidates], formulas: Sequence[Formula]) -> dict[str, Candidates]:
    """Remove the candidates of each field that satisfy none of its formulae.

    A formula that no combination satisfies is ignored. Fields with one remaining candidate are decided; with two,
    either both fit or none does. The formulae are evaluated again while that decides more fields.
    """
    pruned = dict(candidates)
    for _ in range(len(formulas)):
        before = dict(pruned)
        for formula in formulas:
            _prune_by(formula, pruned)
        if pruned == before:
            break
    return pruned


def _prune_by(formula: Formula, pruned: dict[str, Candidates]) -> None:
    if any(name not in pruned for name in formula.fields):
        return
    if all(len(pruned[name]) == 1 for name in formula.fields):
        return
    fits = fitting(formula, pruned)
    for position, name in enumerate(formula.fields):
        kept = {values[position] for values in fits}
        if kept:
            pruned[name] = tuple(value for value in pruned[name] if value in kept)


def fitting(formula: Formula, candidates: Mapping[str, Candidates]) -> list[tuple[Decimal, ...]]:
    """The combinations of candidates that satisfy a formula, in order of its fields."""
    return [
        values
        for values in combinations(*(candidates[name] for name in formula.fields))
        if formula.holds(dict(zip(formula.fields, values, strict=True)))
    ]


def as_text(number: Decimal) -> str:
    """The number as the standard writes it, without an exponent."""
    return format(number, "f")

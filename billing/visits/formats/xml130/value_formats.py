"""Warnings for readable values outside the format of their field: a point that groups thousands, a ratio.

Amounts have two decimals, quantities and unit prices three, ratios and levels are percentages. Such a value is read as
it is written and reported, since it may mean 1,000 or 100 times as much. A valid value of a field is never reported:
`231.525` is a unit price. Source: Decision 130/QĐ-BYT as amended, field conventions; docs/reference/xml130.md,
sections 3 and "Variants seen in the wild" (one point: decimal). XML 130 and JSON visits have the same checks.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from billing.visits.formats.xml130.numbers import Formula, as_text, fitting, is_plain

_AMOUNT_DECIMALS_MAX = 2

_AMOUNTS = frozenset(
    {
        *("THANH_TIEN_BV", "THANH_TIEN_BH", "T_TRANTT", "T_BNTT", "T_BNCCT", "T_BHTT", "T_NGUONKHAC"),
        *("T_NGUONKHAC_NSNN", "T_NGUONKHAC_VTNN", "T_NGUONKHAC_VTTN", "T_NGUONKHAC_CL"),
    }
)
_RATIOS = frozenset({"TYLE_TT_DV", "TYLE_TT_BH"})
_QUANTITY = "SO_LUONG"
_PRICES = frozenset({"DON_GIA", "DON_GIA_BV", "DON_GIA_BH"})
_CHARGES = ("THANH_TIEN_BV", "THANH_TIEN_BH")
_THOUSANDS = re.compile(r"-?[1-9][0-9]{0,2}\.[0-9]{3}")
_USUAL_PERCENTAGES = frozenset({"", "0", "30", "50", "80", "95", "100"})
_ONE = Decimal(1)
_HUNDRED = Decimal(100)


@dataclass(frozen=True, slots=True)
class ValueWarning:
    """A value outside the format of its field; `expected` states its possible meaning."""

    field: str
    found: str
    expected: str


def thousands_in(text: str) -> Decimal | None:
    """The number with its only point read as a thousands mark; None where that is not possible."""
    return Decimal(text.replace(".", "")) if _THOUSANDS.fullmatch(text) else None


def amount_warning(text: str) -> str:
    """The possible meaning of an amount with more than two decimals; empty where it is in its format.

    Trailing zeros (`50600.0000`) are allowed. Three decimals after one to three digits are not, zeros or not
    (`50.600`).
    """
    if "." not in text or not is_plain(text):
        return ""
    grouped = thousands_in(text)
    if grouped is not None:
        return f"{as_text(grouped)}, or {as_text(Decimal(text).normalize())} in two decimals"
    if len(text.partition(".")[2].rstrip("0")) > _AMOUNT_DECIMALS_MAX:
        return "an amount of two decimals"
    return ""


def percentage_warning(text: str, *, is_whole: bool) -> str:
    """The possible meaning of a ratio or level of at most 1, or above 100; empty for a percentage, 0 included.

    A whole percentage (TYLE_TT_DV, TYLE_TT_BH) is ambiguous only at 1: its field refuses a fraction.
    """
    if text in _USUAL_PERCENTAGES or not is_plain(text):
        return ""
    value = Decimal(text)
    if value == _ONE or (not is_whole and 0 < value < _ONE):
        return f"{as_text((value * _HUNDRED).normalize())}, a percentage"
    return "a percentage from 0 to 100" if not is_whole and not 0 <= value <= _HUNDRED else ""


def line_warnings(
    written: Mapping[str, str], formulas: Sequence[Formula], *, is_service: bool
) -> Iterator[ValueWarning]:
    """The values of one line outside their formats, by field of the standard; texts that are no number are ignored.

    `formulas` are those of the line's table. A unit price or quantity with three decimals is in its format, so the
    amounts of the line decide: it is reported where they fit it only with the point as a thousands mark, or where they
    are grouped in the same way. Without any amount, a price of a service that ends with a zero is reported (`50.600`):
    no service costs 50.6 đồng.
    """
    doubted: set[str] = set()
    for field, text in written.items():
        if field in _AMOUNTS:
            expected = amount_warning(text)
        elif field in _RATIOS:
            expected = percentage_warning(text, is_whole=True)
        else:
            expected = ""
        if expected:
            doubted.add(field)
            yield ValueWarning(field, text, expected)
    for field in (_QUANTITY, *sorted(_PRICES)):
        text = written.get(field, "")
        grouped = thousands_in(text)
        if grouped is not None and _is_grouped(field, written, formulas, doubted=doubted, is_service=is_service):
            yield ValueWarning(field, text, as_text(grouped))


def _is_grouped(
    field: str, written: Mapping[str, str], formulas: Sequence[Formula], *, doubted: set[str], is_service: bool
) -> bool:
    """Whether the point of a price or quantity groups thousands, by the amounts of its line."""
    judging = [
        formula
        for formula in formulas
        if formula.fields[0] in (("THANH_TIEN_BH",) if field == "DON_GIA_BH" else _CHARGES)
        and field in formula.fields
        and written.get(formula.fields[0])
        and Decimal(0) not in _values(formula.fields[0], written, doubted)
        and all(is_plain(written.get(name, "0")) for name in formula.fields)
    ]
    if not judging:
        has_amounts = any(written.get(name) for name in _CHARGES)
        return is_service and not has_amounts and field in _PRICES and written[field].endswith("0")
    as_decimal = {"decimal": (Decimal(written[field]),), "grouped": tuple(_grouped(written[field]))}
    fits = {
        reading: any(_fits(formula, field, values, written, doubted) for formula in judging)
        for reading, values in as_decimal.items()
    }
    return fits["grouped"] and not fits["decimal"]


def _fits(
    formula: Formula, field: str, values: tuple[Decimal, ...], written: Mapping[str, str], doubted: set[str]
) -> bool:
    candidates = {name: _values(name, written, doubted) for name in formula.fields}
    if field == _QUANTITY:
        candidates |= {
            name: (*candidates[name], *_grouped(written.get(name, ""))) for name in formula.fields if name in _PRICES
        }
    return bool(fitting(formula, {**candidates, field: values}))


def _values(field: str, written: Mapping[str, str], doubted: set[str]) -> tuple[Decimal, ...]:
    """The values of a field: an ambiguous amount has its grouped value, an absent field 0 in a sum or 100 as ratio."""
    text = written.get(field, "")
    if not is_plain(text):
        return (_HUNDRED if field in _RATIOS else Decimal(0),)
    grouped = thousands_in(text)
    return (grouped,) if field in doubted and grouped is not None else (Decimal(text),)


def _grouped(text: str) -> Iterator[Decimal]:
    grouped = thousands_in(text)
    if grouped is not None:
        yield grouped

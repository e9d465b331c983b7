"""Warnings for values of a JSON visit outside the format of their field, by the rules of `xml130.value_formats`.

For visits of clients; stored visits were checked when they were recorded.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal

from billing.core.text import is_garbled
from billing.visits.domain.finding import Finding, FindingCode
from billing.visits.formats.xml130.line_numbers import formulas_of, is_service
from billing.visits.formats.xml130.value_formats import ValueWarning, amount_warning, line_warnings, percentage_warning

_AMOUNTS_OF_INSURANCE = ("deductible", "limit")


def find_value_warnings(document: Mapping[str, object], *, file: str = "", hoso: int = 1) -> tuple[Finding, ...]:
    """List values that may mean 1,000 or 100 times as much (`format-differs`), and garbled names (`text-garbled`).

    `document` must be readable as a visit.
    """
    ma_lk = document.get("MA_LK")
    places: list[tuple[str, int | None, ValueWarning]] = [("", None, warning) for warning in _of_visit(document)]
    for line in _objects(document, "lines"):
        table, stt = str(line.get("table", "")), int(Decimal(_number_text(line.get("stt")) or 0))
        places += [(table, stt, warning) for warning in _of_line(table, line)]
    name = _name_of(document)
    if is_garbled(name):
        places.append(("", None, ValueWarning("patient.HO_TEN", name, "a name in UTF-8")))
    return tuple(
        Finding(
            code=FindingCode.TEXT_GARBLED if warning.field == "patient.HO_TEN" else FindingCode.FORMAT_DIFFERS,
            file=file,
            hoso=hoso,
            ma_lk=str(ma_lk or ""),
            table=table,
            stt=stt,
            field=warning.field,
            found=warning.found,
            expected=warning.expected,
        )
        for table, stt, warning in places
    )


def _name_of(document: Mapping[str, object]) -> str:
    patient = document.get("patient")
    return str(patient.get("HO_TEN") or "") if isinstance(patient, Mapping) else ""


def _of_line(table: str, line: Mapping[str, object]) -> Iterator[ValueWarning]:
    written = {key: text for key, value in line.items() if (text := _number_text(value))}
    yield from line_warnings(written, formulas_of(table), is_service=is_service(table, line))
    level = written.get("MUC_HUONG", "")
    if expected := percentage_warning(level, is_whole=False):
        yield ValueWarning("MUC_HUONG", level, expected)
    funds = line.get("NGUONKHAC")
    if isinstance(funds, Mapping):
        yield from _amounts(funds, "NGUONKHAC", ("NSNN", "VTNN", "VTTN", "CL"))


def _of_visit(document: Mapping[str, object]) -> Iterator[ValueWarning]:
    for place, paid in enumerate(_objects(document, "copay_history")):
        yield from _amounts(paid, f"copay_history[{place}]", ("amount", "tBNCCTLuyKe", "tBNCCTMCCT"))
    insurance = document.get("private_insurance")
    if isinstance(insurance, Mapping):
        yield from _amounts(insurance, "private_insurance", _AMOUNTS_OF_INSURANCE)
        share = _number_text(insurance.get("coinsurance_pct"))
        if expected := percentage_warning(share, is_whole=False):
            yield ValueWarning("private_insurance.coinsurance_pct", share, expected)


def _amounts(values: Mapping[str, object], path: str, keys: tuple[str, ...]) -> Iterator[ValueWarning]:
    for key in keys:
        text = _number_text(values.get(key))
        if expected := amount_warning(text):
            yield ValueWarning(f"{path}.{key}", text, expected)


def _objects(document: Mapping[str, object], key: str) -> Iterator[Mapping[str, object]]:
    values = document.get(key)
    if isinstance(values, list):
        yield from (value for value in values if isinstance(value, Mapping))


def _number_text(value: object) -> str:
    """A number as it was written; empty for a value that is no number."""
    if isinstance(value, str):
        return value
    if isinstance(value, Decimal) and -30 < value.adjusted() < 30:
        return format(value, "f")
    return str(value) if type(value) is int else ""

"""A quote as a table for people: each line, who pays what, and the reasons beneath with their legal sources.

Nothing is cut: names wrap, and where a window is too narrow for the amounts the table is wider than the window.
"""

import io
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from billing.coverage.domain.breakdown import breakdown, format_step
from billing.coverage.domain.explain import (
    Language,
    Notes,
    category_name,
    explain,
    find_rule,
    money_text,
    percent_text,
)
from billing.coverage.domain.price_result import AppliedRule, PricedLine, PricedVisit
from billing.coverage.service.quoting import Quote, QuotedVisit
from billing.visits.domain.finding import Finding, FindingCode
from billing.visits.domain.visit import Table as Lines

WIDTH_WITHOUT_TERMINAL = 160
_CONTENT_WIDTH_MIN = 12
_AMOUNT_WIDTH_MIN = 8
_NOTES_WIDTH_MAX = 8
_GAP = 2

_WORDS: Mapping[Language, Mapping[str, str]] = {
    Language.VIETNAMESE: {
        "visit": "Lượt khám chữa bệnh",
        "category_code": "Đối tượng",
        "number": "STT",
        "XML3": "Dịch vụ kỹ thuật, vật tư y tế",
        "XML2": "Thuốc",
        "content": "Nội dung",
        "hospital": "Thành tiền bệnh viện",
        "insured": "Thành tiền BHYT",
        "level": "Mức hưởng",
        "fund": "Quỹ BHYT",
        "copay": "Người bệnh cùng chi trả",
        "other": "Khác",
        "self_pay": "Người bệnh tự trả",
        "breakdown": "Cách tính",
        "XML3_short": "DV",
        "XML2_short": "Thuốc",
        "why": "Vì sao",
        "total": "Tổng cộng",
        "patient_pays": "Người bệnh phải trả",
        "private_insurer": "Bảo hiểm tư nhân trả",
        "guarantor": "{name} bảo lãnh trả",
        "after_private": "Người bệnh còn phải trả",
        "findings": "Lưu ý",
        "not_supported": "chưa tính được vì thiếu dữ kiện của quy tắc này",
        "no_visits": "Không có lượt khám nào tính được.",
        "found": "ghi",
        "expected": "cần",
        "unverified": "cách áp dụng chưa đối chiếu với văn bản gốc",
        "partly": "cách áp dụng mới đối chiếu một phần với văn bản gốc",
    },
    Language.ENGLISH: {
        "visit": "Visit",
        "category_code": "Object code",
        "number": "No.",
        "XML3": "Services and supplies",
        "XML2": "Drugs",
        "content": "Item",
        "hospital": "Hospital amount",
        "insured": "Amount in scope",
        "level": "Level",
        "fund": "Fund pays",
        "copay": "Co-payment",
        "other": "Other funds",
        "self_pay": "Self-pay",
        "breakdown": "Calculation",
        "XML3_short": "Service",
        "XML2_short": "Drug",
        "why": "Why",
        "total": "Total",
        "patient_pays": "The patient pays",
        "private_insurer": "Private insurer pays",
        "guarantor": "{name} has guaranteed",
        "after_private": "The patient pays after it",
        "findings": "Findings",
        "not_supported": "not priced: a fact this rule decides by is missing",
        "no_visits": "No visit could be priced.",
        "found": "found",
        "expected": "expected",
        "unverified": "application not checked against the original text",
        "partly": "application partly checked against the original text",
    },
}

_COLUMN_OF = {
    "THANH_TIEN_BV": "hospital",
    "THANH_TIEN_BH": "insured",
    "T_BHTT": "fund",
    "T_BNCCT": "copay",
    "T_BNTT": "self_pay",
}


def render_quote(file: str, quote: Quote, language: Language, *, is_terminal: bool) -> str:
    """The text of one file's quote; `COLUMNS` or the terminal gives the width, else 160 columns."""
    words = _WORDS[language]
    width = shutil.get_terminal_size((WIDTH_WITHOUT_TERMINAL, 50)).columns
    output = io.StringIO()
    console = Console(file=output, width=width, force_terminal=is_terminal, markup=False, highlight=False, emoji=False)
    console.print(Text(_printable(file), style="bold"))
    if not quote.visits:
        console.print(words["no_visits"])
    for quoted in quote.visits:
        _print_visit(console, quoted, language)
    if quote.findings:
        console.print(f"\n{words['findings']}:")
        for finding in quote.findings:
            console.print(Padding(_finding_text(finding, language), (0, 0, 0, 2)))
    console.print()
    return "".join(f"{line.rstrip()}\n" for line in output.getvalue().splitlines())


def _print_visit(console: Console, quoted: QuotedVisit, language: Language) -> None:
    words, visit, priced = _WORDS[language], quoted.visit, quoted.priced
    code = visit.category_code
    name = category_name(code, language)
    came = f"{_printable(code)} – {name}" if name else _printable(code)
    console.print()
    console.print(f"{words['visit']} {_printable(visit.ma_lk)} · {words['category_code']} {came}")
    notes = Notes()
    notes.numbers(priced.reasons)
    table, width = _table(priced, notes, language, width=console.width)
    window, console.width = console.width, width
    console.print(table)
    console.width = window
    console.print(Text(f"{words['patient_pays']}: {money_text(priced.patient_share)}", style="bold"))
    if priced.private_insurer is not None:
        payer = (
            words["guarantor"].format(name=_printable(priced.guarantor))
            if priced.guarantor
            else words["private_insurer"]
        )
        console.print(f"{payer}: {money_text(priced.private_insurer)}")
        console.print(Text(f"{words['after_private']}: {money_text(priced.patient_after_private)}", style="bold"))
    _print_arithmetic(console, priced, language)
    console.print(f"{words['why']}:")
    for number, reason in enumerate(notes.reasons, start=1):
        console.print(_note(number, reason, language))


def _print_arithmetic(console: Console, priced: PricedVisit, language: Language) -> None:
    """The breakdown of each amount of each line, without amounts that are in scope as charged."""
    words = _WORDS[language]
    lines = [(line, steps) for line in _printed_lines(priced) if (steps := breakdown(line))]
    if lines:
        console.print(f"{words['breakdown']}:")
    for line, steps in lines:
        charged = replace(steps[0], field="THANH_TIEN_BH")
        sums = [
            f"{words[_COLUMN_OF[step.field]]}: {format_step(step, language)} = {_amount(step.amount)}"
            for step in steps
            if step.field in _COLUMN_OF and step != charged
        ]
        console.print(_numbered(f"{words[f'{line.item.table}_short']} {line.item.number}", "; ".join(sums)))


def _table(priced: PricedVisit, notes: Notes, language: Language, *, width: int) -> tuple[Table, int]:
    """The lines of a visit and how wide they are at least: `width`, or more where the amounts need it."""
    columns = _columns(priced, notes, language)
    fixed = sum(column.width + _GAP for column in columns if column is not columns[1])
    content = columns[1]
    lines, words = _printed_lines(priced), _WORDS[language]
    longest = max(content.longest, *(len(words[line.item.table]) for line in lines)) if lines else content.longest
    content.width = max(_CONTENT_WIDTH_MIN, min(longest, width - fixed - _GAP))
    table = Table(box=box.SIMPLE_HEAD, show_footer=True, show_edge=False, padding=(0, 1, 0, 0))
    for column in columns:
        table.add_column(
            column.header, column.footer, width=column.width, justify=column.justify, overflow="fold", vertical="top"
        )
    group = None
    for line, cells in zip(lines, zip(*(column.cells for column in columns), strict=True), strict=True):
        if line.item.table is not group:
            group = line.item.table
            table.add_row("", words[group], style="bold")
        table.add_row(*cells)
    return table, max(width, fixed + content.width + _GAP)


def _printed_lines(priced: PricedVisit) -> list[PricedLine]:
    """Services and supplies, then drugs, each by its number: numbers restart in every table."""
    return sorted(priced.lines, key=lambda line: (line.item.table is not Lines.SERVICES, line.item.number))


@dataclass(slots=True)
class _Column:
    """One column as texts; amounts are never wrapped, so its width is at least the longest of them."""

    header: str
    cells: list[str]
    footer: str = ""
    justify: Literal["left", "right"] = "left"
    width: int = 0

    @property
    def longest(self) -> int:
        return max(len(text) for text in (self.header, self.footer, *self.cells))


def _columns(priced: PricedVisit, notes: Notes, language: Language) -> list[_Column]:
    words, lines = _WORDS[language], _printed_lines(priced)
    number = _Column(words["number"], [str(line.item.number) for line in lines])
    number.width = number.longest
    content = _Column(
        words["content"], [_printable(line.item.name or line.item.code) for line in lines], words["total"]
    )
    why = _Column(words["why"], [_marks(notes.numbers(line.reasons)) for line in lines])
    why.width = min(why.longest, _NOTES_WIDTH_MAX)
    levels = [percent_text(line.level, language) if line.insured_amount else "" for line in lines]
    amounts = [
        _amounts(words["hospital"], [line.hospital_amount for line in lines], priced.hospital_amount),
        _amounts(words["insured"], [line.insured_amount for line in lines], priced.insured_amount),
        _right(words["level"], levels, ""),
        _amounts(words["fund"], [line.fund for line in lines], priced.fund),
        _amounts(words["copay"], [line.copay for line in lines], priced.copay),
    ]
    if priced.other_funds:
        amounts.append(_amounts(words["other"], [line.other_funds for line in lines], priced.other_funds))
    amounts.append(_amounts(words["self_pay"], [line.self_pay for line in lines], priced.self_pay))
    return [number, content, *amounts, why]


def _amounts(header: str, amounts: Sequence[Decimal], whole: Decimal) -> _Column:
    return _right(header, [_amount(amount) for amount in amounts], _amount(whole))


def _right(header: str, cells: list[str], footer: str) -> _Column:
    column = _Column(header, cells, footer, "right")
    column.width = max(_AMOUNT_WIDTH_MIN, *(len(text) for text in (*header.split(), *cells, footer)))
    return column


def _note(number: int, reason: AppliedRule, language: Language) -> Table:
    words = _WORDS[language]
    explanation = explain(reason, language)
    period = f"; {explanation.period}" if explanation.period else ""
    status = f"; {words[explanation.status]}" if explanation.status in words else ""
    return _numbered(
        f"({number})",
        f"{_printable(explanation.sentence)} [{explanation.rule}: {explanation.citation}{period}{status}]",
    )


def _numbered(mark: str, text: str) -> Table:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True, min_width=5)
    grid.add_column(overflow="fold")
    grid.add_row(f"  {mark}", text)
    return grid


def _marks(numbers: Iterable[int]) -> str:
    return " ".join(f"({number + 1})" for number in numbers)


def _finding_text(finding: Finding, language: Language) -> Text:
    words = _WORDS[language]
    where = " ".join(
        str(part) for part in (finding.ma_lk, finding.table, finding.stt, finding.field) if part not in (None, "")
    )
    if finding.code is FindingCode.NOT_SUPPORTED:
        rule = find_rule(finding.expected)
        details = f"{words['not_supported']}: {rule.titles[language]} [{rule.id}: {rule.citations[language]}]"
        return Text(_printable(f"{finding.code.value} · {where} {finding.found} · {details}"))
    values = (("found", finding.found), ("expected", finding.expected))
    details = ", ".join(f"{words[name]} {value}" for name, value in values if value)
    return Text(_printable(" · ".join(part for part in (finding.code.value, where, details) if part)))


def _amount(amount: Decimal) -> str:
    return money_text(amount).removesuffix(" đ")


def _printable(text: str) -> str:
    """Text without control characters: a file must not move the cursor of the terminal."""
    return "".join(character if character.isprintable() else " " for character in text)

"""A quote as a table for people: each line, who pays what, and the reasons beneath with their legal sources.

Nothing is cut: names fold, and where a window is too narrow for the amounts the table is wider than the window.
"""

import io
import shutil
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from billing.domain.coverage.explain import (
    Language,
    explain,
    find_rule,
    money_text,
    object_code_name,
    percent_text,
)
from billing.domain.coverage.priced import PricedLine, PricedVisit, Reason
from billing.domain.finding import Finding, FindingCode
from billing.domain.money import total
from billing.services.quoting import Quote, QuotedVisit

WIDTH_WITHOUT_TERMINAL = 160

_WORDS: Mapping[Language, Mapping[str, str]] = {
    Language.VIETNAMESE: {
        "visit": "Lượt khám chữa bệnh",
        "object_code": "Đối tượng",
        "number": "STT",
        "content": "Nội dung",
        "hospital": "Thành tiền bệnh viện",
        "insured": "Thành tiền BHYT",
        "level": "Mức hưởng",
        "fund": "Quỹ BHYT",
        "copay": "Người bệnh cùng chi trả",
        "other": "Khác",
        "self_pay": "Người bệnh tự trả",
        "why": "Vì sao",
        "total": "Tổng cộng",
        "patient_pays": "Người bệnh phải trả",
        "findings": "Lưu ý",
        "not_supported": "chưa tính được vì quy tắc này chưa có",
        "no_visits": "Không có lượt khám nào tính được.",
        "found": "ghi",
        "expected": "cần",
        "unverified": "cách áp dụng chưa đối chiếu với văn bản gốc",
        "partly": "cách áp dụng mới đối chiếu một phần với văn bản gốc",
    },
    Language.ENGLISH: {
        "visit": "Visit",
        "object_code": "Object code",
        "number": "No.",
        "content": "Item",
        "hospital": "Hospital amount",
        "insured": "Amount in scope",
        "level": "Level",
        "fund": "Fund pays",
        "copay": "Co-payment",
        "other": "Other funds",
        "self_pay": "Self-pay",
        "why": "Why",
        "total": "Total",
        "patient_pays": "The patient pays",
        "findings": "Findings",
        "not_supported": "not priced: this rule is not built yet",
        "no_visits": "No visit could be priced.",
        "found": "found",
        "expected": "expected",
        "unverified": "application not checked against the original text",
        "partly": "application partly checked against the original text",
    },
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
    code = visit.object_code
    name = object_code_name(code, language)
    console.print()
    console.print(f"{words['visit']} {_printable(visit.ma_lk)} · {words['object_code']} {_printable(code)} – {name}")
    notes = _Notes(priced)
    table = _table(priced, notes, language)
    needed = Measurement.get(console, console.options, table).minimum
    console.print(table, width=max(console.width, needed), crop=False, no_wrap=False)
    console.print(Text(f"{words['patient_pays']}: {money_text(priced.shares.patient)}", style="bold"))
    console.print(f"{words['why']}:")
    for number, reason in enumerate(notes.reasons, start=1):
        console.print(_note(number, reason, language))


class _Notes:
    """The different reasons of a visit in order, each with the number its lines refer to."""

    def __init__(self, priced: PricedVisit) -> None:
        self.reasons: list[Reason] = []
        for reason in (*priced.reasons, *(reason for line in priced.lines for reason in line.reasons)):
            if reason not in self.reasons:
                self.reasons.append(reason)

    def numbers(self, reasons: Iterable[Reason]) -> str:
        return " ".join(f"({self.reasons.index(reason) + 1})" for reason in reasons)


def _table(priced: PricedVisit, notes: _Notes, language: Language) -> Table:
    words = _WORDS[language]
    has_other = any(line.other_funds for line in priced.lines)
    table = Table(box=box.SIMPLE_HEAD, show_footer=True, padding=(0, 1), collapse_padding=True, pad_edge=False)
    table.add_column(words["number"], no_wrap=True)
    table.add_column(words["content"], words["total"], overflow="fold", min_width=12, ratio=1)
    totals = (priced.hospital_amount, priced.insured_amount, None, priced.fund, priced.copay)
    _add_amounts(table, ("hospital", "insured", "level", "fund", "copay"), totals, words)
    if has_other:
        _add_amounts(table, ("other",), (priced.other_funds,), words)
    _add_amounts(table, ("self_pay",), (priced.self_pay,), words)
    table.add_column(words["why"], no_wrap=False)
    for line in priced.lines:
        table.add_row(*_cells(line, notes, language, has_other=has_other))
    return table


def _add_amounts(
    table: Table, names: Sequence[str], totals: Sequence[Decimal | None], words: Mapping[str, str]
) -> None:
    for name, amount in zip(names, totals, strict=True):
        footer = "" if amount is None else _amount(amount)
        table.add_column(words[name], footer, justify="right", min_width=len(footer))


def _cells(line: PricedLine, notes: _Notes, language: Language, *, has_other: bool) -> list[Text]:
    amounts = [
        _amount(line.hospital_amount),
        _amount(line.insured_amount),
        percent_text(line.level, language) if line.insured_amount else "",
        _amount(line.fund),
        _amount(line.copay),
        *([_amount(line.other_funds)] if has_other else []),
        _amount(line.self_pay),
    ]
    name = _printable(line.item.name or line.item.code)
    return [
        Text(str(line.item.number)),
        Text(name),
        *(Text(amount, no_wrap=True) for amount in amounts),
        Text(notes.numbers(line.reasons)),
    ]


def _note(number: int, reason: Reason, language: Language) -> Table:
    words = _WORDS[language]
    told = explain(reason, language)
    doubt = f"; {words[told.status]}" if told.status in words else ""
    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True, min_width=5)
    grid.add_column(overflow="fold")
    grid.add_row(f"  ({number})", f"{_printable(told.sentence)} [{told.rule}: {told.citation}{doubt}]")
    return grid


def _finding_text(finding: Finding, language: Language) -> Text:
    words = _WORDS[language]
    where = " ".join(
        str(part) for part in (finding.ma_lk, finding.table, finding.stt, finding.field) if part not in (None, "")
    )
    if finding.code is FindingCode.NOT_SUPPORTED:
        rule = find_rule(finding.expected)
        said = f"{words['not_supported']}: {rule.titles[language]} [{rule.id}: {rule.citations[language]}]"
        return Text(_printable(f"{finding.code.value} · {where} {finding.found} · {said}"))
    values = (("found", finding.found), ("expected", finding.expected))
    said = ", ".join(f"{words[name]} {value}" for name, value in values if value)
    return Text(_printable(" · ".join(part for part in (finding.code.value, where, said) if part)))


def _amount(amount: Decimal) -> str:
    return money_text(total((amount,))).removesuffix(" đ")


def _printable(text: str) -> str:
    """Text without control characters: a file must not move the cursor of whoever looks at it."""
    return "".join(character if character.isprintable() else " " for character in text)

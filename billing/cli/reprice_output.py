"""Outputs of `vienphi reprice`: text for people, JSON lines for programs, rows for spreadsheets.

Each change is written at once and none is kept, so that memory does not grow over a long period.
"""

import csv
import json
from collections.abc import Mapping, Sequence
from typing import Protocol, TextIO

import click

from billing import __version__
from billing.core.ids import OrganizationId
from billing.core.money import Shares
from billing.coverage.domain.explain import plain_number
from billing.invoices.domain.invoice_diff import Amounts, InvoiceDiff, RepricedLine, Totals

INVOICES_SHOWN = 20
_LINES_SHOWN = 5
_PAYERS = (
    ("patient", "the patient"),
    ("insurer", "the fund"),
    ("other", "other payers"),
    ("private", "private insurers"),
)
_KEY = ("organization", "invoice", "visit", "code_version", "running_version")
_FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")


class Output(Protocol):
    """One form of output."""

    def write(self, organization_id: OrganizationId, change: InvoiceDiff) -> None:
        """Write one invoice whose amounts changed."""

    def end(self, totals: Totals) -> None:
        """Write the sums."""


class TextOutput:
    """For people: the first changes, and a closing line or a table of who pays what."""

    def __init__(self, *, is_draft: bool) -> None:
        self._is_draft = is_draft
        self._written = 0

    def write(self, organization_id: OrganizationId, change: InvoiceDiff) -> None:
        self._written += 1
        if self._written > INVOICES_SHOWN:
            return
        head = "WOULD CHANGE" if self._is_draft else "DIFFERS"
        versions = f"issued by {change.code_version or 'an unknown version'}, now {__version__}"
        click.echo(
            f"{head} organization {organization_id}, invoice {change.number} ({versions}): {_invoice_text(change)}"
        )
        for line in change.lines[:_LINES_SHOWN]:
            click.echo(f"      {_line_text(line)}")
        if len(change.lines) > _LINES_SHOWN:
            click.echo(f"      and {len(change.lines) - _LINES_SHOWN} more lines")

    def end(self, totals: Totals) -> None:
        if self._written > INVOICES_SHOWN:
            click.echo(f"and {self._written - INVOICES_SHOWN} more; use --lines-csv, --visits-csv or --json for all")
        if not self._is_draft:
            differing = totals.changed + totals.refused
            verdict = "every issued invoice recomputes to itself" if not differing else f"{differing} INVOICES DIFFER"
            click.echo(f"{verdict}: {totals.invoices} invoices, code {__version__}")
            return
        click.echo(
            f"{totals.invoices} visits: {totals.changed} would change in {totals.lines_changed} lines; the patient"
            f" would pay more in {totals.patient_more} and less in {totals.patient_less};"
            f" {totals.refused} have no price"
        )
        click.echo(f"{'':14} {'issued':>20} {'under the draft':>20} {'difference':>20}")
        for payer, name in _PAYERS:
            issued, now = getattr(totals.issued, payer), getattr(totals.now, payer)
            click.echo(f"{name:14} {_dong(issued):>20} {_dong(now):>20} {_signed(now - issued):>20}")
        difference = totals.now.total - totals.issued.total
        click.echo(
            f"{'all':14} {_dong(totals.issued.total):>20} {_dong(totals.now.total):>20} {_signed(difference):>20}"
        )


class JsonLines:
    """For programs: one object for each changed invoice, the last with the sums."""

    def write(self, organization_id: OrganizationId, change: InvoiceDiff) -> None:
        refusal = change.refusal
        _echo_json(
            {
                "organization": organization_id,
                "invoice": change.number,
                "visit": change.ma_lk,
                "code_version": change.code_version,
                "running_version": __version__,
                "issued": _shares(change.issued),
                "now": None if change.now is None else _shares(change.now),
                "refusal": None
                if refusal is None
                else {"code": refusal.code, "detail": refusal.detail, "rule": refusal.rule},
                "lines": [_line(line) for line in change.lines],
            }
        )

    def end(self, totals: Totals) -> None:
        _echo_json(
            {
                "invoices": totals.invoices,
                "changed": totals.changed,
                "refused": totals.refused,
                "lines_changed": totals.lines_changed,
                "patient_more": totals.patient_more,
                "patient_less": totals.patient_less,
                "issued": _shares(totals.issued),
                "now": _shares(totals.now),
                "running_version": __version__,
            }
        )


class LineRows:
    """For spreadsheets: every changed line, amounts with two decimals."""

    def __init__(self, stream: TextIO) -> None:
        self._rows = csv.writer(stream)
        amounts = [f"{side}_{name}" for side in ("issued", "now") for name in Amounts._fields]
        key = [*_KEY, "table", "stt", "code", "name"]
        self._rows.writerow([*key, *amounts, "issued_rules", "now_rules"])

    def write(self, organization_id: OrganizationId, change: InvoiceDiff) -> None:
        for line in change.lines:
            key = [organization_id, change.number, change.ma_lk, change.code_version, __version__]
            item = [line.table.value, line.number, line.code, line.name]
            amounts = [*_cells(line.issued), *_cells(line.now)]
            rules = [" ".join(line.issued_rules), " ".join(line.rules)]
            self._rows.writerow([_inert(cell) for cell in (*key, *item)] + amounts + rules)

    def end(self, totals: Totals) -> None:
        """Rows carry no sums: a spreadsheet makes its own."""


class InvoiceRows:
    """For spreadsheets: every changed invoice in whole đồng, or the reason why it has no price."""

    def __init__(self, stream: TextIO) -> None:
        self._rows = csv.writer(stream)
        amounts = [f"{side}_{payer}" for side in ("issued", "now") for payer, _ in _PAYERS]
        self._rows.writerow([*_KEY, *amounts, "patient_difference", "rule", "refusal"])

    def write(self, organization_id: OrganizationId, change: InvoiceDiff) -> None:
        key = [organization_id, change.number, change.ma_lk, change.code_version, __version__]
        issued = [getattr(change.issued, payer) for payer, _ in _PAYERS]
        now = ["" if change.now is None else getattr(change.now, payer) for payer, _ in _PAYERS]
        difference = "" if change.now is None else change.now.patient - change.issued.patient
        refusal = ["", ""] if change.refusal is None else [change.refusal.rule, change.refusal.detail]
        self._rows.writerow([*(_inert(cell) for cell in key), *issued, *now, difference, *map(_inert, refusal)])

    def end(self, totals: Totals) -> None:
        """Rows carry no sums: a spreadsheet makes its own."""


def _invoice_text(change: InvoiceDiff) -> str:
    if change.now is None:
        assert change.refusal is not None, "an invoice without a price has a reason"
        rule = f" [{change.refusal.rule}]" if change.refusal.rule else ""
        return f"no price now: {change.refusal.detail}{rule}"
    parts = [
        f"{name} {_dong(getattr(change.issued, payer))} → {_dong(getattr(change.now, payer))} đ"
        for payer, name in _PAYERS
        if getattr(change.issued, payer) != getattr(change.now, payer)
    ]
    return ", ".join(parts) or "the same shares by other lines"


def _line_text(line: RepricedLine) -> str:
    head = f"{line.table.value}/{line.number} {_printable(line.name or line.code)}"
    if line.issued is None or line.now is None:
        return f"{head}: {'was not there' if line.issued is None else 'is gone'}"
    pairs = zip(Amounts._fields, line.issued, line.now, strict=True)
    parts = [f"{name} {plain_number(old)} → {plain_number(new)}" for name, old, new in pairs if old != new]
    rules = " ".join(line.rules)
    before = "" if line.rules == line.issued_rules else f", before by {' '.join(line.issued_rules) or 'none'}"
    return f"{head}: {', '.join(parts)} by {rules or 'no rule'}{before}"


def _line(line: RepricedLine) -> Mapping[str, object]:
    return {
        "table": line.table.value,
        "stt": line.number,
        "code": line.code,
        "name": line.name,
        "issued": _amounts(line.issued),
        "now": _amounts(line.now),
        "issued_rules": list(line.issued_rules),
        "rules": list(line.rules),
    }


def _amounts(amounts: Amounts | None) -> Mapping[str, str] | None:
    return None if amounts is None else {name: format(value, "f") for name, value in amounts._asdict().items()}


def _cells(amounts: Amounts | None) -> Sequence[str]:
    return [""] * len(Amounts._fields) if amounts is None else [format(value, "f") for value in amounts]


def _shares(shares: Shares) -> Mapping[str, int]:
    return {payer: getattr(shares, payer) for payer, _ in _PAYERS}


def _echo_json(document: Mapping[str, object]) -> None:
    click.echo(json.dumps(document, ensure_ascii=False))


def _inert(cell: object) -> object:
    """A text of somebody else's that a spreadsheet would take for a formula, made plain text."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA_SIGNS) else cell


def _printable(text: str) -> str:
    return "".join(sign if sign.isprintable() else "·" for sign in text)


def _signed(amount: int) -> str:
    return "0" if amount == 0 else f"{'+' if amount > 0 else '−'}{_dong(abs(amount))}"


def _dong(amount: int) -> str:
    return f"{amount:,}".replace(",", ".")

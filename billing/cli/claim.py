"""`vienphi claim`: is a visit ready to be claimed? Needs no database; nothing is written or sent."""

import io
import json
import shutil
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from billing.claims.domain.claim import ClaimCheck, ClaimFinding, FileCheck, Severity
from billing.claims.formats.claim_json import check_json
from billing.claims.formats.disease_annexes import read_annexes
from billing.claims.service.check_files import check_file, claim_context_of
from billing.cli.claim_export import export
from billing.cli.files import read_file
from billing.cli.memory import memory_limited
from billing.cli.numbers import ORGANIZATION_NUMBER
from billing.cli.owner import run_claim_setup
from billing.cli.policy_option import policy_option
from billing.core.clock import VIETNAM
from billing.core.ids import OrganizationId
from billing.coverage.domain.annexes import NO_ANNEXES, Annex, Annexes
from billing.coverage.domain.explain import Language, explain
from billing.coverage.domain.parameters import load_parameters
from billing.coverage.domain.policy import Policy
from billing.visits.formats.visit_facts_json import SuppliedFacts, read_supplied_facts

WIDTH_WITHOUT_TERMINAL = 140

_WORDS: Mapping[Language, Mapping[str, str]] = {
    Language.VIETNAMESE: {
        "visit": "Lượt khám chữa bệnh",
        "open": "chưa kết thúc",
        "ready": "đủ điều kiện đề nghị thanh toán",
        "not_ready": "chưa đủ điều kiện đề nghị thanh toán",
        "error": "Lỗi",
        "warning": "Cảnh báo",
        "information": "Thông tin",
        "where": "Vị trí",
        "found": "Hồ sơ ghi",
        "expected": "Phải là",
        "why": "Vì sao",
        "file": "Tệp",
        "nothing": "Không có lượt khám nào đọc được.",
        "clean": "Không phát hiện gì.",
        "counts": "{error} lỗi, {warning} cảnh báo, {information} thông tin",
    },
    Language.ENGLISH: {
        "visit": "Visit",
        "open": "still open",
        "ready": "ready to be claimed",
        "not_ready": "not ready to be claimed",
        "error": "Error",
        "warning": "Warning",
        "information": "Information",
        "where": "Where",
        "found": "Found",
        "expected": "Expected",
        "why": "Why",
        "file": "File",
        "nothing": "No visit could be read.",
        "clean": "Nothing found.",
        "counts": "{error} errors, {warning} warnings, {information} notes",
    },
}


@click.group()
def claim() -> None:
    """Check visits before they are claimed from the insurer, and write what is claimed."""


claim.add_command(export)


@claim.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
@click.option(
    "--facts",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JSON of facts that no table contains.",
)
@click.option("--annexes", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="CSV of disease annexes.")
@click.option("--today", type=click.DateTime(["%Y-%m-%d"]), help="Day the deadline is judged on. [default: today]")
@click.option(
    "--lang",
    type=click.Choice([language.value for language in Language]),
    default=Language.VIETNAMESE.value,
    show_default=True,
    help="Language of the sentences.",
)
@policy_option
def check(
    file: Path,
    *,
    as_json: bool,
    facts: Path | None,
    annexes: Path | None,
    today: datetime | None,
    lang: str,
    policy: Policy,
) -> None:
    """List what stands against claiming the visits of FILE (XML 130 or bhyt-case/1).

    Exit status 1 if there is an error, or nothing could be read.
    """
    supplied = SuppliedFacts() if facts is None else read_supplied_facts(read_file(facts))
    claim_context = claim_context_of(
        supplied=supplied,
        annexes=NO_ANNEXES if annexes is None else read_annexes(read_file(annexes)),
        parameters=load_parameters(),
        policy=policy,
        today=(today or datetime.now(VIETNAM)).date(),
    )
    with memory_limited():
        checked = check_file(
            read_file(file), file=click.format_filename(file), supplied=supplied, claim_context=claim_context
        )
    language = Language(lang)
    text = json.dumps(check_json(checked, language), ensure_ascii=False) if as_json else _render(checked, language)
    click.echo(text)
    if checked.count(Severity.ERROR) or not checked.checks:
        raise SystemExit(1)


@claim.command("check-annexes")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def check_annexes(file: Path) -> None:
    """Read a CSV of disease annexes and count its rows; every bad row is named by its line."""
    annexes = read_annexes(read_file(file))
    click.echo(f"{click.format_filename(file)}: {_counted(annexes)}")


@claim.command("import-annexes")
@click.option("--organization", "number", type=ORGANIZATION_NUMBER, required=True)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.pass_obj
def import_annexes(config: Path | None, *, number: int, file: Path) -> None:
    """Take a CSV of disease annexes for an organization's claims; it counts whole, or nothing of it is taken."""
    content = read_file(file)
    annexes = run_claim_setup(config, lambda setup: setup.import_annexes(OrganizationId(number), content))
    click.echo(f"{click.format_filename(file)}: {_counted(annexes)}")


def _counted(annexes: Annexes) -> str:
    counts = {annex: sum(row.annex is annex for row in annexes.rows) for annex in Annex}
    return ", ".join(f"annex {annex.value}: {count} rows" for annex, count in counts.items())


def _render(checked: FileCheck, language: Language) -> str:
    words = _WORDS[language]
    width = shutil.get_terminal_size((WIDTH_WITHOUT_TERMINAL, 50)).columns
    output = io.StringIO()
    console = Console(
        file=output, width=width, force_terminal=sys.stdout.isatty(), markup=False, highlight=False, emoji=False
    )
    if checked.findings:
        console.print(Text(words["file"], style="bold"))
        console.print(_table(checked.findings, language))
    if not checked.checks:
        console.print(words["nothing"])
    for one in checked.checks:
        console.print(Text(_heading(one, words), style="bold"))
        console.print(_table(one.findings, language) if one.findings else words["clean"])
        console.print()
    console.print(words["counts"].format(**{severity.value: checked.count(severity) for severity in Severity}))
    return "\n".join(line.rstrip() for line in output.getvalue().splitlines())


def _heading(one: ClaimCheck, words: Mapping[str, str]) -> str:
    state = words["open"] if one.is_open else words["ready" if one.is_ready else "not_ready"]
    return f"{words['visit']} {_printable(one.ma_lk)}: {state}"


def _table(findings: tuple[ClaimFinding, ...], language: Language) -> Table:
    words = _WORDS[language]
    table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False)
    for header in ("", words["where"], words["found"], words["expected"], words["why"]):
        table.add_column(header, overflow="fold")
    for one in findings:
        finding, supplied = one.finding, explain(one.reason, language)
        where = " ".join(str(part) for part in (finding.table, finding.stt, finding.field) if part not in (None, ""))
        cells = (
            words[one.severity.value],
            where,
            finding.found,
            finding.expected,
            f"{supplied.sentence} [{supplied.rule}]",
        )
        table.add_row(*(Text(_printable(cell)) for cell in cells))
    return table


def _printable(text: str) -> str:
    """Text without control characters: a file must not move the cursor of the terminal."""
    return "".join(character if character.isprintable() else " " for character in text)

"""The table of `vienphi quote --what-if`: what the patient pays by each lawful route, side by side."""

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

from billing.claims.formats.claim_json import compare_json
from billing.claims.formats.disease_annexes import read_annexes
from billing.claims.service.check_files import claim_context_of, compare_file
from billing.cli.files import read_file
from billing.cli.memory import memory_limited
from billing.core.clock import VIETNAM
from billing.coverage.domain.annexes import NO_ANNEXES
from billing.coverage.domain.explain import Language, category_name, fact_names, find_rule, money_text
from billing.coverage.domain.parameters import load_parameters
from billing.coverage.domain.policy import Policy
from billing.coverage.domain.what_if import ComparedFile, RouteOption, WhatIf
from billing.visits.formats.visit_facts_json import SuppliedFacts, read_supplied_facts

WIDTH_WITHOUT_TERMINAL = 140

_WORDS: Mapping[Language, Mapping[str, str]] = {
    Language.VIETNAMESE: {
        "visit": "Lượt khám chữa bệnh",
        "code": "Đối tượng",
        "patient": "Người bệnh trả",
        "insurer": "Quỹ BHYT trả",
        "status": "Điều kiện",
        "fits": "phù hợp",
        "open": "nếu xác nhận được: {facts}",
        "needs_paper": "nếu có: {facts}",
        "stated": "hồ sơ ghi",
        "chosen": "theo dữ kiện",
        "not_built": "chưa tính được: {rule}",
        "no_price": "không tính được",
        "not_lawful": "Hồ sơ ghi đối tượng {code}: không khớp dữ kiện.",
        "none": "Không có tuyến nào để so sánh.",
        "no_visits": "Không có lượt khám nào đọc được.",
    },
    Language.ENGLISH: {
        "visit": "Visit",
        "code": "Object code",
        "patient": "The patient pays",
        "insurer": "The fund pays",
        "status": "Condition",
        "fits": "fits",
        "open": "if confirmed: {facts}",
        "needs_paper": "if there is: {facts}",
        "stated": "as stated",
        "chosen": "by the facts",
        "not_built": "not priced: {rule}",
        "no_price": "no price",
        "not_lawful": "The file states object code {code}: it does not fit the facts.",
        "none": "There is no route to compare.",
        "no_visits": "No visit could be read.",
    },
}


def print_routes(
    files: tuple[str, ...],
    *,
    facts: Path | None,
    annexes: Path | None,
    policy: Policy,
    language: Language,
    as_table: bool,
) -> None:
    """Print the routes of each file: one line of JSON, or a table; status 1 if no visit of any file was read."""
    supplied = SuppliedFacts() if facts is None else read_supplied_facts(read_file(facts))
    claim_context = claim_context_of(
        supplied=supplied,
        annexes=NO_ANNEXES if annexes is None else read_annexes(read_file(annexes)),
        parameters=load_parameters(),
        policy=policy,
        today=datetime.now(VIETNAM).date(),
    )
    has_visit = False
    for file in files:
        path = Path(file)
        if not path.is_file():
            raise click.ClickException(f"{click.format_filename(file)} is no file")
        with memory_limited():
            compared = compare_file(
                read_file(path), file=click.format_filename(file), supplied=supplied, claim_context=claim_context
            )
        has_visit = has_visit or bool(compared.visits)
        click.echo(
            _render(compared, language)
            if as_table
            else json.dumps(compare_json(compared, language), ensure_ascii=False)
        )
    if not has_visit:
        raise SystemExit(1)


def _render(compared: ComparedFile, language: Language) -> str:
    words = _WORDS[language]
    width = shutil.get_terminal_size((WIDTH_WITHOUT_TERMINAL, 50)).columns
    output = io.StringIO()
    console = Console(
        file=output, width=width, force_terminal=sys.stdout.isatty(), markup=False, highlight=False, emoji=False
    )
    for one in compared.visits:
        console.print(Text(_printable(f"{words['visit']} {one.ma_lk}"), style="bold"))
        if one.routes.routes and not one.routes.is_stated_lawful:
            console.print(Text(_printable(words["not_lawful"].format(code=one.routes.stated))))
        console.print(_table(one.routes, language) if one.routes.routes else words["none"])
        console.print()
    if not compared.visits:
        console.print(words["no_visits"])
    for finding in compared.findings:
        supplied = (finding.code.value, finding.ma_lk, finding.table, finding.field, finding.found, finding.expected)
        console.print(Text(_printable(" · ".join(part for part in supplied if part))))
    return "\n".join(line.rstrip() for line in output.getvalue().splitlines())


def _table(routes: WhatIf, language: Language) -> Table:
    words = _WORDS[language]
    table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False)
    table.add_column(words["code"], overflow="fold")
    table.add_column(words["patient"], justify="right", no_wrap=True)
    table.add_column(words["insurer"], justify="right", no_wrap=True)
    table.add_column(words["status"], overflow="fold")
    for option in routes.routes:
        marks = [words[mark] for mark in ("stated", "chosen") if getattr(routes, mark) == option.code]
        name = f"{option.code} {category_name(option.code, language)}"
        marked = f"{name} ({', '.join(marks)})" if marks else name
        table.add_row(marked, *_amounts(option), _condition(option, language), style="bold" if marks else None)
    return table


def _amounts(option: RouteOption) -> tuple[str, str]:
    if option.priced is None:
        return "–", "–"
    shares = option.priced.shares
    return money_text(shares.patient), money_text(shares.insurer)


def _condition(option: RouteOption, language: Language) -> str:
    words = _WORDS[language]
    text = words[option.status.value].format(facts=fact_names(" ".join(option.facts), language))
    if option.priced is not None:
        return text
    if not option.refused_rule:
        return f"{text}; {words['no_price']}"
    rule = find_rule(option.refused_rule)
    return f"{text}; {words['not_built'].format(rule=f'{rule.titles[language]} [{rule.id}]')}"


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)

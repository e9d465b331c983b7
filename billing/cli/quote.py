"""`vienphi quote FILE…`: what the insurance pays of the visits in a file, without a database.

One line of JSON a file on standard output, or with `--explain` a table a person can read. Table files without their
envelope are read as one set. Progress goes to a terminal only, never into the output.
"""

import json
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import click
from rich.console import Console
from rich.progress import track

from billing.cli.memory import memory_limited
from billing.cli.policy_option import policy_option
from billing.cli.quote_table import render_quote
from billing.cli.what_if import print_routes
from billing.coverage.domain.explain import Language
from billing.coverage.domain.parameters import load_parameters
from billing.coverage.domain.policy import Policy
from billing.coverage.service.quote_file import quote_bare_tables, quote_file, quote_json
from billing.coverage.service.quoting import Quote
from billing.visits.domain.finding import Finding, FindingCode
from billing.visits.formats.xml130 import is_bare_table

FILE_BYTES_MAX = 32 * 1024 * 1024
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("quote")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--explain", is_flag=True, help="Print a readable table with the reason of every amount.")
@click.option(
    "--lang",
    type=click.Choice([language.value for language in Language]),
    default=Language.VIETNAMESE.value,
    show_default=True,
    help="Language of the explanation.",
)
@click.option("--what-if", is_flag=True, help="Compare what the patient pays by each lawful route.")
@click.option("--facts", type=_FILE, help="With --what-if: JSON of facts that no table contains.")
@click.option("--annexes", type=_FILE, help="With --what-if: CSV of disease annexes.")
@policy_option
def quote(
    files: tuple[str, ...],
    *,
    explain: bool,
    lang: str,
    what_if: bool,
    facts: Path | None,
    annexes: Path | None,
    policy: Policy,
) -> None:
    """Price the visits of XML 130 or bhyt-case/1 files: who pays what, and why.

    Prints one line of JSON a file, with the keys visits and findings. Exit status 1 if no visit of any file could be
    read. With --what-if and --explain the routes stand in a table.
    """
    if what_if:
        print_routes(files, facts=facts, annexes=annexes, policy=policy, language=Language(lang), as_table=explain)
        return
    if facts is not None or annexes is not None:
        raise click.UsageError("--facts and --annexes belong to --what-if")
    read_any = False
    for name, answer in _quotes(files, policy):
        read_any = read_any or answer.read_count > 0
        if explain:
            text = render_quote(name, answer, Language(lang), is_terminal=sys.stdout.isatty())
        else:
            text = json.dumps(quote_json(answer), ensure_ascii=False) + "\n"
        _write(text)
    if not read_any:
        raise SystemExit(1)


def _quotes(files: tuple[str, ...], policy: Policy) -> Iterator[tuple[str, Quote]]:
    """Name and quote of each file in order. From the first bare table on they wait for the others of its set."""
    waiting: list[tuple[str, Quote | None]] = []
    bare: list[tuple[str, bytes]] = []
    for file in _with_progress(files):
        name = click.format_filename(file)
        content = _read(file, name)
        if isinstance(content, Finding):
            answer = Quote((), (content,))
        elif is_bare_table(content):
            bare.append((name, content))
            waiting.append((name, None))
            continue
        else:
            with memory_limited():
                answer = quote_file(content, file=name, parameters=load_parameters(), policy=policy)
        if waiting:
            waiting.append((name, answer))
        else:
            yield name, answer
    with memory_limited():
        joined = iter(quote_bare_tables(bare, parameters=load_parameters(), policy=policy))
    for name, known in waiting:
        yield name, next(joined) if known is None else known


def _read(file: str, name: str) -> bytes | Finding:
    """The bytes of a file, or the finding that explains why it cannot be read; `name` is the name that is shown."""
    try:
        with Path(file).open("rb") as stream:
            content = stream.read(FILE_BYTES_MAX + 1)
    except OSError as fault:
        return _unread(name, FindingCode.FILE_UNREADABLE, found=fault.strerror or "")
    if len(content) > FILE_BYTES_MAX:
        return _unread(name, FindingCode.FILE_TOO_LARGE, expected=f"at most {FILE_BYTES_MAX} bytes")
    return content


def _unread(file: str, code: FindingCode, *, found: str = "", expected: str = "") -> Finding:
    return Finding(
        code=code, file=file, hoso=None, ma_lk="", table="", stt=None, field="", found=found, expected=expected
    )


def _write(text: str) -> None:
    """Print text; after a failure (a closed pipe, a full disk) report it in one line and end with status 1."""
    try:
        click.echo(text.encode(), nl=False)
    except OSError as fault:
        # What is left in the buffer would fail once more, with a traceback, when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise click.ClickException(f"the answer could not be written: {fault.strerror}") from fault


def _with_progress(files: tuple[str, ...]) -> Iterable[str]:
    if len(files) < 2 or not sys.stderr.isatty():
        return files
    return track(files, description="", console=Console(stderr=True), transient=True)

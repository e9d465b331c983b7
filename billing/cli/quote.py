"""`vienphi quote FILE…`: what the insurance pays of the visits in a file, without a database.

One line of JSON a file on standard output, or with `--explain` a table a person can read. Progress goes to a terminal
only, never into the output.
"""

import json
import sys
from collections.abc import Iterable
from pathlib import Path

import click
from rich.console import Console
from rich.progress import track

from billing.cli.quote_table import render_quote
from billing.domain.coverage.explain import Language
from billing.domain.coverage.figures import load_figures
from billing.domain.coverage.policy import Policy
from billing.domain.finding import Finding, FindingCode
from billing.services.quoting import Quote, quote_file, quote_json

FILE_BYTES_MAX = 32 * 1024 * 1024


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
def quote(files: tuple[str, ...], *, explain: bool, lang: str) -> None:
    """Price the visits of XML 130 or bhyt-case/1 files: who pays what, and why.

    Prints one line of JSON a file, with the keys visits and findings. Exit status 1 if no visit of any file could be
    priced.
    """
    priced_any = False
    for file in _with_progress(files):
        answer = _quote(file)
        priced_any = priced_any or bool(answer.visits)
        if explain:
            text = render_quote(file, answer, Language(lang), is_terminal=sys.stdout.isatty())
        else:
            text = json.dumps(quote_json(answer), ensure_ascii=False) + "\n"
        click.echo(text.encode(), nl=False)
    if not priced_any:
        raise SystemExit(1)


def _quote(file: str) -> Quote:
    try:
        with Path(file).open("rb") as stream:
            content = stream.read(FILE_BYTES_MAX + 1)
    except OSError as fault:
        return _unread(file, FindingCode.FILE_UNREADABLE, found=fault.strerror or "")
    if len(content) > FILE_BYTES_MAX:
        return _unread(file, FindingCode.FILE_TOO_LARGE, expected=f"at most {FILE_BYTES_MAX} bytes")
    return quote_file(content, file=file, figures=load_figures(), policy=Policy())


def _unread(file: str, code: FindingCode, *, found: str = "", expected: str = "") -> Quote:
    finding = Finding(
        code=code, file=file, hoso=None, ma_lk="", table="", stt=None, field="", found=found, expected=expected
    )
    return Quote((), (finding,))


def _with_progress(files: tuple[str, ...]) -> Iterable[str]:
    if len(files) < 2 or not sys.stderr.isatty():
        return files
    return track(files, description="", console=Console(stderr=True), transient=True)

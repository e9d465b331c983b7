"""How the commands that import files of banks and providers show progress and imported files."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from billing.reconciliation.domain.file_import import ImportedFile, ImportState
from billing.reconciliation.service.import_statement import ImportProgress


@contextmanager
def progress_bar() -> Iterator[Callable[[ImportProgress], None]]:
    """A bar on stderr, where it is a terminal, that follows the import of a file."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("reading", total=None)

        def show(progress: ImportProgress) -> None:
            if progress.lines is None:
                bar.update(task, completed=progress.read)
            else:
                bar.update(task, description="importing", completed=progress.stored, total=progress.lines)

        yield show


def import_line(file: ImportedFile) -> str:
    """One imported or refused file on one line, with its refusal on a second one."""
    account = "" if file.account is None else f"  {file.account}"
    tentative = ", intraday" if file.is_intraday else ""
    line = (
        f"{file.id} {file.started_at:%Y-%m-%d %H:%M} {file.state.value:9} {file.lines:>8} lines"
        f" {file.new_lines:>8} new  {file.file_name}{account}  {file.profile or '–'}{tentative}"
    )
    return f"{line}\n    {file.refusal}" if file.state is ImportState.REFUSED else line

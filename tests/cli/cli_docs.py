"""Writes `docs/cli.md` from the commands themselves: python -m tests.cli.cli_docs."""

from collections.abc import Iterator
from pathlib import Path

import click

from billing.cli import main

PATH = Path(__file__).parents[2] / "docs" / "cli.md"
_HEAD = """# Command line

This page is generated from the commands: `python -m tests.cli.cli_docs` writes it, and a test compares the two.
`vienphi COMMAND --help` prints the same. Commands that read or write a database take its address from
`VIENPHI_DATABASE_URL` (role `vienphi_app`) or `VIENPHI_OWNER_URL` (role `vienphi_owner`: `migrate`, set-up,
`ledger rebase`); [operations](operations.md) lists every setting. A command that is refused prints one sentence with
the remedy on stderr and exits with status 1; wrong usage exits with status 2.
"""


def write_page() -> str:
    """The page: one section per group of commands, one entry per command with its arguments and options."""
    parts = [_HEAD]
    context = click.Context(main, info_name="vienphi")
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        assert command is not None
        parts.append(f"## `vienphi {name}`\n")
        parts += _entries(command, click.Context(command, info_name=name, parent=context))
    return "\n".join(parts)


def _entries(command: click.Command, context: click.Context) -> Iterator[str]:
    yield _paragraphs(command)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            below = click.Context(inner, info_name=name, parent=context)
            yield f"### `{below.command_path}`\n"
            yield from _entries(inner, below)
        return
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"    {context.command_path} {usage}\n"
    options = [each for each in command.params if isinstance(each, click.Option)]
    rows = [record for each in options if (record := each.get_help_record(context)) is not None]
    if rows:
        yield "| Option | Meaning |\n| --- | --- |"
        yield "\n".join(f"| `{_cell(option)}` | {_cell(meaning)} |" for option, meaning in rows) + "\n"


def _paragraphs(command: click.Command) -> str:
    text = (command.help or "").replace("\b\n", "")
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n")) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    PATH.write_text(write_page(), "utf-8")

"""Reading the files commands are given."""

from pathlib import Path

import click

FILE_BYTES_MAX = 32 * 1024 * 1024


def read_file(file: Path) -> bytes:
    """The bytes of a file up to the limit of the readers; a larger one is refused."""
    with file.open("rb") as stream:
        content = stream.read(FILE_BYTES_MAX + 1)
    if len(content) > FILE_BYTES_MAX:
        raise click.ClickException(f"{click.format_filename(file)}: at most {FILE_BYTES_MAX} bytes are read")
    return content

"""Reading the files commands are given."""

from collections.abc import Mapping
from pathlib import Path

import click

from billing.core.errors import InvalidValue
from billing.visits.formats.strict_json import read_object

FILE_BYTES_MAX = 32 * 1024 * 1024


def read_file(file: Path) -> bytes:
    """The bytes of a file up to the limit of the readers; a larger one is refused."""
    try:
        with file.open("rb") as stream:
            content = stream.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        error.filename = error.filename or str(file)  # reading names no file, opening does
        raise
    if len(content) > FILE_BYTES_MAX:
        raise click.ClickException(f"{click.format_filename(file)}: at most {FILE_BYTES_MAX} bytes are read")
    return content


def read_settings_file(file: Path) -> Mapping[str, object]:
    """A JSON object of settings. Raises InvalidValue naming the file and the place in it; OSError."""
    try:
        return read_object(read_file(file))
    except InvalidValue as refusal:
        raise InvalidValue(f"{click.format_filename(file)}: {refusal.detail}", field=refusal.field) from None

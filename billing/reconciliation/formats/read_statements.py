"""Any file of a bank as statements: the content decides the format, never the name of the file."""

from collections.abc import Iterator, Sequence
from typing import BinaryIO

from billing.reconciliation.domain.statement import StatementUnreadable
from billing.reconciliation.formats import compound_file
from billing.reconciliation.formats.camt053 import read_camt053
from billing.reconciliation.formats.csv_table import csv_table
from billing.reconciliation.formats.html_table import html_table
from billing.reconciliation.formats.mt940 import read_mt940
from billing.reconciliation.formats.open_statement import ReadOptions, StatementFile, StatementItem
from billing.reconciliation.formats.profile import Profile, shipped_profiles
from billing.reconciliation.formats.sheet_tables import xls_tables, xlsx_tables
from billing.reconciliation.formats.statement_table import Table, TableUnknown, read_table
from billing.spreadsheets.cells import SIZE_MAX

_ZIP = b"PK\x03\x04"
_HTML = ("<!doctype html", "<html", "<table", "<meta", "<head", "<body", "<style", "<div", "<center")
_START = 4096


def read_statements(
    stream: BinaryIO, *, profile: Profile | None = None, account: str | None = None, opening: int | None = None
) -> Iterator[StatementItem]:
    """Each statement of a file: its head, its lines oldest day first, then the complete statement.

    The stream must be seekable. A file is good only if the iteration ends: every fault, also the last one, raises
    StatementUnreadable with its place, and then nothing of the file may be used. `profile` names the layout of a table,
    `account` the account of a file that does not state it, `opening` the closing balance of the statement before the
    first of the file.
    """
    options = ReadOptions(
        profiles=tuple(shipped_profiles().values()), profile=profile, account=account, opening=opening
    )
    file = StatementFile()
    start = stream.read(_START)
    stream.seek(0)
    if not start.strip(b" \t\r\n\x00"):
        raise StatementUnreadable("the file is empty")
    if start.startswith(_ZIP):
        yield from _read_tables(xlsx_tables(_content(stream)), options, file)
    elif start.startswith(compound_file.SIGNATURE):
        yield from _read_tables(xls_tables(_content(stream)), options, file)
    else:
        yield from _read_text(stream, _beginning(start), options, file)
    if file.count == 0:
        raise StatementUnreadable("the file has no statement; it may be cut: export it again")


def _read_text(stream: BinaryIO, beginning: str, options: ReadOptions, file: StatementFile) -> Iterator[StatementItem]:
    if beginning.startswith(_HTML) or (beginning.startswith("<?xml") and "<html" in beginning):
        yield from _read_tables([html_table(stream)], options, file)
    elif beginning.startswith("<"):
        yield from read_camt053(stream, options, file)
    elif beginning.startswith((":20:", "{1:", "{4:")) or "\n:20:" in beginning[:1000]:
        yield from read_mt940(stream, options, file)
    else:
        profiles = [options.profile] if options.profile is not None else list(options.profiles)
        yield from _read_tables([csv_table(stream, profiles)], options, file)


def _read_tables(tables: Sequence[Table], options: ReadOptions, file: StatementFile) -> Iterator[StatementItem]:
    """The statements of every table; a table without headings is skipped only if it has no movements."""
    unknown: TableUnknown | None = None
    for table in tables:
        try:
            yield from read_table(table, options, file)
        except TableUnknown as error:
            if error.is_relevant:
                raise
            unknown = unknown or error
    if file.count == 0 and unknown is not None:
        raise unknown


def _content(stream: BinaryIO) -> bytes:
    content = stream.read(SIZE_MAX + 1)
    if len(content) > SIZE_MAX:
        raise StatementUnreadable(f"a workbook has at most {SIZE_MAX:,} bytes; export it as CSV")
    return content


def _beginning(start: bytes) -> str:
    """The first characters for recognising the format, in small letters."""
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = start.decode("utf-16", "replace")
    elif b"\x00" in start[:64]:
        text = start.decode("utf-16-le" if start[1:2] == b"\x00" else "utf-16-be", "replace")
    else:
        text = start.decode("utf-8-sig", "replace")
    return text.lstrip("\ufeff \t\r\n").lower()

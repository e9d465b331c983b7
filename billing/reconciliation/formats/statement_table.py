"""A table of a bank as statements: head, rows, total, for each account that the table holds.

The table may be a sheet, an HTML page or a CSV file; `sheet_tables`, `html_table` and `csv_table` give its rows. Every
fault refuses the file, with the place of the fault.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain, islice, takewhile

from billing.reconciliation.domain.statement import Place, StatementLine, StatementUnreadable
from billing.reconciliation.formats.cell_values import Cell, is_day, split_day
from billing.reconciliation.formats.line_collector import LineCollector, ParsedRow
from billing.reconciliation.formats.open_statement import (
    CURRENCY,
    OpenStatement,
    ReadOptions,
    StatementFile,
    StatementItem,
)
from billing.reconciliation.formats.profile import Profile, Role
from billing.reconciliation.formats.table_head import (
    HEAD_ROWS_MAX,
    Columns,
    HeadValues,
    Row,
    choose_profile,
    column_name,
    find_columns,
    missing_roles,
    normalized,
)
from billing.reconciliation.formats.table_rows import RowParser, UndatedAmounts


@dataclass(slots=True)
class Table:
    """The rows of one table. `is_cut` is whether the last row ended before its line did, after all rows were read."""

    sheet: str | None
    rows: Iterable[Row]
    is_cut: bool = False


def read_table(table: Table, options: ReadOptions, file: StatementFile) -> Iterator[StatementItem]:
    """The statements of a table. Raises StatementUnreadable; TableUnknown if it has no statement's headings."""
    rows = iter(table.rows)
    first = list(islice(rows, HEAD_ROWS_MAX))
    chosen = choose_profile(options.profiles, first, table.sheet) if options.profile is None else None
    profile = options.profile if chosen is None else chosen[0]
    if profile is None or (chosen is None and not _has_columns(profile, first, table.sheet)):
        raise _unknown(table.sheet, first, [options.profile] if options.profile else list(options.profiles))
    yield from _TableReader(table, profile, options, file).read(chain(first, rows))


class TableUnknown(StatementUnreadable):
    """The table has no headings that a profile knows. `is_relevant`: rows of it have days and amounts.

    `headings` is the row that is most like headings, for a person to name the columns.
    """

    def __init__(self, detail: str, place: Place, *, is_relevant: bool, headings: Sequence[str] = ()) -> None:
        super().__init__(detail, place)
        self.is_relevant = is_relevant
        self.headings = tuple(headings)


_HEADINGS_LEAST = 3
"""A day, an amount and a text have headings."""


def _has_columns(profile: Profile, rows: Iterable[Row], sheet: str | None) -> bool:
    return any(find_columns(profile, row, sheet) is not None for row in rows)


def _unknown(sheet: str | None, rows: Sequence[Row], profiles: Sequence[Profile]) -> TableUnknown:
    """Names the row that is most like headings, the profile that it is most like, and the headings that it lacks."""
    is_relevant = any(_is_like_movement(cells) for _, cells in rows)
    best: tuple[int, int, Profile, list[Role]] | None = None
    for number, cells in rows:
        for profile in profiles:
            count, missing = missing_roles(profile, cells)
            if count and (best is None or count > best[0]):
                best = count, number, profile, missing
    likeliest, headings = _headings_of(rows)
    if best is None and is_relevant and len(headings) >= _HEADINGS_LEAST:
        detail = "this row is most like headings, and no profile has one of them; describe them in a profile"
        return TableUnknown(detail, Place(likeliest, sheet), is_relevant=is_relevant, headings=headings)
    if best is None:
        detail = "no row has the headings of a statement"
        return TableUnknown(detail, Place(sheet=sheet), is_relevant=is_relevant, headings=headings)
    _, number, profile, missing = best
    if not missing:
        detail = f"the headings are those of profile {profile.name}, and its title is missing; name the profile"
    else:
        wanted = "; ".join(f"{role} (“{profile.columns[role][0]}”)" for role in missing)
        detail = f"as headings of profile {profile.name} this row lacks {wanted}"
    return TableUnknown(detail, Place(number, sheet), is_relevant=is_relevant, headings=headings)


def _headings_of(rows: Sequence[Row]) -> tuple[int, list[str]]:
    """The row with most texts above the first movement: its number and texts."""
    above = takewhile(lambda row: not _is_like_movement(row[1]), rows)
    texts = [(number, [cell for cell in cells if isinstance(cell, str) and cell.strip()]) for number, cells in above]
    return max(texts, key=lambda each: len(each[1]), default=(0, []))


def _is_like_movement(cells: Sequence[Cell]) -> bool:
    """Whether a row has a day, an amount, and further cells, as movements have."""
    filled = [cell for cell in cells if cell is not None]
    return len(filled) >= 4 and any(map(_begins_with_day, filled)) and any(map(_is_number, filled))


def _begins_with_day(cell: Cell) -> bool:
    return isinstance(cell, date) or (isinstance(cell, str) and split_day(cell)[0] is not None)


def _is_number(cell: Cell) -> bool:
    if isinstance(cell, int):
        return abs(cell) >= 1000
    return isinstance(cell, str) and len(cell) > 3 and not cell.strip("0123456789.,+-() ")


class _TableReader:
    """Reads row after row; knows whether it is above, in or below the rows of a statement."""

    def __init__(self, table: Table, profile: Profile, options: ReadOptions, file: StatementFile) -> None:
        self._table = table
        self._sheet = table.sheet
        self._profile = profile
        self._options = options
        self._file = file
        self._section: _Section | None = None
        self._head = HeadValues()
        self._read_any = False

    def read(self, rows: Iterable[Row]) -> Iterator[StatementItem]:
        following = iter(rows)
        current = next(following, None)
        last = 0
        while current is not None:
            last = current[0]
            below = next(following, None)
            yield from self._read_row(current, () if below is None else below[1])
            current = below
        if self._table.is_cut and (self._section is None or not self._section.is_complete_at(last)):
            raise StatementUnreadable(
                "the last line of the file has no end; the file may be cut: export it again", Place(last, self._sheet)
            )
        if self._section is not None:
            yield from self._section.finish(self._head)
        elif not self._read_any:
            raise StatementUnreadable("the table ends above its rows", Place(sheet=self._sheet))

    def _read_row(self, row: Row, below: Sequence[Cell]) -> Iterable[StatementItem]:
        section = self._section
        if section is None or self._is_total(row[1]):
            return self._read_other(row, below, None)
        parsed = section.parser.parse(*row)
        return section.add(parsed) if isinstance(parsed, ParsedRow) else self._read_other(row, below, parsed)

    def _read_other(self, row: Row, below: Sequence[Cell], parsed: UndatedAmounts | None) -> Iterator[StatementItem]:
        """A row that is no movement."""
        number, cells = row
        section = self._section
        words = [normalized(cell) for cell in cells if isinstance(cell, str)]
        if section is not None and self._begins_section(words):
            yield from self._close(section)
            section = None
        columns = find_columns(self._profile, row, self._sheet) if words else None
        if columns is not None:
            yield from self._open(columns)
            return
        place = Place(number, self._sheet)
        if section is None:
            if not self._head.read(cells, below, self._profile.ends, place) and _is_like_movement(cells):
                raise StatementUnreadable("the row has a day and an amount, and no headings above it", place)
            return
        yield from self._read_between(section, row, below, parsed)

    def _read_between(
        self, section: "_Section", row: Row, below: Sequence[Cell], parsed: UndatedAmounts | None
    ) -> Iterator[StatementItem]:
        """A row among or below the movements: a total, a stated balance, the next account, or a note."""
        number, cells = row
        place = Place(number, self._sheet)
        if self._is_total(cells):
            section.end_rows(cells, place)
        head = HeadValues(opening=self._head.opening, closing=self._head.closing)
        found = head.read(cells, below, self._profile.ends, place)
        if head.account is not None and head.account != section.account:
            yield from self._close(section)
            self._head.read(cells, below, self._profile.ends, place)
            return
        if found:
            self._head.opening, self._head.closing = head.opening, head.closing
        elif not section.is_ended:
            if parsed is not None:
                if parsed.problem is not None:
                    raise parsed.problem
                if self._profile.rows.undated != "total":
                    raise StatementUnreadable("the row has an amount and no day", place)
                section.end_rows(cells, place)
            elif section.parser.is_empty_movement(cells):
                raise StatementUnreadable("the row has a day and no amount", place)

    def _is_total(self, cells: Sequence[Cell]) -> bool:
        """Whether a row carries one of the words of the total, before the narrative or as its only words."""
        if self._section is None:
            return False
        total = self._profile.rows.total
        text_at = self._section.columns.index["text"]
        booked_at = self._section.columns.index["booked_on"]
        if booked_at < len(cells) and is_day(cells[booked_at]):
            return False
        for at, cell in enumerate(cells):
            if isinstance(cell, str):
                words = normalized(cell)
                if any(words == each or (at != text_at and words.startswith(f"{each} ")) for each in total):
                    return True
        return False

    def _begins_section(self, words: Sequence[str]) -> bool:
        marks = self._profile.recognition.section
        return bool(marks) and any(f" {mark} " in f" {text} " for text in words for mark in marks)

    def _open(self, columns: Columns) -> Iterator[StatementItem]:
        """The headings: a new statement begins, or the headings of a further page are repeated."""
        if self._section is not None:
            if self._section.is_ended or self._section.columns.index != columns.index:
                raise StatementUnreadable(
                    "a second table begins without the number of its account", Place(columns.row, self._sheet)
                )
            return
        place = Place(columns.row, self._sheet)
        account = self._head.account or self._options.account
        if account is None:
            raise StatementUnreadable(
                "no line above the headings states the number of the account; name the account", place
            )
        self._options.check_account(account, place)
        if self._head.currency not in (None, CURRENCY):
            raise StatementUnreadable(f"the account is in {self._head.currency}; only accounts in đồng are read", place)
        statement = self._file.open(
            profile=self._profile.name,
            account=account,
            sheet=self._sheet,
            columns=[
                f"{column_name(at)} “{columns.headings[role]}” = {role}"
                for role, at in sorted(columns.index.items(), key=lambda each: each[1])
            ],
        )
        self._section = _Section(statement, self._profile, columns, self._head, options=self._options, file=self._file)
        yield statement.head

    def _close(self, section: "_Section") -> Iterator[StatementItem]:
        yield from section.finish(self._head)
        self._section = None
        self._head = HeadValues()
        self._read_any = True


class _Section:
    """One statement of a table while its rows are read."""

    def __init__(
        self,
        statement: OpenStatement,
        profile: Profile,
        columns: Columns,
        values: HeadValues,
        *,
        options: ReadOptions,
        file: StatementFile,
    ) -> None:
        self.columns = columns
        self.account = statement.head.bank_account_number
        self.is_ended = False
        self.parser = RowParser(profile, columns, statement.head.sheet)
        self._sheet = statement.head.sheet
        self._profile = profile
        self._options = options
        self._file = file
        self._last_row = columns.row
        self._is_last_checked = False
        self._statement = statement
        if values.opening is not None:
            statement.open_with(values.opening)
        self._lines = LineCollector(statement, closing=values.closing)

    def add(self, row: ParsedRow) -> Sequence[StatementLine]:
        if self.is_ended:
            raise StatementUnreadable("a movement follows the total of the rows", Place(row.row, self._sheet))
        self._last_row = row.row
        self._is_last_checked = row.balance is not None
        return self._lines.add(row)

    def is_complete_at(self, last: int) -> bool:
        """Whether a last row without a line end is whole: a mark of the end or a compared balance follows."""
        if self._last_row != last:
            return self._profile.complete_with != "nothing"
        return self._is_last_checked and self.columns.index.get("balance") == max(self.columns.index.values())

    def end_rows(self, cells: Sequence[Cell], place: Place) -> None:
        """The total row: its sums, where the profile knows them, are compared with the rows."""
        if self._profile.rows.total_states == "sums":
            totals = self.parser.totals(cells)
            sums = self.parser.debit_total, self.parser.credit_total
            for total, computed in zip(totals, sums, strict=True):
                if total is not None and total != computed:
                    raise StatementUnreadable("the total is not the sum of the rows; a row is missing", place)
        self.is_ended = True

    def finish(self, values: HeadValues) -> Iterator[StatementItem]:
        """The last lines and the statement. Raises StatementUnreadable if it is incomplete."""
        place = Place(self._last_row, self._sheet)
        marks: Mapping[str, bool] = {
            "closing": values.closing is not None,
            "total": self.is_ended,
            "closing_or_total": self.is_ended or values.closing is not None,
            "nothing": True,
        }
        if not marks[self._profile.complete_with]:
            wanted = self._profile.complete_with.replace("_", " ")
            raise StatementUnreadable(
                f"the file ends without {wanted} below this row; it is cut: export it again", place
            )
        known = self._file.last_closing(self.account)
        if known is None and self._statement.head.position == 1:
            known = self._options.opening
        lines, closing = self._lines.finish(opening=values.opening, closing=values.closing, known_opening=known)
        yield from lines
        if values.days is None and self._statement.days is None:
            raise StatementUnreadable("the statement has neither rows nor a period", place)
        yield self._file.close(self._statement, closing=closing, days=values.days or ())

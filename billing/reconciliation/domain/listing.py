"""Listings of the books: the columns of a listing, the period that it covers, and the rows as they are exported."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from billing.core.errors import InvalidValue, NotFound

Cell = str | int | None

_FIRST_YEAR = 2000


class ColumnType(StrEnum):
    """What the cells of a column are: in JSON a day and an id are text, an amount in đồng and a count are numbers."""

    TEXT = "text"
    ID = "id"
    DAY = "day"
    AMOUNT = "amount"
    COUNT = "count"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a listing; `heading` is its Vietnamese heading in files."""

    name: str
    type: ColumnType
    heading: str


@dataclass(frozen=True, slots=True)
class Period:
    """The accounting dates of a listing, both included. A listing of balances has those at the end of the last day."""

    first_day: date
    last_day: date

    def __post_init__(self) -> None:
        if self.first_day.year < _FIRST_YEAR:
            raise InvalidValue(f"the period begins in {_FIRST_YEAR} or later", field="from")
        if self.last_day < self.first_day:
            raise InvalidValue("the period ends before it begins", field="to")


@dataclass(frozen=True, slots=True)
class RowSlice:
    """The rows of a listing to read: at most `limit` after the first `offset`."""

    limit: int
    offset: int = 0


class UnknownListing(NotFound):
    """No listing has this name."""


class TooManyRows(InvalidValue):
    """A file of a listing would have more rows than a spreadsheet is written with."""

    code = "too_many_rows"


def cell(value: object) -> Cell:
    """A value of a row as it is exported: numbers stay numbers, everything else is text."""
    if value is None or isinstance(value, int):
        return value
    return str(value)

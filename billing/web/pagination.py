"""Lists by page: at most 200 a page, the newest first, an opaque cursor to the next; never a count of all."""

import base64
import binascii
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any, TypeVar
from uuid import UUID

from aiohttp import web

from billing.core.errors import InvalidValue
from billing.core.list_slice import ListSlice, first_id_after_day, first_id_of_day
from billing.web.operation import Parameter

LIMIT_DEFAULT = 50
LIMIT_MAX = 200
_UUID_BYTES = 16
_VALUE_LENGTH_MAX = 100
Choice = TypeVar("Choice", bound=StrEnum)
Row = TypeVar("Row")
Id = TypeVar("Id", bound=UUID)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


class InvalidQuery(InvalidValue):
    """A parameter that is duplicated, unknown or invalid."""

    code = "invalid_query"


@dataclass(frozen=True, slots=True)
class Page:
    """The requested page of a list: at most `limit` rows after `after`, and the filters by name.

    `first_day` and `last_day` bound the day of creation in Vietnam, both included; None bounds nothing.
    """

    after: UUID | None
    limit: int
    filters: Mapping[str, str]
    first_day: date | None = None
    last_day: date | None = None

    @property
    def slice(self) -> ListSlice:
        """The rows of this page and one more, which shows whether a further page follows."""
        ends = [] if self.last_day is None else [first_id_after_day(self.last_day)]
        ends += [] if self.after is None else [self.after]
        return ListSlice(
            before=min(ends, default=None),
            first=None if self.first_day is None else first_id_of_day(self.first_day),
            limit=self.limit + 1,
        )


DAY_FILTERS: Mapping[str, Parameter] = {
    "from": Parameter("first day of creation, as in Vietnam", format="date"),
    "to": Parameter("last day of creation, as in Vietnam", format="date"),
}
"""The filters of a list whose rows are created on a day."""


def read_page(request: web.Request, *, filters: Sequence[str] = ()) -> Page:
    """Read the requested page; with the days `from` and `to` where `filters` contain them. Raises InvalidQuery."""
    given = read_query(request, ("cursor", "limit", *filters))
    limit = read_limit(given)
    given.pop("limit", None)
    cursor = given.pop("cursor", None)
    first_day, last_day = read_day(given, "from"), read_day(given, "to")
    if first_day is not None and last_day is not None and first_day > last_day:
        raise InvalidQuery("from is a day after to", field="from")
    return Page(
        None if cursor is None else _read_cursor(cursor),
        limit,
        {name: value for name, value in given.items() if name not in DAY_FILTERS},
        first_day,
        last_day,
    )


def read_choice(page: Page, name: str, choices: type[Choice]) -> Choice | None:
    """A filter that is a word of an enumeration; None where it is not given. Raises InvalidQuery."""
    text = page.filters.get(name)
    if text is None:
        return None
    try:
        return choices(text)
    except ValueError as cause:
        raise InvalidQuery(f"{name} is one of {', '.join(choices)}", field=name) from cause


def read_limit(given: Mapping[str, str]) -> int:
    """Read the page size from the parameter `limit`. Raises InvalidQuery."""
    limit = given.get("limit", str(LIMIT_DEFAULT))
    if not (limit.isascii() and limit.isdecimal() and len(limit) <= 3 and 1 <= int(limit) <= LIMIT_MAX):
        raise InvalidQuery(f"limit is a whole number from 1 to {LIMIT_MAX}", field="limit")
    return int(limit)


def read_day(given: Mapping[str, str], name: str) -> date | None:
    """A parameter that is a day; None where it is not given. Raises InvalidQuery."""
    text = given.get(name)
    if text is None:
        return None
    try:
        if not _DAY.fullmatch(text):
            raise ValueError
        return date.fromisoformat(text)
    except ValueError as cause:
        raise InvalidQuery(f"{name} is a day, written as 2026-11-22", field=name) from cause


def read_query(request: web.Request, known: Sequence[str]) -> dict[str, str]:
    """The parameters of a request, each at most once and of those known here. Raises InvalidQuery."""
    given: dict[str, str] = {}
    for name, value in request.query.items():
        if name not in known:
            raise InvalidQuery(
                f"this address knows no such parameter; known are {', '.join(known) or 'none'}", field=_plain(name)
            )
        if name in given:
            raise InvalidQuery(f"{name} is given twice", field=name)
        if not value or not value.isprintable() or len(value) > _VALUE_LENGTH_MAX:
            raise InvalidQuery(f"{name} is 1 to {_VALUE_LENGTH_MAX} printable characters", field=name)
        given[name] = value
    return given


def read_filter_id(page: Page, name: str, typed: Callable[[UUID], Id]) -> Id | None:
    """A filter that is an id of the type `typed`; None where it is not given. Raises InvalidQuery."""
    found = read_filter_uuid(page, name)
    return None if found is None else typed(found)


def read_filter_uuid(page: Page, name: str) -> UUID | None:
    """A filter that is an id without a type of its own; None where it is not given. Raises InvalidQuery."""
    text = page.filters.get(name)
    if text is None:
        return None
    try:
        found = UUID(text)
    except ValueError as cause:
        raise InvalidQuery(f"{name} is an id exactly as returned", field=name) from cause
    if str(found) != text.lower():
        raise InvalidQuery(f"{name} is an id exactly as returned", field=name)
    return found


def page_document(rows: Sequence[Row], page: Page, write: Callable[[Row], object]) -> dict[str, object]:
    """The document of a page. `rows` contain one row more than the limit if a further page exists."""
    shown = rows[: page.limit]
    more = len(rows) > page.limit
    return {"items": [write(row) for row in shown], "next_cursor": write_cursor(_id(shown[-1])) if more else None}


def _id(row: Any) -> UUID:
    found: UUID = row["id"] if isinstance(row, Mapping) else row.id
    return found


def write_cursor(last: UUID) -> str:
    """The cursor of the rows after this row."""
    return base64.urlsafe_b64encode(last.bytes).decode().rstrip("=")


def _read_cursor(text: str) -> UUID:
    try:
        content = base64.b64decode(text + "==", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as cause:
        raise InvalidQuery("use a cursor exactly as returned", field="cursor") from cause
    if len(content) != _UUID_BYTES or write_cursor(UUID(bytes=content)) != text:
        raise InvalidQuery("use a cursor exactly as returned", field="cursor")
    return UUID(bytes=content)


def _plain(name: str) -> str:
    """The printable part of a parameter name."""
    return "".join(letter for letter in name[:40] if letter.isascii() and letter.isprintable())

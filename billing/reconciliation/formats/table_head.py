"""The head of a table: the row of headings that a profile names, and the values above and below the rows."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from billing.core.text import compose, normalize_heading
from billing.reconciliation.domain.statement import Place, StatementUnreadable
from billing.reconciliation.formats.cell_values import (
    Cell,
    ValueUnreadable,
    days_in,
    read_dong,
    read_text,
    split_day,
)
from billing.reconciliation.formats.profile import GENERIC, Ends, Profile, Role
from billing.spreadsheets.cells import CellError

HEAD_ROWS_MAX = 200
"""Rows in which the headings are searched."""

Row = tuple[int, Sequence[Cell]]
"""The number of a row and its cells."""

_PARTS = re.compile(r"[/\n(|]")
_ACCOUNT = re.compile(r"(?<![\w./-])(?:\d{6,34}|\d{2,5}(?:[ .-]\d{2,8}){1,8})(?![\w/])", re.ASCII)
_ACCOUNT_LENGTH_MIN, _ACCOUNT_LENGTH_MAX = 6, 34
_TITLE_CELLS_MIN = 3


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a table: index by role, counted from 0, and the headings by role."""

    row: int
    index: Mapping[Role, int]
    headings: Mapping[Role, str]


@dataclass(slots=True)
class HeadValues:
    """The values that a statement states outside of its rows; None for those not seen yet."""

    account: str | None = None
    opening: int | None = None
    closing: int | None = None
    currency: str | None = None
    days: tuple[date, date] | None = None

    def read(self, cells: Sequence[Cell], following: Sequence[Cell], ends: Ends, place: Place) -> bool:
        """Store the values of one row outside of the movements; whether it holds any. Raises StatementUnreadable.

        `following` is the row below. A value that is stated twice must be the same.
        """
        words = [normalized(cell) if isinstance(cell, str) else "" for cell in cells]
        found = False
        for at, text in enumerate(words):
            if not text:
                continue
            if _begins(text, ends.opening) and not _begins(text, ends.closing):
                value = _amount_near(cells, following, at, ends, place)
                self.opening = _same(self.opening, value, "opening balance", place)
                found = True
            elif _begins(text, ends.closing):
                value = _amount_near(cells, following, at, ends, place)
                self.closing = _same(self.closing, value, "closing balance", place)
                found = True
            elif _begins(text, ends.account) and not _contains(text, ends.not_account):
                found = self._read_account(cells, following, at, place) or found
            elif _begins(text, ends.currency):
                found = self._read_currency(cells, at) or found
            if _contains(text, ends.period):
                found = self._read_days(cells[at:]) or found
        return found

    def _read_account(self, cells: Sequence[Cell], following: Sequence[Cell], at: int, place: Place) -> bool:
        below = following[at] if at < len(following) else None
        for cell in (*cells[at:], below):
            if isinstance(cell, CellError):
                raise StatementUnreadable(cell.why, Place(place.row, place.sheet))
            number = account_in(cell, is_own_cell=cell is not cells[at])
            if number is not None:
                self.account = number
                return True
        return False

    def _read_currency(self, cells: Sequence[Cell], at: int) -> bool:
        for cell in cells[at:]:
            found = re.search(r"\b(VND|VNĐ|USD|EUR|JPY|CNY|AUD|GBP|SGD|KRW|THB)\b", str(cell or "").upper())
            if found:
                self.currency = "VND" if found[1] == "VNĐ" else found[1]
                return True
        return False

    def _read_days(self, cells: Iterable[Cell]) -> bool:
        found: list[date] = []
        for cell in cells:
            if isinstance(cell, date):
                found.append(date(cell.year, cell.month, cell.day))
            elif isinstance(cell, str):
                found += days_in(cell)
        if not found:
            return False
        if self.days is not None and len(found) == 1:
            found = [*self.days, *found]
        self.days = min(found), max(found)
        return True


def account_in(cell: Cell, *, is_own_cell: bool) -> str | None:
    """The account number in a cell: digits, with spaces, points or hyphens between them removed."""
    if isinstance(cell, int):
        return str(cell) if cell > 0 else None
    if not isinstance(cell, str):
        return None
    text = compose(cell).strip().lstrip("'’")
    found = _ACCOUNT.match(text) if is_own_cell else _ACCOUNT.search(text)
    if found is None or split_day(found[0])[0] is not None:
        return None
    digits = re.sub(r"[ .-]", "", found[0])
    return digits if _ACCOUNT_LENGTH_MIN <= len(digits) <= _ACCOUNT_LENGTH_MAX else None


@lru_cache(maxsize=4096)
def normalized(text: str) -> str:
    """The words of a cell as profiles have them; the sign of a heading without words is itself (`+/-`)."""
    return normalize_heading(text) or text.strip()


@lru_cache(maxsize=4096)
def _names(text: str) -> tuple[str, ...]:
    """The whole heading, then its parts: `Số dư/ Balance` is also `Số dư` and `Balance`."""
    parts = (normalize_heading(part) for part in _PARTS.split(text))
    return tuple(name for name in dict.fromkeys((normalized(text), *parts)) if name)


def find_columns(profile: Profile, row: Row, sheet: str | None) -> Columns | None:
    """The columns of a profile in a row of headings; None if the row lacks a needed one. Raises StatementUnreadable."""
    number, cells = row
    matches, _ = _match(profile, cells)
    if not profile.required <= set(matches):
        return None
    for role, places in matches.items():
        if len(places) > 1:
            raise StatementUnreadable(
                f"the heading of “{role}” occurs in columns {', '.join(map(column_name, places))}; leave one of them",
                Place(number, sheet, _heading(cells[places[0]])),
            )
    index = {role: places[0] for role, places in matches.items()}
    return Columns(number, index, {role: _heading(cells[at]) for role, at in index.items()})


def missing_roles(profile: Profile, cells: Sequence[Cell]) -> tuple[int, list[Role]]:
    """How many columns of a profile a row has, and the needed ones that it lacks."""
    matches, _ = _match(profile, cells)
    return len(matches), sorted(profile.required - set(matches))


def is_recognised(profile: Profile, texts: Iterable[str], sheet: str | None) -> bool:
    """Whether the lines above the headings or the name of the sheet have the marks of a profile."""
    marks = profile.recognition
    if not marks.titles and not marks.sheets:
        return True
    name = normalize_heading(sheet or "").replace(" ", "")
    if any(each.replace(" ", "") in name for each in marks.sheets):
        return True
    return bool(marks.titles) and any(_contains(text, marks.titles) for text in texts)


def choose_profile(
    profiles: Iterable[Profile], rows: Sequence[Row], sheet: str | None
) -> tuple[Profile, Columns] | None:
    """The bank's profile whose headings and marks a table has, else the generic one; None if none fits.

    Raises StatementUnreadable if two banks' profiles fit.
    """
    texts: list[str] = []
    for number, cells in rows:
        if sum(isinstance(cell, str) for cell in cells) >= _TITLE_CELLS_MIN:
            fitting = [
                (profile, columns)
                for profile in profiles
                if is_recognised(profile, texts, sheet)
                and (columns := find_columns(profile, (number, cells), sheet)) is not None
            ]
            chosen = _most_specific(fitting, Place(number, sheet))
            if chosen is not None:
                return chosen
        texts += [normalized(cell) for cell in cells if isinstance(cell, str)]
    return None


def _most_specific(fitting: Sequence[tuple[Profile, Columns]], place: Place) -> tuple[Profile, Columns] | None:
    of_banks = [each for each in fitting if each[0].name != GENERIC]
    marked = [each for each in of_banks if each[0].recognition.titles or each[0].recognition.sheets]
    for group in (marked, of_banks, fitting):
        if len(group) == 1:
            return group[0]
        if group:
            names = ", ".join(profile.name for profile, _ in group)
            raise StatementUnreadable(f"the table fits several profiles; name one of them: {names}", place)
    return None


def column_name(index: int) -> str:
    """The letters of a column, as a spreadsheet program shows them: A, B … Z, AA."""
    letters = ""
    number = index + 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def _match(profile: Profile, cells: Sequence[Cell]) -> tuple[dict[Role, list[int]], set[int]]:
    """The places of each role's headings; the first of its possible headings that occurs decides."""
    names: dict[str, list[int]] = {}
    for at, cell in enumerate(cells):
        if isinstance(cell, str):
            for name in _names(cell):
                names.setdefault(name, []).append(at)
    used: set[int] = set()
    found: dict[Role, list[int]] = {}
    for role, headings in profile.columns.items():
        for heading in headings:
            places = [at for at in names.get(heading, ()) if at not in used]
            if places:
                found[role] = places
                used.update(places)
                break
    return found, used


def _heading(cell: Cell) -> str:
    return read_text(cell)[:80]


def _begins(text: str, words: Iterable[str]) -> bool:
    return any(text == each or text.startswith(f"{each} ") for each in words)


def _contains(text: str, words: Iterable[str]) -> bool:
    padded = f" {text} "
    return any(f" {each} " in padded for each in words)


def _amount_near(cells: Sequence[Cell], following: Sequence[Cell], at: int, ends: Ends, place: Place) -> int:
    """The amount that belongs to words: behind their colon, or in the cell that the profile names."""
    label = cells[at]
    _, colon, written = str(label).rpartition(":")
    candidates: list[Cell] = [written.strip()] if colon and written.strip() else []
    if ends.value == "below":
        candidates += following[at : at + 1]
    else:
        right = list(cells[at + 1 :])
        candidates += right if ends.value == "right" else right[::-1]
    for cell in candidates:
        if isinstance(cell, CellError):
            raise StatementUnreadable(cell.why, place)
        try:
            value = read_dong(cell)
        except ValueUnreadable:
            continue
        if value is not None:
            return value
    raise StatementUnreadable(
        "states no amount that can be read; export the statement again and do not edit it",
        Place(place.row, place.sheet, _heading(label)),
    )


def _same(known: int | None, value: int, name: str, place: Place) -> int:
    if known is not None and known != value:
        raise StatementUnreadable(f"states another {name} than the lines above", place)
    return value

"""A bank statement and its lines, as every reader of a bank's file gives them, and the key of a line.

The readers are in `formats`; `running_balance` finds direction and order; `statement_chain` compares statements.
Amounts and balances are whole đồng; an account may be overdrawn, so a balance may be negative.
"""

from array import array
from bisect import bisect_left
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from hashlib import blake2b
from heapq import merge
from typing import NewType
from uuid import UUID

from billing.core.errors import InvalidValue
from billing.core.money import DONG_MAX, Dong
from billing.core.text import upper_without_marks

LineKey = NewType("LineKey", UUID)
"""The name of one statement line of one bank account (`line_key`)."""

TEXT_LENGTH_MAX = 4_000
"""Characters of the text of a line."""

KEYS_MAX = 500_000
"""Lines whose equals are counted at once (`OrdinalCounter`): 8 bytes for each, some 100 on the newest day."""

_PACKED_AT_LEAST = 1_000


class LineKind(StrEnum):
    """The nature of a line: a movement between our account and another, or a charge of the bank itself."""

    MOVEMENT = "movement"
    FEE = "fee"
    TAX = "tax"


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a value in a file.

    `row` is the row of the sheet as a spreadsheet program shows it, the line of a text file, or the number of an
    entry of camt.053, each counted from 1; `column` is the heading of the column.
    """

    row: int | None = None
    sheet: str | None = None
    column: str | None = None

    def __str__(self) -> str:
        parts = (
            f"sheet “{self.sheet}”" if self.sheet else "",
            f"row {self.row}" if self.row is not None else "",
            f"column “{self.column}”" if self.column else "",
        )
        return ", ".join(part for part in parts if part)


class StatementUnreadable(InvalidValue):
    """The file is refused whole: the place in it, the problem and the action. It names no value of the file."""

    code = "statement_unreadable"

    def __init__(self, detail: str, place: Place | None = None) -> None:
        self.place = place or Place()
        self.problem = detail
        super().__init__(f"{self.place}: {detail}" if str(self.place) else detail)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counterparty:
    """The other side of a movement as the bank names it; None for a part that the file does not state."""

    name: str | None = None
    account: str | None = None
    bank: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementHead:
    """The beginning of one statement of a file; its lines follow, then the complete `Statement`.

    `position` counts the statements of a file from 1: a file may hold several accounts. `sequence` is the number that
    the bank gives to the statement, None where the format has none. `columns` states for people the use of each column.
    """

    position: int
    profile: str
    bank_account_number: str
    currency: str
    sequence: str | None = None
    sheet: str | None = None
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One complete statement: the bank's list of movements of one account, oldest day to newest.

    opening + the sum of the lines = closing: the reader has checked it. The days are those that the file states,
    otherwise those of the first and last line. `line_count` is the number of lines, charge lines included.
    """

    position: int
    profile: str
    bank_account_number: str
    currency: str
    from_day: date
    to_day: date
    opening: Dong
    closing: Dong
    line_count: int
    sequence: str | None = None
    sheet: str | None = None

    def __post_init__(self) -> None:
        if self.from_day > self.to_day:
            raise InvalidValue("a statement ends on or after its first day")


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementLine:
    """One movement on a bank statement.

    `amount` is positive for money into our account, negative for money out of it, never 0. `balance` is the balance
    after the line, None where the file states none. `occurred_at` is the time of the movement with its zone, None
    where the file states a day only. `text` is the narrative in NFC with the bank's line breaks as spaces. `ordinal`
    numbers equal lines of one day from 1. `row` and `sheet` are the place in the file (`Place`).
    """

    row: int
    sheet: str | None
    booked_on: date
    value_on: date | None
    occurred_at: datetime | None
    amount: Dong
    balance: Dong | None
    text: str
    bank_reference: str | None
    counterparty: Counterparty | None
    kind: LineKind
    ordinal: int = 1

    def __post_init__(self) -> None:
        if self.amount == 0 or not -DONG_MAX <= self.amount <= DONG_MAX:
            raise InvalidValue(f"the amount of a statement line is not 0 and at most {DONG_MAX}")
        if self.ordinal < 1:
            raise InvalidValue("equal lines are counted from 1")


def line_key(bank_account_number: str, line: StatementLine) -> LineKey:
    """The key that recognises a line in another file, or when a file is imported again.

    It names the bank account, the booking day, the signed amount, the kind, the bank reference, the text, and the
    ordinal among lines that are equal in all of these. Marks, case, spaces and punctuation of the text do not count:
    editions of one statement differ in them. The balance does not count: some editions have none.
    Source: docs/reference/statements.md, section 3 (only a full key decides; equal lines are numbered among equals).
    """
    return LineKey(UUID(bytes=_digest(bank_account_number, line, line.ordinal)))


def line_key_hex(bank_account_number: str, line: StatementLine) -> str:
    """The key of a line as 32 hexadecimal digits, for files of many lines: a UUID takes as long as the key itself."""
    return _digest(bank_account_number, line, line.ordinal).hex()


class _DayCounts:
    """How often each key of a day occurred; `keys` are different."""

    __slots__ = ("_once", "_seen", "keys")

    def __init__(self) -> None:
        self.keys = 0
        self._seen: dict[int, int] = {}
        self._once = array("q")  # packed keys, in order; those that occur again are counted in `_seen`

    def add(self, key: int) -> int:
        """How often the key has occurred, this time included."""
        seen = self._seen.get(key, 0)
        if not seen and self._once:
            place = bisect_left(self._once, key)
            seen = int(place < len(self._once) and self._once[place] == key)
        self._seen[key] = seen + 1
        self.keys += not seen
        return seen + 1

    def pack(self) -> None:
        """Store the keys that occurred once in 8 bytes each. They take longer to find: for days that are over."""
        if len(self._seen) >= _PACKED_AT_LEAST:
            once = sorted(key for key, seen in self._seen.items() if seen == 1)
            self._once = array("q", merge(self._once, once))
            self._seen = {key: seen for key, seen in self._seen.items() if seen > 1}


class OrdinalCounter:
    """Numbers the equal lines of one account, day by day, in the order in which they occurred.

    Memory is bounded: above `keys_max` lines the counts of the oldest days are dropped, and a line that goes back to
    a dropped day is refused.
    """

    def __init__(self, *, keys_max: int = KEYS_MAX) -> None:
        self._keys_max = keys_max
        self._days: dict[date, _DayCounts] = {}
        self._keys = 0
        self._dropped_until: date | None = None

    def number(self, line: StatementLine) -> StatementLine:
        """The line with its ordinal. Raises StatementUnreadable."""
        # Shifted: Python gives -1 and -2 the same hash.
        key = hash((line.amount + DONG_MAX, line.kind, line.bank_reference, _compared(line.text)))
        counts = self._days.get(line.booked_on)
        if counts is None:
            counts = self._open(line)
        seen = counts.add(key)
        if seen > 1:
            return replace(line, ordinal=seen)
        self._keys += 1
        return line

    def continue_from(self, previous: "OrdinalCounter") -> None:
        """Count on from the lines of another counter, on each day of which no line was numbered here yet."""
        for day, counts in previous._days.items():
            if day not in self._days:
                self._days[day] = counts
                self._keys += counts.keys
        dropped = [day for day in (self._dropped_until, previous._dropped_until) if day is not None]
        self._dropped_until = max(dropped, default=None)

    def _open(self, line: StatementLine) -> _DayCounts:
        if self._dropped_until is not None and line.booked_on <= self._dropped_until:
            raise StatementUnreadable(
                "this line goes back to a day whose lines ended long before; sort the file by day",
                Place(line.row, line.sheet),
            )
        while self._keys > self._keys_max and self._days:
            oldest = min(self._days)
            self._keys -= self._days.pop(oldest).keys
            self._dropped_until = max(oldest, self._dropped_until or oldest)
        for counts in self._days.values():
            counts.pack()
        return self._days.setdefault(line.booked_on, _DayCounts())


def _digest(bank_account_number: str, line: StatementLine, ordinal: int) -> bytes:
    named = (
        f"{bank_account_number}\x1f{line.booked_on.toordinal()}\x1f{line.amount}\x1f{_KIND_NAMES[line.kind]}"
        f"\x1f{line.bank_reference or ''}\x1f{_compared(line.text)}\x1f{ordinal}"
    )
    return blake2b(named.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _compared(text: str) -> str:
    """The letters and digits of a text that count in its key. Most texts are ASCII, where bytes are much faster."""
    if text.isascii():
        return text.encode("ascii").translate(_ASCII_UPPER, _ASCII_DROPPED).decode("ascii")
    return text.translate(_COMPARED)


class _ComparedLetters(dict[int, str]):
    """For each character of a text what of it counts in a key; filled as characters occur, up to a bound.

    A table for `str.translate`: a text takes a tenth of the time that normalizing it as a whole takes.
    """

    def __missing__(self, code: int) -> str:
        counted = "".join(letter for letter in upper_without_marks(chr(code)) if letter.isalnum())
        if len(self) < _LETTERS_MAX:
            self[code] = counted
        return counted


_LETTERS_MAX = 10_000
_COMPARED = _ComparedLetters()
_ASCII_UPPER = bytes(range(256)).upper()
_ASCII_DROPPED = bytes(code for code in range(128) if not chr(code).isalnum())
_KIND_NAMES = {kind: kind.value for kind in LineKind}

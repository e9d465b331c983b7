"""A whole settlement file, read once into a temporary file: nothing of it is used before it is proved complete.

The lines leave it in chunks, in the order of the file, each with the key that recognises it in another report.
"""

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import BinaryIO

from billing.reconciliation.domain.file_import import KeyedSettlementLine, SettlementRefused, settlement_key
from billing.reconciliation.formats.cell_values import YEAR_MAX, YEAR_MIN
from billing.reconciliation.formats.chunk_file import ChunkFile
from providers.contract import Movement, SettlementLine, SettlementUnreadable

LINES_MAX = 3_000_000
"""Lines of a file: a byte of `statement_size_max` for each character of some hundred."""

_HASHES_AT_ONCE = 200_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpooledSettlement:
    """What a complete file holds; `amount` and `fee` are the sums of its lines, money out subtracted."""

    line_count: int
    amount: int
    fee: int
    paid_out_days: tuple[date, ...]


class SettlementSpool:
    """The lines of one file in a temporary file of the caller."""

    def __init__(self, file: BinaryIO) -> None:
        self._rows = ChunkFile(file)
        self._hashes = array("q")

    def read(self, lines: Iterable[SettlementLine]) -> SpooledSettlement:
        """Read every line of a file. It takes long: call it in a thread. Raises SettlementRefused."""
        amount = fee = 0
        days: set[date] = set()
        for line in _checked(lines):
            amount += line.amount if line.movement is Movement.RECEIVED else -line.amount
            fee += line.fee
            if line.paid_out_on is not None:
                days.add(line.paid_out_on)
            self._add(line)
        self._rows.flush()
        return SpooledSettlement(
            line_count=len(self._hashes), amount=amount, fee=fee, paid_out_days=tuple(sorted(days))
        )

    def chunks(self) -> Iterator[list[KeyedSettlementLine]]:
        """The lines in chunks, from the first on. Reads the temporary file: call it apart from the event loop."""
        seen = dict.fromkeys(_repeated(self._hashes), 0)
        hashes = iter(self._hashes)
        for chunk in self._rows.chunks():
            yield [_line(row, _ordinal(seen, next(hashes))) for row in chunk]

    def _add(self, line: SettlementLine) -> None:
        named = (line.movement.value, line.transaction, line.amount, line.fee)
        self._hashes.append(hash(named))
        at = line.occurred_at
        self._rows.add(
            (
                *named,
                line.reference or "",
                line.bank_reference,
                None if at is None else (at - _EPOCH) // _MICROSECOND,
                None if line.paid_out_on is None else line.paid_out_on.toordinal(),
                line.number,
            )
        )


def _checked(lines: Iterable[SettlementLine]) -> Iterator[SettlementLine]:
    try:
        for count, line in enumerate(lines):
            if count >= LINES_MAX:
                raise SettlementRefused(f"the file has more than {LINES_MAX} lines; nothing was imported")
            problem = _problem_of(line)
            if problem is not None:
                raise SettlementRefused(f"line {line.number}: {problem}; nothing was imported")
            yield line
    except SettlementUnreadable as refusal:
        raise SettlementRefused(f"the settlement file is refused: {refusal}; nothing was imported") from refusal


def _problem_of(line: SettlementLine) -> str | None:
    if line.amount <= 0 or line.fee < 0:
        return "an amount is above 0, and a fee is not below 0"
    if "\x00" in line.bank_reference or "\x00" in line.transaction or (line.reference and "\x00" in line.reference):
        return "a text has a NUL character"
    for day in (line.occurred_at, line.paid_out_on):
        if day is not None and not YEAR_MIN <= day.year <= YEAR_MAX:
            return f"a day is before {YEAR_MIN} or after {YEAR_MAX}"
    return None


def _repeated(hashes: "array[int]") -> set[int]:
    """The hashes that occur more than once: few. Each pass has a part of them, so that memory stays bounded."""
    parts = 1 + len(hashes) // _HASHES_AT_ONCE
    repeated: set[int] = set()
    for part in range(parts):
        seen: set[int] = set()
        for each in hashes:
            if each % parts == part:
                if each in seen:
                    repeated.add(each)
                seen.add(each)
    return repeated


def _ordinal(seen: dict[int, int], named: int) -> int:
    """The number of a line among its equals; `seen` counts those that have equals."""
    if named not in seen:
        return 1
    seen[named] += 1
    return seen[named]


def _line(row: tuple[str, str, int, int, str, str, int | None, int | None, int], ordinal: int) -> KeyedSettlementLine:
    movement, transaction, amount, fee, reference, bank_reference, occurred_at, paid_out_on, number = row
    return KeyedSettlementLine(
        settlement_key(movement, transaction, amount=amount, fee=fee, ordinal=ordinal),
        transaction,
        reference,
        movement,
        amount,
        fee,
        bank_reference,
        None if occurred_at is None else _EPOCH + occurred_at * _MICROSECOND,
        None if paid_out_on is None else date.fromordinal(paid_out_on),
        number,
    )

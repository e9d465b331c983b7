"""The list of disease annexes as CSV: one row per disease group; read completely or refused with all bad rows.

Columns: `annex` (I, II, III), `codes` (ICD-10 codes and ranges, ";" between: `C00-C97;D61`), `except` (the same, or
empty), `under_age` (years, or empty), `since` and `until` (yyyy-mm-dd; `until` may be empty), `name`. UTF-8.
Source: features of the annexes of Circular 01/2025/TT-BYT (B-046).
"""

import csv
import io
from collections.abc import Sequence
from datetime import date

from billing.core.errors import InvalidValue
from billing.core.text import LOOK_LIKE_LATIN, compose, is_garbled, normalize_heading
from billing.coverage.domain.annexes import Annex, Annexes, CodeRange, DiseaseRow
from billing.spreadsheets.guards import error_in, unprotect

COLUMNS = ("annex", "codes", "except", "under_age", "since", "until", "name")
ROWS_MAX = 5_000
_AGE_MAX = 150
_SHOWN_MAX = 20


class AnnexesUnreadable(InvalidValue):
    """The list has bad rows; `faults` are pairs of line number in the file and reason. No row is imported."""

    code = "annexes_unreadable"

    def __init__(self, faults: Sequence[tuple[int, str]]) -> None:
        supplied = "; ".join(f"line {line}: {reason}" for line, reason in faults[:_SHOWN_MAX])
        more = f"; and {len(faults) - _SHOWN_MAX} more" if len(faults) > _SHOWN_MAX else ""
        super().__init__(f"{supplied}{more}", field="annexes")
        self.faults = tuple(faults)


def read_annexes(content: bytes) -> Annexes:
    """Read a list of annexes. Raises AnnexesUnreadable naming every bad row, also for an empty list."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as cause:
        raise AnnexesUnreadable([(1, f"byte {cause.start} is not UTF-8")]) from cause
    reader = csv.DictReader(io.StringIO(text), strict=True)
    rows: list[DiseaseRow] = []
    faults: list[tuple[int, str]] = []
    try:
        reader.fieldnames = [normalize_heading(name).replace(" ", "_") for name in reader.fieldnames or ()]
        if tuple(reader.fieldnames) != COLUMNS:
            raise AnnexesUnreadable([(1, f"the columns must be {','.join(COLUMNS)}")])
        for row in reader:
            try:
                rows.append(_row(row))
            except (InvalidValue, ValueError) as refusal:
                faults.append((reader.line_num, str(refusal)))
            if len(rows) + len(faults) > ROWS_MAX:
                raise AnnexesUnreadable([(reader.line_num, f"at most {ROWS_MAX} rows")])
    except csv.Error as cause:
        raise AnnexesUnreadable([*faults, (reader.line_num, str(cause))]) from cause
    if not rows and not faults:
        faults.append((1, "no row"))
    if faults:
        raise AnnexesUnreadable(faults)
    return Annexes(tuple(rows))


def _row(row: dict[str, str | None]) -> DiseaseRow:
    if None in row or None in row.values():
        raise InvalidValue(f"{len(COLUMNS)} columns are expected")
    cells = {name: compose(unprotect((cell or "").strip())) for name, cell in row.items()}
    cells |= {name: cells[name].translate(LOOK_LIKE_LATIN) for name in ("annex", "codes", "except")}
    if why := next((why for cell in cells.values() if (why := error_in(cell))), ""):
        raise InvalidValue(why)
    if is_garbled(row["name"] or ""):
        raise InvalidValue(f"name {cells['name'][:80]!r} was saved in another encoding; save the file as CSV UTF-8")
    if cells["annex"] not in set(Annex):
        raise InvalidValue(f"annex {cells['annex']!r} is none of I, II, III")
    if cells["under_age"] and not (cells["under_age"].isdecimal() and 0 < int(cells["under_age"]) <= _AGE_MAX):
        raise InvalidValue(f"under_age {cells['under_age']!r} is not a number of years")
    return DiseaseRow(
        annex=Annex(cells["annex"]),
        codes=_ranges(cells["codes"]),
        excepted=_ranges(cells["except"]),
        under_age=int(cells["under_age"]) if cells["under_age"] else None,
        since=date.fromisoformat(cells["since"]),
        until=date.fromisoformat(cells["until"]) if cells["until"] else None,
        name=cells["name"],
    )


def _ranges(text: str) -> tuple[CodeRange, ...]:
    ranges = []
    for part in (part.strip() for part in text.split(";") if part.strip()):
        first, _, last = (piece.strip() for piece in part.replace("–", "-").partition("-"))
        ranges.append(CodeRange(first, last or first))
    return tuple(ranges)

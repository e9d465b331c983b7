"""The table of notes (bảng kê mệnh giá): fields of a form by denomination, subtotals and sum by the server."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

from billing.core.errors import InvalidValue
from billing.core.money import Dong
from billing.visit_accounts.domain.shift import DENOMINATIONS, count_cash
from billing.web.screens.forms import Form
from billing.web.screens.rendering import render_fragment

_NUMBER = re.compile(r"[0-9]{1,7}")


@dataclass(frozen=True, slots=True)
class NoteRow:
    """One denomination: the number of notes as typed, and what they are worth in đồng."""

    note: int
    typed: str
    worth: int

    @property
    def field(self) -> str:
        """The name of its field."""
        return f"n{self.note}"


@dataclass(frozen=True, slots=True)
class NoteTable:
    """The notes of a form or a count, the largest first."""

    rows: tuple[NoteRow, ...]
    total: Dong


def read_notes(form: Form) -> dict[str, int]:
    """The number of notes of each denomination; an empty field is 0. Raises InvalidValue."""
    counted = {}
    for note in DENOMINATIONS:
        text = form.text(f"n{note}")
        if not text:
            continue
        if _NUMBER.fullmatch(text) is None:
            raise InvalidValue(f"the number of notes of {note} is a whole number", field=f"n{note}")
        counted[str(note)] = int(text)
    return counted


def note_table(counted: Mapping[str, int], *, form: Form | None = None) -> NoteTable:
    """The table of counted notes; `form` shows what was typed where it cannot be read."""
    rows = []
    for note in DENOMINATIONS:
        number = counted.get(str(note), 0)
        typed = (form.text(f"n{note}") if form is not None else "") or (str(number) if number else "")
        rows.append(NoteRow(note, typed, note * number))
    return NoteTable(tuple(rows), count_cash(counted).cash)


def sums_fragment(request: web.Request, counted: Mapping[str, int], *, saved: bool) -> web.Response:
    """The subtotals and the sum, each for its place in the page; fields are not touched."""
    return render_fragment(request, "shift/sums_fragment.html", table=note_table(counted), is_saved=saved)

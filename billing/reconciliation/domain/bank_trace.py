"""A bank trace (tra soát): the question to a bank or provider where money is, with its documents and its deadline.

It has a life of its own: open, evidence requested, won or lost. Its exception stays open until a person decides it.
Source: docs/reconciliation.md, Bank traces.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Self
from uuid import UUID

from billing.core.errors import InvalidValue, Refused
from billing.core.ids import PersonId
from billing.core.money import Dong

_NOTE_MAX, _DOCUMENT_MAX = 2000, 255


class TraceState(StrEnum):
    """The progress of a trace; `won`: the money was found or paid, `lost`: the bank or provider refused."""

    OPEN = "open"
    EVIDENCE_REQUESTED = "evidence_requested"
    WON = "won"
    LOST = "lost"


_ENDED = (TraceState.WON, TraceState.LOST)

TRANSITIONS = frozenset(
    {
        (TraceState.OPEN, TraceState.EVIDENCE_REQUESTED),
        *((before, ended) for before in (TraceState.OPEN, TraceState.EVIDENCE_REQUESTED) for ended in _ENDED),
    }
)
"""The steps of a trace; every other pair is refused."""


class TraceChanged(Refused):
    """Another person changed or ended the trace since it was read."""

    code = "trace_changed"


class TraceOpen(Refused):
    """A trace of the exception is open."""

    code = "trace_open"


@dataclass(frozen=True, slots=True, kw_only=True)
class BankTrace:
    """A stored trace, in đồng; `owner` and `ender` are names."""

    id: UUID
    exception_id: UUID
    state: TraceState
    version: int
    amount: Dong
    owner_id: PersonId
    owner: str = ""
    due_on: date
    opened_at: datetime
    ended_at: datetime | None = None
    ended_by: PersonId | None = None
    ender: str | None = None

    @property
    def has_ended(self) -> bool:
        """Whether it was won or lost."""
        return self.state in _ENDED

    def step(self, state: TraceState, *, version: int, by: PersonId, at: datetime, due_on: date | None) -> Self:
        """The trace after a step. Raises TraceChanged, with person and time for an ended one."""
        if self.has_ended:
            raise TraceChanged(f"this trace was {self.state} at {self.ended_at:%Y-%m-%d %H:%M:%S} UTC by {self.ender}")
        if self.version != version:
            raise TraceChanged(f"this trace has version {self.version} now; read it and decide again")
        if (self.state, state) not in TRANSITIONS:
            raise TraceChanged(f"this trace is {self.state} already")
        ended = state in _ENDED
        return replace(
            self,
            state=state,
            version=self.version + 1,
            due_on=due_on or self.due_on,
            ended_at=at if ended else None,
            ended_by=by if ended else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTraceNote:
    """A note with the name or number of its document; `step` is the state that the trace gets with it."""

    text: str
    document: str = ""
    step: TraceState | None = None


def read_note(text: str, document: str, *, step: TraceState | None = None) -> NewTraceNote:
    """A note as stored. Raises InvalidValue."""
    note, name = text.strip(), " ".join(document.split())
    if not 1 <= len(note) <= _NOTE_MAX:
        raise InvalidValue(f"a note has 1 to {_NOTE_MAX} characters", field="text")
    if len(name) > _DOCUMENT_MAX:
        raise InvalidValue(f"the name of a document has at most {_DOCUMENT_MAX} characters", field="document")
    return NewTraceNote(text=note, document=name, step=step)

"""Traces: the spans that this process records, and how they belong together. Off until `start` is called.

A trace begins at an entry point (`begin_trace`): an HTTP request, a pass of the worker. A part of these is recorded.
`span` records a step of a recorded trace and does nothing outside one, so that an inner module needs no setting. The
recorder (`trace_export.py`) sends what has ended. A field is a number or a name of the code, never a value of a person,
an SQL value, an address or an error message; `SpanFields` lists all fields. Source: docs/decisions/0028-traces.md.
"""

import re
import sys
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import Enum
from random import Random
from time import time_ns
from types import FrameType, TracebackType
from typing import Protocol, Self, TypedDict, Unpack
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceTarget:
    """Where a process sends its traces: the collector's address, headers with their secrets, and the recorded part."""

    endpoint: str
    headers: Mapping[str, str] = field(repr=False)
    ratio: float
    service: str


class SpanKind(Enum):
    """A step of this process, a request to it, or a request of it to another program."""

    INTERNAL = "internal"
    SERVER = "server"
    CLIENT = "client"


class SpanFields(TypedDict, total=False):
    """Every field that a span may have."""

    organization_id: int
    account_id: UUID
    request_id: str
    method: str
    route: str
    status: int
    count: int
    error: str


class NoSpan:
    """In the place of a span that is not recorded: does nothing."""

    __slots__ = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Do nothing."""

    def set(self, **fields: Unpack[SpanFields]) -> None:
        """Do nothing."""


class Span(NoSpan):
    """A recorded span: the current one while its block runs, sent after it. Times are in ns since 1970."""

    __slots__ = (
        "_outer",
        "began_ns",
        "ended_ns",
        "fields",
        "id",
        "kind",
        "links",
        "name",
        "parent_id",
        "trace_id",
    )

    def __init__(
        self,
        name: str,
        kind: SpanKind,
        fields: SpanFields,
        *,
        trace_id: int,
        parent_id: int,
        links: "tuple[Span, ...]" = (),
    ) -> None:
        self.name, self.kind, self.fields, self.links = name, kind, fields, links
        self.trace_id, self.parent_id = trace_id, parent_id
        self.id = _random.getrandbits(64) or 1
        self.began_ns = time_ns()
        self.ended_ns = 0
        self._outer: Span | None = None

    def __enter__(self) -> Self:
        self._outer = _current.get()
        _current.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the span; of an error only its type is recorded."""
        if kind is not None:
            self.fields["error"] = kind.__name__
        self.ended_ns = max(time_ns(), self.began_ns)  # the clock may be set back
        _current.set(self._outer)  # not reset(token): a generator may end in another context
        if _recorder is not None:
            _recorder.record(self)

    def set(self, **fields: Unpack[SpanFields]) -> None:
        """Set further fields."""
        self.fields.update(fields)


class Recorder(Protocol):
    """Takes ended spans; never blocks and never raises. `lost` counts the spans that it could not send."""

    @property
    def lost(self) -> int: ...

    def record(self, span: Span) -> None: ...


NO_SPAN = NoSpan()
_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-01")
_random = Random()  # noqa: S311 - no secret depends on these ids
_current: ContextVar[Span | None] = ContextVar("span", default=None)
_recorder: Recorder | None = None
_ratio = 0.0


def start(recorder: Recorder, *, ratio: float) -> None:
    """Record this part of the traces of the process from now on."""
    global _recorder, _ratio
    assert _recorder is None, "a process sends its traces to one place"
    _recorder, _ratio = recorder, ratio


def stop() -> None:
    """Record nothing from now on."""
    global _recorder  # noqa: PLW0603 - a state of the process
    _recorder = None


def is_on() -> bool:
    """Whether this process records traces."""
    return _recorder is not None


def spans_lost() -> int:
    """How many ended spans of this process were not sent."""
    return 0 if _recorder is None else _recorder.lost


def begin_trace(name: str, kind: SpanKind = SpanKind.INTERNAL, **fields: Unpack[SpanFields]) -> NoSpan:
    """A new trace, or no span if it is not among the recorded ones."""
    if _recorder is None:
        return NO_SPAN
    if _random.random() >= _ratio:
        _current.set(None)  # this task may have begun within another trace
        return NO_SPAN
    return Span(name, kind, fields, trace_id=_random.getrandbits(128) or 1, parent_id=0)


def continue_trace(traceparent: str | None, name: str, kind: SpanKind, **fields: Unpack[SpanFields]) -> NoSpan:
    """The trace of another process of ours, by its header; no span if that process does not record it."""
    found = _TRACEPARENT.fullmatch(traceparent or "")
    if _recorder is None or found is None:
        return NO_SPAN
    return Span(name, kind, fields, trace_id=int(found[1], 16), parent_id=int(found[2], 16))


def current_span() -> Span | None:
    """The recorded span that runs now. A task that outlives the trace in which it began is in none."""
    current = _current.get()
    return None if current is None or current.ended_ns else current


def span(name: str, kind: SpanKind = SpanKind.INTERNAL, **fields: Unpack[SpanFields]) -> NoSpan:
    """A step of the current span, if one is recorded."""
    parent = current_span()
    if parent is None:
        return NO_SPAN
    return Span(name, kind, fields, trace_id=parent.trace_id, parent_id=parent.id)


def shared_span(name: str, waiting: Sequence[Span | None]) -> NoSpan:
    """A step that several spans of other tasks wait for: in the trace of the first, linked to those of the others.

    Its count is that of all that wait, recorded or not.
    """
    parents = [each for each in waiting if each is not None]
    if not parents:
        return NO_SPAN
    first, *others = parents
    fields = SpanFields(count=len(waiting))
    return Span(name, SpanKind.INTERNAL, fields, trace_id=first.trace_id, parent_id=first.id, links=tuple(others))


def transaction_span() -> NoSpan:
    """A database transaction, named by the function that needs it; the stack is read only if it is recorded."""
    return NO_SPAN if current_span() is None else span(f"transaction {_use_case()}", SpanKind.CLIENT)


def traceparent() -> str | None:
    """The header by which another process of ours continues the current trace (W3C Trace Context)."""
    current = current_span()
    return None if current is None else f"00-{current.trace_id:032x}-{current.id:016x}-01"


def _use_case() -> str:
    """The innermost function on the stack that is of billing and neither of its database access nor of a store."""
    frame: FrameType | None = sys._getframe(1)
    nearest = ""
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module.startswith("billing.") and not module.startswith(("billing.tracing", "billing.db.")):
            name = f"{module.removeprefix('billing.')}.{frame.f_code.co_qualname}"
            if ".store." not in module:
                return name
            nearest = nearest or name
        frame = frame.f_back
    return nearest or "unknown"

"""Logs: past-tense facts with ids, on stderr; and the masks that keep people and secrets out of them.

Everything that is logged, by us or by a library, passes `mask_forbidden` and `render_exceptions`. They are a second
line: the author of a log line leaves such values out (STYLE.md).

A log call never raises, in either format: a value that cannot be written is replaced by its type, a line that cannot
be rendered by a short line `log_line_failed`, and a line that the stream refuses is counted in `lines_lost`. A full
disk or a closed pipe must not stop the booking of money.
"""

import json
import logging
import math
import re
import sys
from collections import deque
from collections.abc import Callable, Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from itertools import islice
from traceback import walk_tb
from types import TracebackType
from typing import Any, TextIO, cast
from uuid import UUID

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from billing.core.errors import BillingError
from billing.tracing import current_span

MASK = "***"

_FORBIDDEN_WORDS = frozenset(
    {
        *("name", "names", "patient", "patients", "payer", "payers", "birth", "phone", "address", "email", "identity"),
        *("card", "cards", "diagnosis", "xml", "body", "bodies", "content", "text"),
        *("secret", "secrets", "signature", "password", "passwords", "token", "tokens", "authorization", "cookie"),
        *("url", "dsn"),
    }
)
_MEASURES = ("_id", "_count", "_size", "_length", "_ms", "_s", "_max", "_dong")
_PLAIN = (Decimal, UUID, date, time, timedelta, Enum)
_BARE = frozenset({str, bool, type(None)})
_INTEGER_BITS_MAX = 256
_INTEGER_MAX = 1 << _INTEGER_BITS_MAX
_DEPTH_MAX = 8
_VALUES_MAX = 1_000
_TEXT_LENGTH_MAX = 20_000
_BOOKKEEPING = frozenset({"_record", "_from_structlog"})
"""Keys of structlog itself; they are removed before a line is written."""

_FRAMES_MAX = 12
_CAUSES_MAX = 5
_METHODS = (
    *("debug", "info", "msg", "warning", "warn", "error", "exception", "critical", "fatal", "log"),
    *("adebug", "ainfo", "amsg", "awarning", "awarn", "aerror", "aexception", "acritical", "afatal", "alog"),
)

_lost = 0


def lines_lost() -> int:
    """How many lines the stream of this process refused since its start; nothing else shows them."""
    return _lost


def configure_logs(*, is_json: bool, stream: TextIO | None = None, level: int = logging.INFO) -> None:
    """Send every log of this process, ours and the libraries', to one stream, or to stderr, in one form.

    Our own lines go straight to the stream; only the libraries' pass through the standard library's logging.
    """
    stream = stream or sys.stderr
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        _add_trace_id,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        render_exceptions,
        mask_forbidden,
    ]
    renderer = _json_renderer if is_json else _console_renderer(is_colored=_is_terminal(stream))
    structlog.configure(
        processors=[_add_logger_name, *shared, renderer],
        logger_factory=lambda name=None: _Lines(stream, name),
        wrapper_class=_guarded(structlog.make_filtering_bound_logger(level)),
        cache_logger_on_first_use=True,
    )
    handler = _LibraryLines(_Lines(stream, None))
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
            keep_exc_info=False,
            keep_stack_info=False,
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # Addresses of requests carry keys and names of others; our own middleware logs the requests.
    for library in ("aiohttp.access", "httpx", "httpcore"):
        logging.getLogger(library).setLevel(logging.WARNING)


class _Lines:
    """Whole lines on one stream, and the name of the module that writes them. Writing never raises."""

    def __init__(self, stream: TextIO, name: str | None) -> None:
        self._stream = stream
        self.name = name

    def msg(self, line: object) -> None:
        """Write one line; where the stream refuses it, count it."""
        global _lost  # noqa: PLW0603 - a count of the process
        try:
            text = f"{line}\n"
            try:
                self._stream.write(text)
            except UnicodeEncodeError:
                encoding = getattr(self._stream, "encoding", None) or "ascii"
                self._stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
            self._stream.flush()
        except Exception:  # noqa: BLE001 - closed, broken, full: nobody who logs can help it
            _lost += 1

    log = debug = info = warn = warning = error = critical = fatal = failure = err = exception = msg


class _LibraryLines(logging.Handler):
    """What libraries log, on the same stream; a record that cannot be written is named without its words."""

    def __init__(self, lines: _Lines) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
        except Exception as error:  # noqa: BLE001 - a logger never raises, and the standard library would show the record
            line = _failed_line(record.levelname, record.name, error)
        self._lines.msg(line)


def _guarded(base: type[Any]) -> type[Any]:
    """The class of our loggers whose log methods never raise, whatever they are given."""

    def guard(name: str) -> Callable[..., Any]:
        unguarded = getattr(base, name)

        def method(self: Any, *arguments: Any, **fields: Any) -> Any:
            try:
                return unguarded(self, *arguments, **fields)
            except Exception as error:  # noqa: BLE001 - a logger never raises
                _write_failed_line(self._logger, name, arguments, error)
                return None

        async def async_method(self: Any, *arguments: Any, **fields: Any) -> Any:
            try:
                return await unguarded(self, *arguments, **fields)
            except Exception as error:  # noqa: BLE001 - a logger never raises
                _write_failed_line(self._logger, name, arguments, error)
                return None

        return async_method if name.startswith("a") else method

    return type(f"Guarded{base.__name__}", (base,), {name: guard(name) for name in _METHODS})


def _write_failed_line(lines: _Lines, level: str, arguments: tuple[Any, ...], error: Exception) -> None:
    global _lost  # noqa: PLW0603 - a count of the process
    try:
        event = arguments[0] if arguments else None
        lines.msg(_failed_line(level, event if type(event) is str else None, error))
    except Exception:  # noqa: BLE001 - no frame left, no memory left
        _lost += 1


def _failed_line(level: str, event: str | None, error: Exception) -> str:
    """A line in the place of one that could not be rendered: which event it was, and why; none of its values."""
    shown = None if event is None else event[:200]
    line = {"event": "log_line_failed", "level": level.lower(), "of": shown, "error": type(error).__name__}
    return json.dumps(line)


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except Exception:  # noqa: BLE001 - a closed stream cannot report
        return False


def _add_trace_id(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Name the trace, where one is recorded."""
    span = current_span()
    if span is not None:
        event["trace_id"] = f"{span.trace_id:032x}"
    return event


def _add_logger_name(logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    if logger.name is not None:
        event["logger"] = logger.name
    return event


_JSON = json.JSONEncoder(ensure_ascii=False, default=lambda value: f"<{type(value).__name__}>")


def _json_renderer(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    return _JSON.encode(event)


def _console_renderer(*, is_colored: bool) -> Processor:
    """Lines for people. structlog's renderer wants the exception as text, and texts for the keys it knows."""
    console = structlog.dev.ConsoleRenderer(colors=is_colored)

    def render(logger: WrappedLogger, method: str, event: EventDict) -> str:
        rendered = event.get("exception")
        lines = (
            _lines_of(rendered)
            if isinstance(rendered, list) and all(isinstance(one, dict) for one in rendered)
            else None
        )
        for key in ("event", "exception", "stack", "level", "logger", "timestamp"):
            if key in event and type(event[key]) is not str:
                event[key] = _JSON.encode(event[key])
        shown = {_on_one_line(key): _on_one_line(value) for key, value in event.items()}
        if lines is not None:
            shown["exception"] = "\n".join(str(_on_one_line(line)) for line in lines)
        return console(logger, method, shown)

    return render


# C0 and C1 controls, line ends of Unicode, and what turns the direction of writing.
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def _on_one_line(value: Any) -> Any:
    """A value for the console in which no text ends the line, moves the cursor or turns the direction of writing."""
    if isinstance(value, str):
        return _CONTROLS.sub(lambda found: found.group().encode("unicode_escape").decode(), value)
    if isinstance(value, dict):
        return {_on_one_line(key): _on_one_line(inner) for key, inner in value.items()}
    return [_on_one_line(inner) for inner in value] if isinstance(value, list) else value


def _lines_of(chain: list[dict[str, Any]]) -> list[str]:
    """An exception for people: each error with its fields, then the places it passed, innermost last."""
    lines = []
    for number, one in enumerate(chain):
        words = [str(one.get("type")), *(f"{key}={one[key]}" for key in one if key not in ("type", "at"))]
        lines.append(("because of " if number else "") + " ".join(words))
        lines += [f"  {place}" for place in one.get("at", ())]
    return lines


def mask_forbidden(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Mask the values of forbidden keys, at any depth, and log only the type of a value that is not plain.

    A key is forbidden by one of its words (`payer_account`), unless it ends as a measure or an id (`body_size`). What
    is left holds texts, numbers, lists and mappings alone: no code of a value runs when the line is rendered.
    """
    masking = _Masking()
    return {
        key: value if key in _BOOKKEEPING or _is_plain(key, value) else masking.masked(key, value, 0)
        for key, value in event.items()
    }


def _is_plain(key: str, value: object) -> bool:
    """Whether a value can be written as it is: nearly all are, and a line is written for each request."""
    if _is_forbidden(key):
        return False
    kind = type(value)
    if kind is str:
        return len(cast("str", value)) <= _TEXT_LENGTH_MAX
    if kind is int:
        return -_INTEGER_MAX < cast("int", value) < _INTEGER_MAX
    return kind is float and math.isfinite(cast("float", value))


def render_exceptions(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace an exception by its type, our code or its SQLSTATE, and its place; never by its words.

    An SQL error's words carry the row (`Key (name)=(…) already exists`), a parser's the input. The sentences of a
    BillingError are free of both by contract and are logged.
    """
    error = event.pop("exc_info", None)
    if isinstance(error, tuple):
        error = error[1] if len(error) > 1 else None
    elif error is not None and not isinstance(error, BaseException):
        error = sys.exc_info()[1] if error else None
    if isinstance(error, BaseException):
        event["exception"] = _chain(error)
    event.pop("stack_info", None)
    return event


class _Masking:
    """Masks the values of one line. Depth and number are limited, so that a circular value ends."""

    def __init__(self) -> None:
        self._left = _VALUES_MAX

    def masked(self, key: str, value: object, depth: int) -> object:
        self._left -= 1
        if value is not None and _is_forbidden(key):
            return MASK
        if type(value) in _BARE:
            return value[:_TEXT_LENGTH_MAX] if type(value) is str else value
        if depth > _DEPTH_MAX or self._left < 0:
            return "<too much>"
        try:
            return self._masked(key, value, depth)
        except Exception:  # noqa: BLE001 - a value that cannot even be looked at
            return f"<{type(value).__name__}>"

    def _masked(self, key: str, value: object, depth: int) -> object:
        if isinstance(value, Mapping):
            shown = {}
            for inner, item in islice(value.items(), max(self._left, 0)):
                name = inner if type(inner) is str else _plain(inner)
                shown[str(name)] = self.masked(str(name), item, depth + 1)
            return shown
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self.masked(key, item, depth + 1) for item in islice(value, max(self._left, 0))]
        return _plain(value)


def _plain(value: object) -> str | int | float | bool | None:
    """A number or text as it is, a date, id or the like as text, and of everything else only the type."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)[:_TEXT_LENGTH_MAX]
    if isinstance(value, int):
        number = int.__int__(value)
        return number if number.bit_length() <= _INTEGER_BITS_MAX else f"<int of {number.bit_length()} bits>"
    if isinstance(value, float):
        number_or_none = float.__float__(value)
        return number_or_none if math.isfinite(number_or_none) else float.__repr__(number_or_none)
    return str(value)[:_TEXT_LENGTH_MAX] if isinstance(value, _PLAIN) else f"<{type(value).__name__}>"


@lru_cache(maxsize=1024)
def _is_forbidden(key: str) -> bool:
    lowered = key.lower()
    return not lowered.endswith(_MEASURES) and not _FORBIDDEN_WORDS.isdisjoint(lowered.replace("-", "_").split("_"))


def _chain(error: BaseException) -> list[dict[str, Any]]:
    """The error and what it came from, at most five; of a group its first members as well."""
    rendered: list[dict[str, Any]] = []
    following: deque[BaseException] = deque([error])
    seen: set[int] = set()
    while following and len(rendered) < _CAUSES_MAX:
        current = following.popleft()
        if id(current) in seen:
            continue
        seen.add(id(current))
        rendered.append(_one_error(current))
        if isinstance(current, BaseExceptionGroup):
            following.extend(current.exceptions[:_CAUSES_MAX])
        cause = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
        if cause is not None:
            following.append(cause)
    return rendered


def _one_error(error: BaseException) -> dict[str, Any]:
    one: dict[str, Any] = {"type": type(error).__name__, "at": _frames(error.__traceback__)}
    if isinstance(error, BillingError):
        one |= {"code": _attribute(error, "code"), "detail": _attribute(error, "detail")}
    for name, attribute in (("sqlstate", "sqlstate"), ("constraint", "constraint_name"), ("errno", "errno")):
        value = _attribute(error, attribute)
        if isinstance(value, (str, int)):
            one[name] = value
    return one


def _attribute(error: BaseException, name: str) -> object:
    try:
        return getattr(error, name, None)
    except Exception:  # noqa: BLE001 - an attribute that fails is left out
        return None


def _frames(trace: TracebackType | None) -> list[str]:
    """Where the error passed, innermost last. The sources are not read: a log line must not wait for a disk."""
    frames = deque(walk_tb(trace), maxlen=_FRAMES_MAX)
    return [f"{frame.f_code.co_filename}:{line} {frame.f_code.co_name}" for frame, line in frames]

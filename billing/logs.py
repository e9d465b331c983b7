"""Logs: past-tense facts with ids, on stderr; and the wall that keeps people and secrets out of them.

Everything that is logged, by us or by a library, passes `mask_forbidden` and `tell_exceptions`. They are a second
line: whoever writes a log line leaves such values out (STYLE.md).
"""

import json
import logging
import sys
import traceback
from collections.abc import Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from types import TracebackType
from typing import Any, TextIO
from uuid import UUID

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from billing.domain.errors import BillingError

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
_PLAIN = (str, bool, int, float, Decimal, UUID, date, time, timedelta, Enum, type(None))
_BARE = frozenset({str, bool, int, float, type(None)})
_FRAMES_MAX = 12


def configure_logs(*, is_json: bool, stream: TextIO = sys.stderr, level: int = logging.INFO) -> None:
    """Send every log of this process, ours and the libraries', to one stream in one form.

    Our own lines go straight to the stream; only the libraries' pass through the standard library's logging.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        tell_exceptions,
        mask_forbidden,
    ]
    renderer: Processor = (
        structlog.processors.JSONRenderer(serializer=_write_json)
        if is_json
        else structlog.dev.ConsoleRenderer(colors=stream.isatty())
    )
    structlog.configure(
        processors=[_add_logger_name, *shared, renderer],
        logger_factory=lambda name=None: _Lines(stream, name),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
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
    # Addresses of requests carry keys and names of others; the requests are told by our own middleware.
    for library in ("aiohttp.access", "httpx", "httpcore"):
        logging.getLogger(library).setLevel(logging.WARNING)


class _Lines(structlog.WriteLogger):
    """Whole lines on one stream, and the name of the module that writes them."""

    def __init__(self, stream: TextIO, name: str | None) -> None:
        super().__init__(stream)
        self.name = name


def _add_logger_name(logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    if logger.name is not None:
        event["logger"] = logger.name
    return event


_JSON = json.JSONEncoder(ensure_ascii=False, default=repr)


def _write_json(event: EventDict, **_: object) -> str:
    return _JSON.encode(event)


def mask_forbidden(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Mask the values of forbidden keys, at any depth, and tell only the type of a value that is not plain.

    A key is forbidden by one of its words (`payer_account`), unless it ends as a measure or an id (`body_size`).
    """
    return {key: _masked(key, value) for key, value in event.items()}


def tell_exceptions(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace an exception by its type, our code or its SQLSTATE, and its place; never by its words.

    An SQL error's words carry the row (`Key (name)=(…) already exists`), a parser's the input. The sentences of a
    BillingError are free of both by contract and are told.
    """
    error = event.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()[1]
    if isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        event["exception"] = _chain(error)
    event.pop("stack_info", None)
    return event


def _masked(key: str, value: object) -> object:
    if _is_forbidden(key) and value is not None:
        return MASK
    if type(value) in _BARE:
        return value
    if isinstance(value, Mapping):
        return {str(inner): _masked(str(inner), item) for inner, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_masked(key, item) for item in value]
    if isinstance(value, _PLAIN):
        return value if isinstance(value, (str, bool, int, float, type(None))) else str(value)
    # structlog's own bookkeeping is no part of the line.
    return value if key.startswith("_") else f"<{type(value).__name__}>"


@lru_cache(maxsize=1024)
def _is_forbidden(key: str) -> bool:
    lowered = key.lower()
    return not lowered.endswith(_MEASURES) and not _FORBIDDEN_WORDS.isdisjoint(lowered.replace("-", "_").split("_"))


def _chain(error: BaseException) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = []
    following: BaseException | None = error
    while following is not None and len(told) < 5:
        one: dict[str, Any] = {"type": type(following).__name__, "at": _frames(following.__traceback__)}
        if isinstance(following, BillingError):
            one |= {"code": following.code, "detail": following.detail}
        for attribute in ("sqlstate", "constraint"):
            value = getattr(following, attribute + "_name" if attribute == "constraint" else attribute, None)
            if isinstance(value, str):
                one[attribute] = value
        told.append(one)
        following = following.__cause__ or (None if following.__suppress_context__ else following.__context__)
    return told


def _frames(trace: TracebackType | None) -> list[str]:
    frames = traceback.extract_tb(trace)[-_FRAMES_MAX:]
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]

"""Logs: one form for everything, and no person or secret in any of it."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
import structlog

from billing.core.errors import Refused
from billing.logs import configure_logs, lines_lost

DELIVERY = UUID(int=7)


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    stream = io.StringIO()
    configure_logs(is_json=True, stream=stream)
    yield stream
    root.handlers[:], root.level = before
    structlog.reset_defaults()


def line_of(stream: io.StringIO) -> dict[str, Any]:
    line: dict[str, Any] = json.loads(stream.getvalue().splitlines()[-1])
    return line


def test_event_is_logged_with_its_ids_and_time(stream: io.StringIO) -> None:
    with structlog.contextvars.bound_contextvars(organization=1):
        structlog.get_logger("billing.test").info("payment_confirmed", amount_dong=150_000, delivery=DELIVERY)

    line = line_of(stream)
    assert str(line.pop("timestamp")).endswith("Z")
    assert line == {
        "event": "payment_confirmed",
        "level": "info",
        "logger": "billing.test",
        "organization": 1,
        "amount_dong": 150_000,
        "delivery": str(DELIVERY),
    }


@dataclass
class Visitor:
    full_name: str


def test_forbidden_values_are_masked_at_any_depth(stream: io.StringIO) -> None:
    structlog.get_logger().warning(
        "told_too_much",
        payer_account="0123hidden",
        card="hidden",
        headers={"X-Signature": "hidden", "date": "kept"},
        rows=[{"patient_name": "hidden"}],
        visitor=Visitor("hidden"),
        raw=b"hidden",
        body_size=12,
    )

    line = line_of(stream)
    assert "hidden" not in stream.getvalue()
    assert line["headers"] == {"X-Signature": "***", "date": "kept"}
    assert (line["visitor"], line["raw"], line["body_size"]) == ("<Visitor>", "<bytes>", 12)


def test_exception_is_logged_by_type_and_place_without_its_message(stream: io.StringIO) -> None:
    try:
        try:
            raise ValueError("Key (name)=(hidden) already exists")
        except ValueError as cause:
            raise Refused("the invoice is paid") from cause
    except Refused as error:
        structlog.get_logger().error("request_failed", exc_info=error)

    line = line_of(stream)
    assert "hidden" not in stream.getvalue()
    outer, inner = line["exception"]
    assert (outer["type"], outer["code"], outer["detail"]) == ("Refused", "refused", "the invoice is paid")
    assert inner["type"] == "ValueError"
    assert "test_logs.py" in inner["at"][-1]


def test_log_of_a_library_passes_the_same_masks(stream: io.StringIO) -> None:
    try:
        raise KeyError("hidden")
    except KeyError:
        logging.getLogger("aiohttp.server").exception("Error handling request", extra={"body": "hidden"})

    line = line_of(stream)
    assert "hidden" not in stream.getvalue()
    assert (line["event"], line["logger"]) == ("Error handling request", "aiohttp.server")
    assert line["exception"][0]["type"] == "KeyError"


def test_console_is_for_people() -> None:
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    stream = io.StringIO()
    configure_logs(is_json=False, stream=stream)
    try:
        structlog.get_logger().info("service_started", port=8080)
    finally:
        root.handlers[:], root.level = before
        structlog.reset_defaults()

    assert "service_started" in stream.getvalue()
    assert "port=8080" in stream.getvalue()


# --------------------------------------------------------------- a logger never raises


@pytest.fixture(params=["json", "console"])
def either(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    """The stream of logs in each of the two formats."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    stream = io.StringIO()
    configure_logs(is_json=request.param == "json", stream=stream)
    yield stream
    root.handlers[:], root.level = before
    structlog.reset_defaults()


def library() -> logging.Logger:
    """The logger of a library with our handler alone: the handlers of the test runner do raise."""
    logger = logging.Logger("library")
    logger.handlers[:] = [each for each in logging.getLogger().handlers if type(each).__module__ == "billing.logs"]
    assert logger.handlers
    return logger


class Hostile:
    """A value no code of which may run."""

    def __repr__(self) -> str:
        raise RuntimeError("hidden")

    __str__ = __repr__

    def __hash__(self) -> int:
        return 1

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("hidden")


class HostileText(str):
    def __repr__(self) -> str:
        raise RuntimeError("hidden")

    __str__ = __repr__


class HostileError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("hidden")

    __repr__ = __str__

    @property
    def sqlstate(self) -> str:
        raise RuntimeError("hidden")


class HostileMapping(dict[str, object]):
    def items(self) -> Any:
        raise RuntimeError("hidden")


def circular() -> list[object]:
    inner: dict[str, object] = {}
    outer: list[object] = [inner, inner]
    inner["outer"] = outer
    inner["own"] = inner
    return outer


def chained() -> Exception:
    error = ValueError("hidden")
    other = KeyError("hidden")
    error.__cause__, other.__cause__ = other, error
    return ExceptionGroup("hidden", [error, other, HostileError()])


def test_exception_is_written_in_either_format(either: io.StringIO) -> None:
    try:
        raise ValueError("hidden")
    except ValueError as error:
        structlog.get_logger("own").error("loop_failed", exc_info=error, loop="seal")
        structlog.get_logger("own").exception("loop_failed_again")
        structlog.get_logger("own").error("loop_failed_too", exc_info=(type(error), error, error.__traceback__))
        library().error("library failed", exc_info=True)

    written = either.getvalue()
    for event in ("loop_failed", "loop_failed_again", "loop_failed_too", "library failed"):
        assert event in written
    assert written.count("ValueError") == 4
    assert written.count("test_logs.py") == 4
    assert "hidden" not in written
    assert "log_line_failed" not in written


VALUES: dict[str, Callable[[], object]] = {
    "hostile": Hostile,
    "text": lambda: HostileText("a text"),
    "mapping": lambda: HostileMapping(a=1),
    "in a list": lambda: [Hostile()],
    "as a key": lambda: {Hostile(): Hostile()},
    "circular": circular,
    "huge number": lambda: 10**6000,
    "nan": lambda: float("nan"),
    "infinite": lambda: float("-inf"),
    "surrogate": lambda: "\udcff\x00\r\n",
    "bytes": lambda: b"\xff",
    "class": lambda: object,
    "function": lambda: lambda: None,
    "iterator": lambda: iter([1]),
    "mixed": lambda: {"a": {1, 2}, 3: [None]},
    "deep": lambda: [[[[[[[[[[[["deep"]]]]]]]]]]]],
    "long": lambda: list(range(100_000)),
    "error": HostileError,
    "chain": chained,
    "empty": lambda: (),
}
"""Made inside the test: the test runner looks at its parameters."""


@pytest.mark.parametrize("name", VALUES)
def test_any_value_is_logged_without_raising(either: io.StringIO, name: str) -> None:
    value: Any = VALUES[name]()
    own = structlog.get_logger("own")

    own.info("with_value", value=value, inner=[value], _private=value)
    own.error("with_exception", exc_info=value)
    own.warning("with_fields", exception=value, stack=value, level=value, logger=value, timestamp=value)
    own.info(value)
    own.bind(kept=value).info("bound")
    library().warning("with %s", value)
    library().warning(value)
    library().error("error", exc_info=value)

    written = either.getvalue()
    for event in ("with_value", "with_exception", "with_fields", "bound"):
        assert event in written
    assert len(written) < 400_000


def test_call_out_of_form_is_logged_without_raising(either: io.StringIO) -> None:
    own = structlog.get_logger("own")

    own.info("two %s of %s", 1)
    own.info("none", 1, 2)
    own.info()
    own.log("no level", "event")
    own.error("no_error", exc_info=True)
    library().warning("two %s of %s", *[1])
    library().warning("number %d", *["hidden"])

    assert "log_line_failed" in either.getvalue()
    assert "hidden" not in either.getvalue()


def test_log_at_the_end_of_the_stack_does_not_raise(either: io.StringIO) -> None:
    own = structlog.get_logger("own")
    own.info("warm")

    def deeper() -> int:
        try:
            return deeper() + 1
        except RecursionError as error:
            own.error("too_deep", exc_info=error)
            return 0

    lost = lines_lost()
    deeper()

    assert "too_deep" in either.getvalue() or lines_lost() == lost + 1


class FullDisk(io.StringIO):
    def write(self, _text: str) -> int:
        raise OSError(28, "No space left on device")


class Ascii(io.TextIOWrapper):
    def __init__(self) -> None:
        self.bytes = io.BytesIO()
        super().__init__(self.bytes, encoding="ascii", errors="strict")


def closed() -> io.StringIO:
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize("is_json", [True, False])
@pytest.mark.parametrize("refusing", [closed, FullDisk], ids=["closed", "full"])
def test_line_that_the_stream_refuses_is_counted(is_json: bool, refusing: Any) -> None:
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    lost = lines_lost()
    configure_logs(is_json=is_json, stream=refusing())
    try:
        structlog.get_logger().info("service_started", port=8080)
        structlog.get_logger().error("loop_failed", exc_info=ValueError())
        library().warning("library")
    finally:
        root.handlers[:], root.level = before
        structlog.reset_defaults()

    assert lines_lost() == lost + 3


@pytest.mark.parametrize("is_json", [True, False])
def test_stream_of_another_encoding_is_written_to(is_json: bool) -> None:
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    stream = Ascii()
    configure_logs(is_json=is_json, stream=stream)
    try:
        structlog.get_logger().info("service_started", place="Hà Nội")
        library().warning("thư viện")
    finally:
        root.handlers[:], root.level = before
        structlog.reset_defaults()

    written = stream.bytes.getvalue()
    assert b"service_started" in written
    assert rb"H\xe0" in written


def test_console_line_ends_and_terminal_controls_in_values_are_escaped() -> None:
    """A value of others can neither forge a line of its own nor command the terminal of the one who reads it."""
    stream = io.StringIO()
    configure_logs(is_json=False, stream=stream)
    hostile = "a\x1b[2J\nforged\x9b1m\u2028\u202eb"

    structlog.get_logger().info(hostile, **{"k": hostile, hostile: {"in": [hostile]}, "exception": hostile})
    library().error("said %s", hostile)

    lines = stream.getvalue().splitlines()
    assert [line for line in lines if line.startswith("forged")] == []
    assert not {"\x1b", "\x9b", "\u2028", "\u202e"} & set(stream.getvalue())
    assert stream.getvalue().count("forged") == 6

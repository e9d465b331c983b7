"""Logs: one form for everything, and no person or secret in any of it."""

import io
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
import structlog

from billing.domain.errors import Refused
from billing.logs import configure_logs

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


def told(stream: io.StringIO) -> dict[str, Any]:
    line: dict[str, Any] = json.loads(stream.getvalue().splitlines()[-1])
    return line


def test_fact_is_told_with_its_ids_and_moment(stream: io.StringIO) -> None:
    with structlog.contextvars.bound_contextvars(organization=1):
        structlog.get_logger("billing.test").info("payment_confirmed", amount_dong=150_000, delivery=DELIVERY)

    line = told(stream)
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

    line = told(stream)
    assert "hidden" not in stream.getvalue()
    assert line["headers"] == {"X-Signature": "***", "date": "kept"}
    assert (line["visitor"], line["raw"], line["body_size"]) == ("<Visitor>", "<bytes>", 12)


def test_exception_is_told_by_type_and_place_without_its_words(stream: io.StringIO) -> None:
    try:
        try:
            raise ValueError("Key (name)=(hidden) already exists")
        except ValueError as cause:
            raise Refused("the invoice is paid") from cause
    except Refused as error:
        structlog.get_logger().error("request_failed", exc_info=error)

    line = told(stream)
    assert "hidden" not in stream.getvalue()
    outer, inner = line["exception"]
    assert (outer["type"], outer["code"], outer["detail"]) == ("Refused", "refused", "the invoice is paid")
    assert inner["type"] == "ValueError"
    assert "test_logs.py" in inner["at"][-1]


def test_log_of_a_library_passes_the_same_wall(stream: io.StringIO) -> None:
    try:
        raise KeyError("hidden")
    except KeyError:
        logging.getLogger("aiohttp.server").exception("Error handling request", extra={"body": "hidden"})

    line = told(stream)
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

"""Every path: problem documents, limits, and no server name."""

import asyncio
import logging
from urllib.parse import urlsplit

import pytest
from structlog.testing import capture_logs

from billing.checkout.service.intent_targets import InvoiceAlreadyPaid
from billing.core.errors import BillingError, CommitUnknown, InvalidValue, NotFound, Refused
from billing.coverage.domain.refusals import RuleNotSupported
from billing.db.connection_errors import DatabaseUnavailable
from billing.web.api import visits
from billing.web.problems import problem_of
from tests.web.site import Site, problem


async def send_raw(site: Site, text: bytes) -> bytes:
    """Everything that is answered to bytes that no client library would send."""
    where = urlsplit(site.address)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    writer.write(text)
    async with asyncio.timeout(10):
        answer = await reader.read()
    writer.close()
    return answer


@pytest.mark.parametrize(
    ("error", "status", "retry"),
    [
        (InvalidValue("x"), 422, False),
        (NotFound("x"), 404, False),
        (Refused("x"), 409, False),
        (InvoiceAlreadyPaid("x"), 409, False),
        (RuleNotSupported("B-013", field="x", found="x"), 422, False),
        (DatabaseUnavailable("x"), 503, True),
        (CommitUnknown("x"), 503, True),
    ],
)
def test_each_refusal_has_its_status(error: BillingError, status: int, retry: bool) -> None:
    reported = problem_of(error)

    assert (reported.status, reported.code) == (status, error.code)
    assert ("Retry-After" in reported.headers) == retry


def test_error_without_a_status_is_an_internal_error_without_detail() -> None:
    reported = problem_of(BillingError("role vienphi_app owns tables"))

    assert (reported.status, reported.code) == (500, "internal_error")
    assert "owns" not in reported.detail


async def test_unknown_address_and_method_are_problems(site: Site) -> None:
    unknown = await site.client.get("/v1/nowhere")
    method = await site.client.delete("/v1/visits")

    problem(unknown, 404, "route_unknown")
    problem(method, 405, "method_not_allowed")
    assert method.headers["Allow"] == "GET,HEAD,POST"


async def test_unexpected_error_is_logged_once_and_not_shown(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object) -> None:
        raise RuntimeError("password of the database")

    monkeypatch.setattr(visits, "find_priced_visit", fail)

    with capture_logs() as logs:
        answer = await site.client.get("/v1/visits/00000000-0000-7000-8000-000000000000")

    problem(answer, 500, "internal_error")
    assert "password" not in answer.text
    [failed] = [line for line in logs if line["event"] == "request_failed"]
    assert isinstance(failed["exc_info"], RuntimeError)


async def test_request_is_logged_by_route_without_its_address(site: Site) -> None:
    with capture_logs() as logs:
        await site.client.get("/v1/visits/hush?token=hush")

    [line] = [line for line in logs if line["event"] == "request_answered"]
    assert (line["route"], line["status"], line["method"]) == ("/v1/visits/{id}", 400, "GET")
    assert "hush" not in repr(logs)


async def test_bytes_that_are_no_request_are_rejected_without_server_name(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    for text in (
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nAuthorization: " + b"s3cret" * 2_000 + b"\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nNo colon s3cret\r\n\r\n",
        b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"A: s3cret\r\n" * 150 + b"\r\n",
    ):
        answer = await send_raw(site, text)

        assert answer.splitlines()[0] == b"HTTP/1.0 400 Bad Request"
        assert b"aiohttp" not in answer
        assert b"Python" not in answer

    assert "s3cret" not in caplog.text


async def test_body_that_does_not_arrive_in_time_is_given_up(site: Site) -> None:
    text = f"POST {site.hospital.callback_path} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nslow"

    async with site.nothing_written():
        answer = await send_raw(site, text.encode())

    assert b" 408 " in answer.splitlines()[0]
    assert b"body_too_slow" in answer


async def test_body_that_ends_too_early_affects_no_other_request(site: Site) -> None:
    where = urlsplit(site.address)
    _, writer = await asyncio.open_connection(where.hostname, where.port)

    with capture_logs() as logs:
        async with site.nothing_written():
            text = f"POST {site.hospital.callback_path} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf"
            writer.write(text.encode())
            await writer.drain()
            writer.transport.abort()
            await asyncio.sleep(0.2)

    assert "request_failed" not in [line["event"] for line in logs]
    assert (await site.anonymous_client.get("/healthz")).status_code == 200

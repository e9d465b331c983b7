"""The ways in which a provider's server fails, for tests of any provider (`conformance.py`)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import httpx

TIMEOUT_S = 0.3
"""The timeout of one call in the tests; settings of the base AccountSettings receive it."""


_OTHER_TYPES = (
    b'{"code": 0, "data": "none", "status": [], "resultCode": "0", "return_code": "1", "id": 1, "success": "true", '
    b'"amount": {}, "transactions": 1, "object": [], "error": 5, "message": {}, "signature": null}'
)
"""Common names of fields, each with a value of a type that no document gives it."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of the server; `was_sent` if it may have received the request."""

    name: str
    answer: Callable[[httpx.Request], Awaitable[httpx.Response]]
    was_sent: bool


def faults() -> tuple[Fault, ...]:
    """The ways in which a provider's server fails."""
    return (
        Fault("no connection", refuse_connection, was_sent=False),
        Fault("no connection in time", _connect_too_late, was_sent=False),
        Fault("no answer in time", _time_out, was_sent=True),
        Fault("connection lost", _lose_connection, was_sent=True),
        Fault("500", _status(500, b"oh"), was_sent=True),
        Fault("502 of a proxy", _status(502, b"<html>Bad Gateway</html>"), was_sent=True),
        Fault("503", _status(503, b""), was_sent=True),
        Fault("empty", _status(200, b""), was_sent=True),
        Fault("no JSON", _status(200, b"<html>"), was_sent=True),
        Fault("JSON cut off", _status(200, b'{"code": "00",'), was_sent=True),
        Fault("no UTF-8", _status(200, b'{"code": "\xff"}'), was_sent=True),
        Fault("JSON of another type", _status(200, b"[1, 2]"), was_sent=True),
        Fault("JSON without a field", _status(200, b"{}"), was_sent=True),
        Fault("JSON with fields of other types", _status(200, _OTHER_TYPES), was_sent=True),
        Fault("key twice", _status(200, b'{"code": "00", "code": "01"}'), was_sent=True),
        Fault("redirect", _status(302, b"", location="https://elsewhere.example/"), was_sent=True),
        Fault("drip without end", _drip, was_sent=True),
        Fault("body without end", _flood, was_sent=True),
    )


async def refuse_connection(_request: httpx.Request) -> httpx.Response:
    """No server listens: nothing was sent."""
    raise httpx.ConnectError("refused")


async def _connect_too_late(_request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectTimeout("no connection")


async def _time_out(_request: httpx.Request) -> httpx.Response:
    raise httpx.ReadTimeout("no answer")


async def _lose_connection(_request: httpx.Request) -> httpx.Response:
    raise httpx.RemoteProtocolError("gone")


def _status(status: int, body: bytes, **headers: str) -> Callable[[httpx.Request], Awaitable[httpx.Response]]:
    async def answer(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, content=body, headers={"content-type": "application/json", **headers})

    return answer


async def _drip(_request: httpx.Request) -> httpx.Response:
    async def bytes_now_and_then() -> AsyncIterator[bytes]:
        while True:
            await asyncio.sleep(TIMEOUT_S / 10)
            yield b" "

    return httpx.Response(200, content=bytes_now_and_then())


async def _flood(_request: httpx.Request) -> httpx.Response:
    async def too_many_bytes() -> AsyncIterator[bytes]:
        while True:
            await asyncio.sleep(0)
            yield b" " * 65_536

    return httpx.Response(200, content=too_many_bytes())

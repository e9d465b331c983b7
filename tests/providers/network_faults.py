"""What the outside world does wrong when it is called: each is one side effect for respx, by its name.

A call whose only request fails is tested with every fault by the conformance suite (`providers/testing/faults.py`), for
every provider. Tests of one provider use all of these where a later request of several fails, else one.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import httpx

SideEffect = Callable[[httpx.Request], httpx.Response] | type[httpx.HTTPError] | httpx.HTTPError

BEFORE_SENDING: Mapping[str, SideEffect] = {
    "refused connection": httpx.ConnectError("refused"),
    "timeout before sending": httpx.ConnectTimeout("timed out"),
}
"""Nothing was sent: the provider cannot have seen the request."""


class _Drip(httpx.AsyncByteStream):
    """An answer that never ends, a byte at a time."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            await asyncio.sleep(0.01)
            yield b" "


def _answer(status: int, body: bytes = b"", **headers: str) -> Callable[[httpx.Request], httpx.Response]:
    return lambda _: httpx.Response(status, content=body, headers={"content-type": "application/json", **headers})


AFTER_SENDING: Mapping[str, SideEffect] = {
    "timeout after sending": httpx.ReadTimeout("timed out"),
    "connection cut": httpx.RemoteProtocolError("cut"),
    "500": _answer(500, b'{"error":"internal"}'),
    "502 of a proxy": _answer(502, b"<html>Bad Gateway</html>"),
    "503": _answer(503),
    "malformed JSON": _answer(200, b'{"code":"00",'),
    "no JSON": _answer(200, b"<html>maintenance</html>"),
    "empty answer": _answer(200),
    "a list": _answer(200, b"[]"),
    "a key twice": _answer(200, b'{"code":"00","code":"01"}'),
    "wrong types": _answer(200, b'{"code":0,"data":"none","status":[],"resultCode":"0","return_code":"1","id":1}'),
    "nothing in it": _answer(200, b"{}"),
    "huge body": _answer(200, b'{"code":"' + b"0" * 300_000 + b'"}'),
    "slow drip": lambda _: httpx.Response(200, stream=_Drip()),
    "redirect": _answer(302, location="https://elsewhere.example/"),
    "no UTF-8": _answer(200, b'{"code":"\xff"}'),
}
"""The request may have had its effect: nothing may be concluded. Give the account a short `timeout_s`."""

"""Calling a provider once: bounded in time and size, without following anybody elsewhere.

Two ways to have no answer are kept apart, since only one of them allows a call to be made again: nothing was sent
(`RequestNotSent`), or it may have been (`ResponseUnknown`).
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from providers.http_client import RETRYABLE
from providers.signing import BODY_SIZE_MAX


class RequestNotSent(Exception):
    """No connection was made, or ours refused to call: the provider cannot have seen the request."""


class ResponseUnknown(Exception):
    """The request may have reached the provider; what it did is not known."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a provider answered, whole; header names are lower-case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


async def call(
    client: httpx.AsyncClient,
    request: httpx.Request,
    *,
    timeout_s: float,
    size_max: int = BODY_SIZE_MAX,
    is_retryable: bool = False,
) -> Answer:
    """Send one request and read its whole answer, in `timeout_s` from the first byte to the last.

    `is_retryable` says that a request only asks, so that the account's line may send it again where it fails
    (`http_client.py`); never say so of what begins a payment or sends money back. A redirect is an answer like any
    other and never followed. Raises RequestNotSent and ResponseUnknown; neither repeats the address, whose query may
    hold a secret.
    """
    if is_retryable:
        request.extensions[RETRYABLE] = True
    try:
        async with asyncio.timeout(timeout_s):
            response = await client.send(request, stream=True, follow_redirects=False)
            try:
                body = await _read(response, size_max)
            finally:
                await response.aclose()
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol) as error:
        raise RequestNotSent(type(error).__name__) from error
    except (httpx.HTTPError, httpx.StreamError, TimeoutError) as error:
        raise ResponseUnknown(type(error).__name__) from error
    return Answer(response.status_code, response.headers, body)


async def _read(response: httpx.Response, size_max: int) -> bytes:
    body = bytearray()
    async for part in response.aiter_bytes():
        body += part
        if len(body) > size_max:
            raise ResponseUnknown(f"longer than {size_max} bytes")
    return bytes(body)

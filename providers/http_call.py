"""Calls a provider once: bounded in time and size, without following redirects.

Two kinds of a missing answer are distinguished, since only the first permits a retry: the request was not sent
(`RequestNotSent`), or it may have been sent (`ResponseUnknown`).
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from providers.http_client import RETRYABLE
from providers.signing import BODY_SIZE_MAX


class RequestNotSent(Exception):
    """No connection was made, or our client refused the call: the provider cannot have received the request."""


class ResponseUnknown(Exception):
    """The request may have reached the provider; its effect is unknown."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A provider's complete answer; header names are lower-case."""

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

    `is_retryable` marks a request that changes nothing, so that the account's client may retry it after a failure
    (`http_client.py`); never set it for a request that starts a payment or a refund. A redirect is an answer like any
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

"""Receive a long body into a temporary file: memory does not grow with it. `request_bodies.py` reads the others."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from tempfile import TemporaryFile
from typing import BinaryIO

from aiohttp import web

from billing.web.app_state import app_state
from billing.web.request_bodies import BodyTooLarge, BodyTooSlow, BodyUnreadable, require_identity

BYTES_A_SECOND_LEAST = 64 * 1024
"""How fast a body must come on average, beyond the time that every body has."""

_WRITTEN_AT_ONCE = 1 << 20


@asynccontextmanager
async def receive_file(request: web.Request, *, size_max: int) -> AsyncIterator[BinaryIO]:
    """The body of a request as a file that is open at its first byte; it is removed at the end.

    Raises BodyTooLarge (as soon as that is known), BodyTooSlow, MediaTypeNotSupported for a compressed body, and
    BodyUnreadable where the connection ended before the body did.
    """
    require_identity(request)
    if request.content_length is not None and request.content_length > size_max:
        raise BodyTooLarge(f"at most {size_max} bytes are taken here")
    with TemporaryFile() as file:
        await _receive(request, file, size_max=size_max)
        file.seek(0)
        yield file


async def _receive(request: web.Request, file: BinaryIO, *, size_max: int) -> None:
    clock = asyncio.get_running_loop().time
    started, received, waiting = clock(), 0, bytearray()
    try:
        async with asyncio.timeout(app_state(request).limits.body_timeout_s) as limit:
            ends_at = limit.when()
            assert ends_at is not None, "a body has a limit of time"
            async for chunk in request.content.iter_any():
                received += len(chunk)
                if received > size_max:
                    raise BodyTooLarge(f"at most {size_max} bytes are taken here")
                limit.reschedule(ends_at + received / BYTES_A_SECOND_LEAST)
                waiting += chunk
                if len(waiting) >= _WRITTEN_AT_ONCE:
                    await asyncio.to_thread(file.write, bytes(waiting))
                    waiting.clear()
    except TimeoutError as cause:
        raise BodyTooSlow(f"{received} bytes came in {clock() - started:.0f} s, and the body did not end") from cause
    except (ConnectionError, web.RequestPayloadError) as cause:
        raise BodyUnreadable("the body ended too early") from cause
    await asyncio.to_thread(file.write, bytes(waiting))

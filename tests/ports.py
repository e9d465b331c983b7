"""Waits for the port of a process that was started."""

import asyncio
from contextlib import suppress


async def answers_on(port: int, *, timeout_s: float) -> None:
    """Wait until something listens on a port of this machine. Raises TimeoutError."""
    async with asyncio.timeout(timeout_s):
        while True:
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.1)

"""A small TCP proxy before PostgreSQL that cuts connections at COMMIT: before the server receives it, or after.

After it: the server commits and no client receives the result, which is the commit of unknown outcome.
"""

import asyncio
from contextlib import suppress
from random import Random

from tests.connections import CHUNK_BYTES_MAX, ConnectionServer

_SERVER_NEEDS_S = 0.05

_ENDINGS = (b"COMMIT", b"payment_received")
"""What a request contains that commits: COMMIT, or the action in the call that writes a single payment."""


class CuttingProxy(ConnectionServer):
    """Passes everything on to a unix socket; `cut_next` commits are cut as they come."""

    def __init__(self, socket_path: str, random: Random) -> None:
        super().__init__()
        self._socket_path = socket_path
        self._random = random
        self.cut_next = 0
        self.cut_before = 0
        self.cut_after = 0

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection; it ends for both sides as soon as either ends it, or as soon as it is cut."""
        with suppress(OSError):
            try:
                server_reader, server_writer = await asyncio.open_unix_connection(self._socket_path)
            except OSError:
                writer.transport.abort()
                return
            ways = {
                asyncio.create_task(self._pass_requests(reader, server_writer)),
                asyncio.create_task(_pass_answers(server_reader, writer)),
            }
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
                writer.transport.abort()
                server_writer.transport.abort()

    async def _pass_requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(CHUNK_BYTES_MAX):
            if self.cut_next and any(words in data for words in _ENDINGS):
                self.cut_next -= 1
                if self._random.random() < 0.5:
                    self.cut_before += 1
                    return
                self.cut_after += 1
                writer.write(data)
                await writer.drain()
                await self._hold_back()
                return
            writer.write(data)
            await writer.drain()

    async def _hold_back(self) -> None:
        """Time for the server to commit; what it answers may arrive or not, which is chance too."""
        await asyncio.sleep(self._random.choice([0.0, _SERVER_NEEDS_S]))


async def _pass_answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(CHUNK_BYTES_MAX):
        writer.write(data)
        await writer.drain()

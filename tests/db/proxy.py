"""A simulated network between us and PostgreSQL that loses, holds back or swallows what passes."""

import asyncio
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

from tests.connections import CHUNK_BYTES_MAX, ConnectionServer


class Proxy(ConnectionServer):
    """Stands before one server as a unix socket of its own; `url` is the server's address with that socket in it.

    `requests` counts what clients sent: a round trip each, unless a request is larger than a chunk.
    """

    def __init__(self, url: str) -> None:
        super().__init__()
        self._parts = urlsplit(url)
        self._folder = Path(tempfile.mkdtemp(prefix="vienphi-proxy-", dir="/tmp"))
        query = urlencode({"host": str(self._folder), "port": 5432})
        user = quote(unquote(self._parts.username or ""))
        password = f":{self._parts.password}" if self._parts.password else ""
        self.url = f"postgresql://{user}{password}@{self._parts.path}?{query}"
        self.delaying = asyncio.Event()
        self._cut: tuple[bytes, bool] | None = None
        self._delay_s = 0.0
        self._swallowing = False
        self.swallowing = asyncio.Event()
        self._swallow_at: bytes | None = None
        self.requests = 0

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await super().__aexit__(kind, error, trace)
        shutil.rmtree(self._folder)

    def cut_at(self, words: bytes, *, after_sending: bool) -> None:
        """Cut the next connection that sends `words`, before or after the server receives them."""
        self._cut = (words, after_sending)

    def swallow_answers(self) -> None:
        """Pass requests on, and none of the answers."""
        self._swallowing = True

    def swallow_at(self, words: bytes) -> None:
        """Pass on `words` when they are sent next, and no answer from then on; `swallowing` is set as they pass."""
        self._swallow_at = words

    def delay_answers(self, seconds: float) -> None:
        """Hold each answer back from now on; `delaying` is set as the first one waits."""
        self._delay_s = seconds

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_unix_server(self._accept, self._folder / ".s.PGSQL.5432")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await self._connect()
        answers = asyncio.create_task(self._pass_answers(server_reader, writer))
        requests = asyncio.create_task(self._pass_requests(reader, server_writer, answers))
        try:
            await requests
        finally:
            requests.cancel()
            answers.cancel()
            await asyncio.gather(requests, answers, return_exceptions=True)
            server_writer.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        query = parse_qs(self._parts.query)
        host = self._parts.hostname or query["host"][0]
        port = self._parts.port or int(query.get("port", ["5432"])[0])
        if host.startswith("/"):
            return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        return await asyncio.open_connection(host, port)

    async def _pass_requests(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answers: asyncio.Task[None]
    ) -> None:
        while data := await reader.read(CHUNK_BYTES_MAX):
            self.requests += 1
            if self._cut is not None and self._cut[0] in data:
                after_sending = self._cut[1]
                self._cut = None
                if after_sending:
                    answers.cancel()
                    writer.write(data)
                    await asyncio.sleep(0.2)  # the server works it off; its answer goes nowhere
                return
            if self._swallow_at is not None and self._swallow_at in data:
                self._swallowing = True
                self.swallowing.set()
            writer.write(data)

    async def _pass_answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(CHUNK_BYTES_MAX):
            if self._delay_s:
                self.delaying.set()
                await asyncio.sleep(self._delay_s)
            if not self._swallowing:
                writer.write(data)
        writer.close()

"""Document workers: processes that read, price and render big documents, with limits of memory and time.

A document worker is a second instance of this service behind a unix socket. A request with a big document is forwarded
to it after authentication. The event loop that receives callbacks is not blocked, and a document that exceeds a limit
ends its worker, not the service. `app` starts the workers; `big_documents.py` selects the forwarded requests. Source:
docs/design.md §5; STYLE §3, everything has a limit.
"""

import asyncio
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import BinaryIO

import aiohttp
import structlog
from aiohttp import web

from billing.core.errors import BillingError, Unavailable
from billing.tracing import SpanKind, span, traceparent
from billing.web.app_state import REQUEST_ID

log = structlog.get_logger(__name__)

RunWorker = Callable[[str, int], None]
"""Runs a worker: serves on the socket of that path and writes a byte to that descriptor once it does. It is pickled."""

_PROGRAM = "import pickle, sys; run, path, ready = pickle.load(sys.stdin.buffer); run(path, ready)"

_CHECK_INTERVAL_S = 0.25
_BYTES_A_SECOND = 256 * 1024
_COMMON_SIZE_MAX = 8 * 1024 * 1024
"""What a document has beyond this size is given time: half of the speed at which a small machine imports statements."""

_START_TIMEOUT_S = 60.0
_FORWARDED = (
    *("Authorization", "Content-Type", "Content-Encoding", "Idempotency-Key", "Accept"),
    *("Host", "Cookie", "Origin", "Sec-Fetch-Site", "HX-Request", "X-CSRF-Token"),
)
"""The second row is of forms of the screens: a worker knows session, token and origin as this process does."""
_HOP_BY_HOP = frozenset({"content-length", "connection", "date", "server", "transfer-encoding", "keep-alive"})


class DocumentTooCostly(BillingError):
    """Reading or pricing a document exceeds its limit of memory or time."""

    code = "document_too_costly"


class DocumentWorkersBusy(Unavailable):
    """All workers are busy and too many documents wait; retry later."""

    code = "document_workers_busy"


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentLimits:
    """The number of workers, the number of waiting requests, and the limits of one document.

    `memory_max` bounds the address space of a worker, `recycle_above` is the resident memory beyond which it is
    replaced after a request; both in bytes.
    """

    workers: int = 2
    waiting_max: int = 16
    timeout_s: float = 90.0
    memory_max: int = 2 * 1024**3
    recycle_above: int = 512 * 1024**2


class DocumentWorkers:
    """The workers of one process; each is started on first use. `close` ends all workers."""

    def __init__(self, run: RunWorker, limits: DocumentLimits) -> None:
        self._run = run
        self._limits = limits
        self._running = asyncio.Semaphore(limits.workers)
        self._waiting = 0
        self._receiving = 0
        self._idle: list[_Worker] = []
        self._all: set[_Worker] = set()

    async def close(self) -> None:
        """End every worker. Their current requests fail."""
        for worker in list(self._all):
            await self._end(worker)

    @contextmanager
    def receiving(self) -> Iterator[None]:
        """Count a file from its first byte to its answer. Raises DocumentWorkersBusy if too many are under way."""
        if self._receiving >= self._limits.workers + self._limits.waiting_max:
            raise DocumentWorkersBusy("too many files are received already")
        self._receiving += 1
        try:
            yield
        finally:
            self._receiving -= 1

    async def forward(self, request: web.Request, body: BinaryIO) -> web.Response:
        """Forward a request with its body to a worker and return its response.

        Raises DocumentWorkersBusy, and DocumentTooCostly where the worker died or exceeded the time limit. If the
        client disconnects, its worker is ended.
        """
        if self._waiting >= self._limits.waiting_max:
            raise DocumentWorkersBusy("too many big documents wait already")
        self._waiting += 1
        try:
            await self._running.acquire()
        finally:
            self._waiting -= 1
        try:
            worker = self._idle.pop() if self._idle else await self._begin()
            try:
                answer = await self._exchange(worker, request, body)
            except BaseException:
                await self._end(worker)
                raise
            if worker.is_alive and worker.memory() <= self._limits.recycle_above:
                self._idle.append(worker)
            else:
                await self._end(worker)
            return answer
        finally:
            self._running.release()

    async def _begin(self) -> "_Worker":
        worker = _Worker(self._run)
        self._all.add(worker)
        try:
            await worker.ready()
        except BaseException:
            await self._end(worker)
            raise
        return worker

    async def _end(self, worker: "_Worker") -> None:
        self._all.discard(worker)
        if worker in self._idle:
            self._idle.remove(worker)
        await worker.end()

    async def _exchange(self, worker: "_Worker", request: web.Request, body: BinaryIO) -> web.Response:
        long = max(0, body.seek(0, os.SEEK_END) - _COMMON_SIZE_MAX)
        timeout_s = self._limits.timeout_s + long / _BYTES_A_SECOND
        body.seek(0)
        ends_at = monotonic() + timeout_s
        exchange = asyncio.create_task(worker.send(request, body))
        try:
            while True:
                done, _ = await asyncio.wait({exchange}, timeout=_CHECK_INTERVAL_S)
                if done:
                    return exchange.result()
                if request.transport is None or request.transport.is_closing():
                    raise ConnectionResetError("the client went away")
                if monotonic() > ends_at:
                    log.warning("document_given_up", reason="time", timeout_s=timeout_s)
                    raise DocumentTooCostly(f"this document takes longer than {timeout_s:.0f} s")
        except (aiohttp.ClientError, OSError) as cause:
            if request.transport is None or request.transport.is_closing():
                raise
            log.warning("document_given_up", reason="worker ended", error=type(cause).__name__)
            raise DocumentTooCostly("this document takes more memory than one document may have") from cause
        finally:
            exchange.cancel()
            with suppress(asyncio.CancelledError, aiohttp.ClientError, OSError):
                await exchange


class _Worker:
    """One process behind a socket in a folder that only this user can open."""

    def __init__(self, run: RunWorker) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="vienphi-")
        self._path = str(Path(self._folder.name) / "s")
        self._ready, ready_end = os.pipe()
        # Settings travel through the pipe, where no list of processes shows them; its end shows the worker that we are
        # gone.
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-c", _PROGRAM], stdin=subprocess.PIPE, pass_fds=(ready_end,)
        )
        os.close(ready_end)
        assert self._process.stdin is not None, "a pipe"
        self._process.stdin.write(pickle.dumps((run, self._path, ready_end)))
        self._process.stdin.flush()
        self._client = aiohttp.ClientSession(
            connector=aiohttp.UnixConnector(self._path),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None),
        )

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def memory(self) -> int:
        """Resident memory, in bytes."""
        try:
            statistics = Path(f"/proc/{self._process.pid}/statm").read_text(encoding="ascii")
        except OSError:
            return 0
        return int(statistics.split()[1]) * os.sysconf("SC_PAGE_SIZE")

    async def ready(self) -> None:
        """Wait until it serves. Raises Unavailable."""
        loop = asyncio.get_running_loop()
        written: asyncio.Future[None] = loop.create_future()
        loop.add_reader(self._ready, _resolve, written)
        try:
            async with asyncio.timeout(_START_TIMEOUT_S):
                await written
        except TimeoutError as cause:
            raise Unavailable("a document worker did not start in time") from cause
        finally:
            loop.remove_reader(self._ready)
        if not os.read(self._ready, 1):
            raise Unavailable("a document worker could not start")

    async def send(self, request: web.Request, body: BinaryIO) -> web.Response:
        """Send a request to the process and return its response."""
        headers = {name: request.headers[name] for name in _FORWARDED if name in request.headers}
        headers["X-Request-Id"] = request[REQUEST_ID]
        with span("document worker", SpanKind.CLIENT):
            parent = traceparent()
            if parent is not None:
                headers["traceparent"] = parent
            async with self._client.request(
                request.method,
                f"http://worker{request.raw_path}",
                headers=headers,
                data=body if request.method == "POST" else None,
                allow_redirects=False,
            ) as answer:
                content = await answer.read()
                return web.Response(
                    status=answer.status,
                    body=content,
                    headers={name: value for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP},
                )

    async def end(self) -> None:
        """Kill the process and remove its socket folder."""
        await self._client.close()
        self._process.kill()
        await asyncio.to_thread(self._process.wait)
        assert self._process.stdin is not None, "a pipe"
        self._process.stdin.close()
        os.close(self._ready)
        self._folder.cleanup()


def _resolve(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)

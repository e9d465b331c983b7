"""The service under measurement, in a process of its own: as it is served, or as one of the two it is compared with.

ours      `open_service` and `serving`, as `vienphi serve` puts them together
baseline  the same, but every callback is a batch of its own, applied in the general way by eight writers
null      the same server settings and provider: read, verify, answer; no batch, no database, no log, no middleware
"""

import asyncio
import cProfile
import multiprocessing
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from aiohttp import web

from billing import app
from billing.app import exporting_traces, open_service
from billing.core.ids import OrganizationId
from billing.db.database import DatabaseLimits
from billing.logs import configure_logs
from billing.payments.service import intake
from billing.payments.service.context import PaymentContext
from billing.payments.service.intake import Intake, IntakeLimits, _IntakeQueue
from billing.payments.service.payment_events import Delivery
from billing.tracing import TraceTarget
from billing.web.app_state import APP_STATE, OPENAPI
from billing.web.server import serving
from providers.contract import BadSignature, Callback, Callbacks, Reply, Verdict
from tests.builders import SANDBOX_SECRET

BASELINE_WRITERS = 8
_START_TIMEOUT_S = 120.0


class OneByOne(Intake):
    """What the intake would be without batches: eight writers for everybody, each callback a commit of its own."""

    def __init__(self, context: PaymentContext, limits: IntakeLimits | None = None) -> None:
        super().__init__(context, replace(limits or IntakeLimits(), queues=BASELINE_WRITERS, batch_max=1))
        self._turn = 0

    def _queue(self, _organization_id: OrganizationId) -> _IntakeQueue:
        """Return each intake queue in turn; `Intake` has one queue for an organization."""
        self._turn = (self._turn + 1) % BASELINE_WRITERS
        return self._queues[self._turn]


class Served:
    """A running service process. A context manager; `kind` is ours, baseline or null."""

    def __init__(
        self, kind: str, database_url: str, *, profile: str | None = None, traces: TraceTarget | None = None
    ) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._ours, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_run, args=(kind, database_url, profile, traces, theirs), daemon=True)
        self._process.start()  # importing takes a while: several may start at once
        self.host, self.port = "", 0

    def __enter__(self) -> Self:
        if not self._ours.poll(_START_TIMEOUT_S):
            raise RuntimeError("the service did not start")
        address = urlsplit(self._ours.recv())
        assert address.hostname is not None
        assert address.port is not None
        self.host, self.port = address.hostname, address.port
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.join(30)

    @property
    def process_id(self) -> int:
        """The id of the process."""
        assert self._process.pid is not None, "the process was started"
        return self._process.pid

    @property
    def memory_bytes(self) -> int:
        """Resident memory of the process now."""
        with open(f"/proc/{self._process.pid}/statm", encoding="ascii") as statistics:
            return int(statistics.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def _run(kind: str, database_url: str, profile: str | None, traces: TraceTarget | None, result: Connection) -> None:
    # Logs are written as in service, where nobody keeps them: their cost is part of what is measured.
    configure_logs(is_json=True, stream=open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - until the end
    with exporting_traces(traces):
        if profile is None:
            asyncio.run(_serve(kind, database_url, result))
            return
        profiler = cProfile.Profile()
        try:
            profiler.runcall(asyncio.run, _serve(kind, database_url, result))
        finally:
            profiler.dump_stats(profile)


async def _serve(kind: str, database_url: str, result: Connection) -> None:
    is_stop_requested = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, is_stop_requested.set)
    async with _opened(kind, database_url) as application, serving(application) as address:
        result.send(address)
        await is_stop_requested.wait()


async def _apply_no_single(_delivery: Delivery, _context: PaymentContext) -> None:
    return None


@asynccontextmanager
async def _opened(kind: str, database_url: str) -> AsyncIterator[web.Application]:
    limits = None
    if kind == "baseline":
        app.Intake = OneByOne  # type: ignore[attr-defined]  # in this process alone
        intake.apply_single = _apply_no_single  # type: ignore[assignment]
        limits = DatabaseLimits(connections_min=BASELINE_WRITERS, connections_max=BASELINE_WRITERS + 2)
    async with open_service(database_url, database_limits=limits, secret_of=lambda _: SANDBOX_SECRET) as service:
        yield _null_handler(service) if kind == "null" else service.application


def _null_handler(service: app.Service) -> web.Application:
    """The least a callback can cost here: one handler, one dictionary, the provider."""
    providers: dict[tuple[str, str], Callbacks] = {}
    ids = service.context.ids

    async def answer(request: web.Request) -> web.Response:
        key = (request.match_info["organization"], request.match_info["account"])
        if key not in providers:
            account = await service.context.accounts.find(OrganizationId(int(key[0])), key[1])
            assert account is not None
            assert isinstance(account.provider, Callbacks)
            providers[key] = account.provider
        callback = Callback(
            method=request.method,
            path_suffix="",
            raw_query="",
            query=(),
            headers=[(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in request.raw_headers],
            body=await request.read(),
            source_address=request.remote or "",
            received_at=service.context.clock(),
        )
        try:
            read = providers[key].read_callback(callback)
        except BadSignature as refusal:
            return _response(refusal.reply)
        if isinstance(read, Reply):
            return _response(read)
        return _response(providers[key].answer_callback(callback, Verdict.ACCEPTED, str(ids.new())))

    application = web.Application()
    application[APP_STATE] = service.application[APP_STATE]
    application[OPENAPI] = service.application[OPENAPI]
    application.router.add_post("/callbacks/{organization}/{account}", answer)
    return application


def _response(reply: Reply) -> web.Response:
    return web.Response(
        status=reply.status, body=reply.body, headers={**reply.headers, "Content-Type": reply.content_type}
    )

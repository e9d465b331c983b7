"""`vienphi serve`: answer HTTP until stopped, in one process or in several that share a port."""

import asyncio
import os
import socket
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import structlog

from billing.cli.startup import open_checked_service, start, stop_event
from billing.ops.maintenance import maintain
from billing.settings import Settings
from billing.web.server import serving

log = structlog.get_logger(__name__)

_STANDARD_INPUT = 0


@click.command()
@click.option(
    "--processes",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Processes that share the port, each with its own connections, intake queues, limits and metrics.",
)
@click.option("--shared-port", type=click.IntRange(1, 65_535), hidden=True)
@click.pass_obj
def serve(config: Path | None, processes: int, shared_port: int | None) -> None:
    """Answer HTTP as the app role. Needs VIENPHI_DATABASE_URL and a migrated database.

    Rejects a role that owns tables or may change the journal, a server whose settings may lose a committed
    transaction, and a database restored into another cluster before `vienphi ledger rebase`.
    """
    settings = start(config)
    if processes > 1:
        sys.exit(asyncio.run(_serve_processes(settings, config, processes)))
    asyncio.run(_serve(settings, shared_port))


async def _serve(settings: Settings, shared_port: int | None) -> None:
    stop = stop_event()
    if shared_port is not None:
        asyncio.get_running_loop().add_reader(_STANDARD_INPUT, _stop_at_end_of_input, stop)
    port = settings.port if shared_port is None else shared_port
    async with (
        open_checked_service(settings, name="vienphi-web") as service,
        serving(service.application, host=settings.host, port=port, is_shared=shared_port is not None) as bound,
    ):
        # Only once the port is ours: a process that cannot serve keeps nothing up.
        maintenance = service.context.background.start("maintenance", lambda: maintain(service.context.database))
        try:
            log.info("serving_started", at=bound, process_id=os.getpid())
            await stop.wait()
            log.info("serving_stopped", process_id=os.getpid())
        finally:
            await maintenance.stop()


def _stop_at_end_of_input(stop: asyncio.Event) -> None:
    """The parent holds the other end and writes nothing: the input ends when the parent does, however it ends."""
    if not os.read(_STANDARD_INPUT, 1):
        asyncio.get_running_loop().remove_reader(_STANDARD_INPUT)
        stop.set()


async def _serve_processes(settings: Settings, config: Path | None, count: int) -> int:
    """Start the processes and wait; returns the exit status. If one ends, all stop: a supervisor starts them again."""
    stop = stop_event()
    with _reserved_port(settings.host, settings.port) as port:
        options = [] if config is None else ["--config", str(config)]
        command = [sys.executable, "-m", "billing", *options, "serve", "--shared-port", str(port)]
        processes: list[Process] = []
        try:
            for _ in range(count):
                processes.append(await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=DEVNULL))
            ends = [asyncio.ensure_future(process.wait()) for process in processes]
            stopped = asyncio.ensure_future(stop.wait())
            await asyncio.wait([stopped, *ends], return_when=asyncio.FIRST_COMPLETED)
            stopped.cancel()
            if not stop.is_set():
                log.error("serving_process_ended", statuses=[process.returncode for process in processes])
        finally:
            for process in processes:
                if process.returncode is None:
                    process.terminate()
            statuses = await asyncio.gather(*(process.wait() for process in processes))
    return 0 if stop.is_set() and not any(statuses) else 1


@contextmanager
def _reserved_port(host: str, port: int) -> Iterator[int]:
    """Bind the port without listening, so that no other program takes it; the system chooses where it is 0."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as reserved:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        reserved.bind((host, port))
        yield int(reserved.getsockname()[1])

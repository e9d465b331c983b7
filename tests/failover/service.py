"""Processes of vienphi in a run: web and worker."""

import asyncio
import sys
from contextlib import suppress
from pathlib import Path

from billing.devserver.server_programs import ServerUser
from tests.builders import SANDBOX_SECRET
from tests.failover.processes import Process

ROOT = Path(__file__).parents[2]


def service(folder: Path, name: str, command: str, *, url: str, port: int | None = None, tree: Path = ROOT) -> Process:
    """A process of the program in a tree, not started yet; its log is in the folder."""
    words = [sys.executable, "-m", "billing", command]
    process = Process(name, words, folder=folder, user=ServerUser(None, None))
    process.environment = {
        "VIENPHI_DATABASE_URL": url,
        "VIENPHI_SECRET_SANDBOX": SANDBOX_SECRET,
        "VIENPHI_LOG_FORMAT": "json",
        "PYTHONPATH": str(tree),
        **({} if port is None else {"VIENPHI_PORT": str(port)}),
    }
    return process


async def answers_on(port: int, *, timeout_s: float) -> None:
    """Wait until something listens on a port."""
    async with asyncio.timeout(timeout_s):
        while True:
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.1)


def report_step(words: str) -> None:
    """Write the progress to stderr; stdout has the result alone."""
    print(words, file=sys.stderr, flush=True)

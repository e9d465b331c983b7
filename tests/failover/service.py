"""Processes of vienphi in a run: web and worker."""

import sys
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


def report_step(words: str) -> None:
    """Write the progress to stderr; stdout has the result alone."""
    print(words, file=sys.stderr, flush=True)

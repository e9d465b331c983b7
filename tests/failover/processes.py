"""Processes of a run: each has a log file of its own, and is killed, frozen or continued by its id alone."""

import os
import random
import signal
import socket
import subprocess
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from billing.devserver.embedded import _children
from billing.devserver.server_programs import ServerUser


class Process:
    """One program of a run. `start` may be called again after it was killed."""

    def __init__(self, name: str, command: Iterable[str], *, folder: Path, user: ServerUser) -> None:
        self.name = name
        self.environment: Mapping[str, str] = {}
        self._command = [str(word) for word in command]
        self._folder = folder
        self._user = user
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it in a session of its own."""
        with (self._folder / f"{self.name}.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                user=self._user.uid,
                group=self._user.gid,
                extra_groups=None if self._user.uid is None else [],
                cwd="/",
                env={"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC", **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def count_in_log(self, words: bytes) -> int:
        """How often words are in its log; 0 where there is no log yet."""
        with suppress(FileNotFoundError):
            return (self._folder / f"{self.name}.log").read_bytes().count(words)
        return 0

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if it runs."""
        if self._process is not None and self.is_running:
            self._process.send_signal(number)

    def wait(self, timeout_s: float) -> int:
        """Wait until it has ended; its exit status. Raises subprocess.TimeoutExpired."""
        assert self._process is not None, "it was not started"
        return self._process.wait(timeout_s)

    def kill(self) -> None:
        """End it with -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def server_processes(data: Path) -> list[int]:
    """The ids of a PostgreSQL server's processes, the postmaster first; empty where it does not run."""
    try:
        postmaster = int((data / "postmaster.pid").read_text().split("\n", 1)[0])
        command = Path(f"/proc/{postmaster}/cmdline").read_bytes()
    except (OSError, ValueError):
        return []
    if str(data).encode() not in command:
        return []
    return [postmaster, *_children(postmaster)]


def kill_server(data: Path) -> None:
    """Kill every process of a PostgreSQL server with -9."""
    while processes := server_processes(data):
        postmaster, *children = processes
        # Stopped, it starts no further process; killed last, it leaves nobody behind in the memory it shares.
        send(signal.SIGSTOP, [postmaster])
        send(signal.SIGKILL, children or [postmaster])


def send(number: signal.Signals, processes: Iterable[int]) -> None:
    """Send a signal to each process that still runs."""
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, number)


def free_ports(count: int) -> list[int]:
    """Ports on loopback below those that the system gives to clients."""
    found: list[int] = []
    for port in random.sample(range(20_000, 32_000), 2_000):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            break
    return found

"""The processor time of a server is that of its processes, each once."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench import processor

_SERVER = """
import os, sys
child = os.fork()
if child == 0:
    while sum(os.times()[:2]) < 0.2:
        pass
    print("ready", flush=True)
    sys.stdin.read()
    os._exit(0)
os.waitpid(child, 0)
print("ended", flush=True)
os.read(int(sys.argv[1]), 1)
"""


@pytest.fixture
def server() -> Iterator[subprocess.Popen[str]]:
    """A process with one child that has used 0.2 s and ends with its input; the parent runs on."""
    ours, theirs = os.pipe()
    command = [sys.executable, "-c", _SERVER, str(ours)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, pass_fds=[ours]) as ran:
        assert ran.stdout is not None
        assert ran.stdout.readline() == "ready\n"
        yield ran
        os.write(theirs, b"x")
    os.close(ours)
    os.close(theirs)


def test_child_that_ends_between_two_readings_is_counted_once(
    server: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    child = int(Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text("ascii"))
    read = processor._process_ms

    def read_and_end(process_id: int) -> float:
        used = read(process_id)
        if process_id == child:
            server.stdin.close()
            assert server.stdout.readline() == "ended\n"
        return used

    monkeypatch.setattr(processor, "_process_ms", read_and_end)
    used = processor.read_processor_time(service=os.getpid(), postmaster=server.pid)

    assert used.postgres_ms == pytest.approx(read(server.pid), abs=20)
    assert used.postgres_ms >= 200

"""Processor time of the service and of PostgreSQL, from `/proc` (Linux)."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import asyncpg

from billing.devserver.embedded import SUPERUSER, EmbeddedPostgres

_TICKS_MS = 1000 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessorTime:
    """Milliseconds of the service and of every process of PostgreSQL, those that ended too."""

    service_ms: float
    postgres_ms: float

    @property
    def total_ms(self) -> float:
        """Both together."""
        return self.service_ms + self.postgres_ms

    def per_request(self, requests: int, *, since: Self) -> "ProcessorTime":
        """The mean of the requests between two readings."""
        return ProcessorTime(
            service_ms=(self.service_ms - since.service_ms) / max(1, requests),
            postgres_ms=(self.postgres_ms - since.postgres_ms) / max(1, requests),
        )


def read_processor_time(*, service: int, postmaster: int) -> ProcessorTime:
    """The time that the service and PostgreSQL have used so far; both arguments are process ids."""
    return ProcessorTime(service_ms=_process_ms(service), postgres_ms=_server_ms(postmaster))


def _server_ms(postmaster: int) -> float:
    """Of the server and its children; read again if one started or ended meanwhile: the server has the time of those
    that ended, so a child that ends between two readings would be counted twice.
    """
    while True:
        children = _children(postmaster)
        try:
            of_children = sum(map(_process_ms, children))
        except (FileNotFoundError, ProcessLookupError):
            continue
        of_server = _process_ms(postmaster)
        if _children(postmaster) == children:
            return of_children + of_server


def server_processes(postmaster: int) -> list[int]:
    """The server and its children."""
    return [postmaster, *_children(postmaster)]


def _children(process_id: int) -> list[int]:
    """The children that run, or have ended and are not yet waited for."""
    return [int(each) for each in Path(f"/proc/{process_id}/task/{process_id}/children").read_text("ascii").split()]


def _process_ms(process_id: int) -> float:
    """User and system time of a process and of its ended children (proc(5): fields 14 to 17 of stat)."""
    fields = Path(f"/proc/{process_id}/stat").read_text("utf-8").rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) * _TICKS_MS


async def find_postmaster(server: EmbeddedPostgres) -> int:
    """The process that every process of the server is a child of."""
    connection = await asyncpg.connect(server.url(SUPERUSER))
    folder = await connection.fetchval("SELECT current_setting('data_directory')")
    await connection.close()
    return int((Path(folder) / "postmaster.pid").read_text("ascii").split("\n", 1)[0])

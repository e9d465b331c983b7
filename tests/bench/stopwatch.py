"""Time by the clock and by the processor: of this process, its ended children and PostgreSQL together."""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import asyncpg

from tests.bench.processor import read_processor_time


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds by the clock, and seconds of the processor. A machine that does other work lengthens the former only."""

    clock_s: float = 0.0
    processor_s: float = 0.0

    def __add__(self, other: Self) -> "Spent":
        return Spent(self.clock_s + other.clock_s, self.processor_s + other.processor_s)

    def __sub__(self, other: Self) -> "Spent":
        return Spent(self.clock_s - other.clock_s, self.processor_s - other.processor_s)


class Stopwatch:
    """Reads both times of a server on this machine."""

    def __init__(self, postmaster: int) -> None:
        self.postmaster = postmaster

    @classmethod
    async def of(cls, connection: "asyncpg.Connection[asyncpg.Record]") -> "Stopwatch":
        """The stopwatch of the server of a connection of the superuser."""
        folder = await connection.fetchval("SELECT current_setting('data_directory')")
        return cls(int((Path(folder) / "postmaster.pid").read_text("ascii").split("\n", 1)[0]))

    def read(self) -> Spent:
        """The times until now; a difference of two readings is what was spent between them."""
        used = read_processor_time(service=os.getpid(), postmaster=self.postmaster)
        return Spent(time.perf_counter(), used.total_ms / 1000)

"""A limit of memory while a command reads a file: the machine of a payment service has other things to do."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

READING_MAX = 4 * 1024**3
"""Bytes of address space that reading one file may take beyond those of the process."""


@contextmanager
def memory_limited(extra: int = READING_MAX) -> Iterator[None]:
    """Let what happens inside take that much memory, in bytes, and no more. It then raises MemoryError."""
    before, hard = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    limit = pages * os.sysconf("SC_PAGE_SIZE") + extra
    limits = [each for each in (limit, before, hard) if each != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_AS, (min(limits), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (before, hard))

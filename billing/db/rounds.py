"""Rounds of the worker over rows that are found first: each row has its own transaction; a failure stops no other.

`worker/loops.py` repeats rounds and counts those that fail.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar
from uuid import UUID

import structlog

from billing.db.connection_errors import DatabaseUnavailable

RowId = TypeVar("RowId", bound=UUID)

log = structlog.get_logger(__name__)


async def run_each(name: str, row_ids: Iterable[RowId], work: Callable[[RowId], Awaitable[int]]) -> int:
    """Work on each row of a round; returns the sum of the results.

    A failure is logged with its row. The first one is raised after the last row, so that the loop counts the round as
    failed. Without a database no row can succeed: DatabaseUnavailable is raised at once.
    """
    total = 0
    failures: list[Exception] = []
    for row_id in row_ids:
        try:
            total += await work(row_id)
        except DatabaseUnavailable:
            raise
        except Exception as error:
            log.error("round_row_failed", round=name, row_id=str(row_id), exc_info=error)
            failures.append(error)
    if failures:
        raise failures[0]
    return total

"""Rounds of the worker over parts that are found first, rows or accounts: the failure of one stops no other.

`worker/loops.py` repeats rounds and counts those that fail.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar
from uuid import UUID

import structlog

from billing.db.connection_errors import DatabaseUnavailable

RowId = TypeVar("RowId", bound=UUID)
Done = TypeVar("Done")

log = structlog.get_logger(__name__)


async def run_each(name: str, row_ids: Iterable[RowId], work: Callable[[RowId], Awaitable[int]]) -> int:
    """Work on each row of a round, each in a transaction of its own; returns the sum of the results.

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


async def run_together(name: str, parts: Iterable[Awaitable[Done]]) -> list[Done]:
    """Await the parts of a round at the same time; returns their results in order.

    Each failure is logged, and the first one is raised after the last part has ended.
    """
    results = await asyncio.gather(*parts, return_exceptions=True)
    failures = [result for result in results if isinstance(result, BaseException)]
    for failure in failures:
        log.error("round_part_failed", round=name, exc_info=failure)
    if failures:
        raise failures[0]
    return [result for result in results if not isinstance(result, BaseException)]

"""Whether this process can do its work now: the database answers, in time, with a schema this code works on, rows have
partitions to go to, and the tasks of the process run.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from billing.core.errors import BillingError
from billing.core.ids import OrganizationId, ProviderAccountId
from billing.db.database import Database
from billing.db.migrator import MigrationRefused, pending_in
from billing.db.partitions import read_missing_partitions
from billing.organizations.store.organizations import read_account_ids
from billing.payments.service.context import PaymentContext

ANSWER_TIMEOUT_S = 1.0
_CELL_TIMEOUT_S = 0.8
FINE = "ok"
_SOON = timedelta(days=7)
_UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """One word a part: `ok`, or what is wrong with it.

    `partitions` is `missing` where rows of now have none, which stops everything, and `ending` where those of next
    week have none. `missing_partitions` and `tasks_down` name what is not ok. `cells` has a word for each of several
    cells: `ok`, or the first part that is not; the other fields are those of the first cell that is ready.
    """

    database: str
    schema: str = _UNKNOWN
    partitions: str = _UNKNOWN
    tasks: str = FINE
    missing_partitions: tuple[str, ...] = ()
    tasks_down: tuple[str, ...] = field(default=())
    cells: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_ready(self) -> bool:
        return self.database == self.schema == self.tasks == FINE and self.partitions in (FINE, "ending")


class ReadinessCheck:
    """Checks the database for readiness. Concurrent callers share one check."""

    def __init__(self, context: PaymentContext) -> None:
        self._context = context
        self._running: asyncio.Task[Readiness] | None = None

    async def check(self) -> Readiness:
        """The readiness now, after ANSWER_TIMEOUT_S at the latest; a check without answer is not started twice."""
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(_look(self._context))
        done, _ = await asyncio.wait({self._running}, timeout=ANSWER_TIMEOUT_S)
        found = Readiness(database=f"no answer within {ANSWER_TIMEOUT_S:g} s")
        if done:
            found = self._running.result()
        down = tuple(self._context.background.down())
        return replace(found, tasks="down" if down else FINE, tasks_down=down)


async def _look(context: PaymentContext) -> Readiness:
    """The readiness of the first cell that is ready: one that is down stops its own organizations only."""
    cells = context.database.cells_by_name
    if len(cells) == 1:
        [only] = cells.values()
        return await _look_at(only, context.clock())
    found = dict(
        zip(cells, await asyncio.gather(*(_look_in_time(each, context) for each in cells.values())), strict=True)
    )
    first = next((each for each in found.values() if each.is_ready), next(iter(found.values())))
    return replace(first, cells={name: _word(each) for name, each in found.items()})


async def _look_in_time(cell: Database, context: PaymentContext) -> Readiness:
    """The readiness of one of several cells; one that does not answer does not delay the answer about the others."""
    try:
        async with asyncio.timeout(_CELL_TIMEOUT_S):
            return await _look_at(cell, context.clock())
    except TimeoutError:
        return Readiness(database=f"no answer within {_CELL_TIMEOUT_S:g} s")


def _word(readiness: Readiness) -> str:
    """The first part that is not ok."""
    parts = (readiness.database, readiness.schema, readiness.partitions)
    return next((each for each in parts if each != FINE), FINE)


async def _look_at(cell: Database, now: datetime) -> Readiness:
    try:
        async with cell.system_transaction() as reader:
            missing = await pending_in(reader)
            if missing:
                return Readiness(database=FINE, schema="behind")
            now_missing = await read_missing_partitions(reader, now)
            soon_missing = await read_missing_partitions(reader, now + _SOON)
    except MigrationRefused as refusal:
        return Readiness(database=FINE, schema=refusal.code)
    except BillingError as error:
        return Readiness(database=error.code)
    return Readiness(
        database=FINE,
        schema=FINE,
        partitions="missing" if now_missing else "ending" if soon_missing else FINE,
        missing_partitions=tuple(now_missing or soon_missing),
    )


async def find_account_ids(context: PaymentContext, organization_id: OrganizationId) -> set[ProviderAccountId]:
    """The ids of an organization's provider accounts: what of the process's accounts its callers may see."""
    async with context.database.transaction(organization_id) as tx:
        return await read_account_ids(tx)

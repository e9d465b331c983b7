"""Whether this process can do its work now: the database answers, in time, and has the schema this code needs."""

import asyncio
from dataclasses import dataclass, replace

from billing.domain.errors import BillingError
from billing.services.context import Context
from billing.storage.migrator import MigrationRefused, pending_in

ANSWER_TIMEOUT_S = 1.0
FINE = "ok"


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """One word a part: `ok`, or what is wrong with it."""

    database: str
    schema: str
    tasks: str = FINE

    @property
    def is_ready(self) -> bool:
        return self.database == self.schema == self.tasks == FINE


class ReadinessCheck:
    """Asks the database whether we are ready. Whoever asks while a question is under way shares its answer."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._asking: asyncio.Task[Readiness] | None = None

    async def ask(self) -> Readiness:
        """What holds now, after ANSWER_TIMEOUT_S at the latest; a question without answer is not asked twice."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(_look(self._context))
        done, _ = await asyncio.wait({self._asking}, timeout=ANSWER_TIMEOUT_S)
        found = Readiness(database=f"no answer within {ANSWER_TIMEOUT_S:g} s", schema="unknown")
        if done:
            found = self._asking.result()
        return replace(found, tasks="down" if self._context.background.down() else FINE)


async def _look(context: Context) -> Readiness:
    try:
        async with context.database.installation() as reader:
            missing = await pending_in(reader)
    except MigrationRefused as refusal:
        return Readiness(database=FINE, schema=refusal.code)
    except BillingError as error:
        return Readiness(database=error.code, schema="unknown")
    return Readiness(database=FINE, schema="behind" if missing else FINE)

"""Two operations at once, each over its own connection and after a small random delay; what came of it is counted."""

import asyncio
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

import asyncpg

from billing.core.errors import Refused
from billing.db.connection_errors import DatabaseBusy

Act = Callable[[], Awaitable[None]]

_DELAY_MAX_S = 0.03
_TIME = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d")
_PERSON = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}|\bby \w+")


class Scene(Protocol):
    """A situation with the acts that are possible in it; each round has a new one."""

    @property
    def acts(self) -> Mapping[str, Act]:
        """The acts by name."""

    async def check(self, winners: Sequence[str]) -> None:
        """Compare what is stored with what the winners have done. Raises AssertionError."""

    async def finish(self) -> None:
        """End what is open, so that the next round begins with a free desk."""


@dataclass(slots=True)
class Tally:
    """What came of the rounds of one pair."""

    first: str
    second: str
    rounds: int = 0
    both: int = 0
    wins: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    deadlocks: int = 0
    unexplained: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        errors = ", ".join(f"{code} {number}" for code, number in sorted(self.errors.items())) or "none"
        alone = ", ".join(f"{name} {self.wins[name]}" for name in dict.fromkeys((self.first, self.second)))
        return (
            f"{self.first} × {self.second}: {self.rounds} rounds, both {self.both}, one alone: {alone}; "
            f"errors: {errors}; deadlocks retried {self.deadlocks}"
        )


@dataclass(slots=True)
class Race:
    """Rounds of one pair of acts. `explains` names the errors that state who was first and when."""

    tally: Tally
    random: Random
    explains: frozenset[str]

    async def run(self, scene: Scene) -> None:
        """One round. Raises AssertionError, and every error that is no refusal."""
        names = (self.tally.first, self.tally.second)
        results = await asyncio.gather(*(self._act(scene.acts[name]) for name in names))
        winners = [name for name, refusal in zip(names, results, strict=True) if refusal is None]
        self.tally.rounds += 1
        if len(winners) == 2:
            self.tally.both += 1
        for name in winners if len(winners) == 1 else ():
            self.tally.wins[name] += 1
        for refusal in results:
            if refusal is not None:
                self._note(refusal)
        await scene.check(winners)

    async def _act(self, act: Act) -> Refused | None:
        """Act after a random delay, again after a deadlock; returns the refusal."""
        await asyncio.sleep(self.random.uniform(0, _DELAY_MAX_S))
        while True:
            try:
                await act()
            except Refused as refusal:
                return refusal
            except DatabaseBusy as busy:
                if not isinstance(busy.__cause__, asyncpg.DeadlockDetectedError):
                    raise
                self.tally.deadlocks += 1
            else:
                return None

    def _note(self, refusal: Refused) -> None:
        self.tally.errors[refusal.code] += 1
        if refusal.code in self.explains and not (_TIME.search(refusal.detail) and _PERSON.search(refusal.detail)):
            self.tally.unexplained[f"{refusal.code}: {refusal.detail}"] += 1

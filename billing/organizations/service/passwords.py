"""Hashes of passwords and PINs: argon2id, computed outside the event loop, one at a time.

A step of `sign_in_accounts.py` and `sessions.py`. Source: RFC 9106 §4; docs/decisions/0022.
"""

import asyncio
import unicodedata
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from billing.core.errors import Unavailable

_AT_ONCE = 1
"""A hash takes 64 MiB and about 60 ms of a processor, which callbacks need too: further ones wait."""

_WAITING_MAX = 50
"""More would wait longer than 3 s."""


class Passwords:
    """The hasher of one process. `time_cost` and `memory_kib` are lower in tests only."""

    def __init__(self, *, time_cost: int = 3, memory_kib: int = 65_536) -> None:
        self._hasher = PasswordHasher(time_cost=time_cost, memory_cost=memory_kib, parallelism=1)
        self._running = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0
        self._decoy: str | None = None

    async def hash(self, secret: str) -> str:
        """The hash of a password or PIN, with its salt and its costs. Raises Unavailable where too many wait."""
        async with self._turn():
            return await asyncio.to_thread(self._hasher.hash, _composed(secret))

    async def verify(self, stored: str | None, given: str) -> bool:
        """Whether `given` is the secret of a hash. None takes as long: it is unknown whether an account exists.

        Raises Unavailable where too many wait.
        """
        if stored is None:
            if self._decoy is None:
                self._decoy = await self.hash("no password has this hash")
            await self._verify(self._decoy, given)
            return False
        return await self._verify(stored, given)

    async def _verify(self, stored: str, given: str) -> bool:
        async with self._turn():
            return await asyncio.to_thread(self._matches, stored, _composed(given))

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        if self._waiting >= _WAITING_MAX:
            raise Unavailable("too many sign-ins at this time; try again in a few seconds")
        self._waiting += 1
        try:
            async with self._running:
                yield
        finally:
            self._waiting -= 1

    def _matches(self, stored: str, given: str) -> bool:
        try:
            return self._hasher.verify(stored, given)
        except (VerificationError, InvalidHashError):
            return False


def _composed(secret: str) -> str:
    """One form of a text for every keyboard: a Vietnamese input method may send marks apart from their letters."""
    return unicodedata.normalize("NFC", secret)

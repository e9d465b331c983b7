"""Rate limits of anonymous traffic, so that clients without a key do not slow down payment callbacks.

A miss (an unknown page, account or key, a bad signature) uses an allowance of its client address. Above the allowance
the response is delayed; above the longest delay the status is 429. Lookups for anonymous clients share a few database
connections. A correctly signed callback is not limited. A recently found page or key is looked up for every address,
because a hospital may share one address. Source: docs/design.md §5.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from random import random
from time import monotonic
from typing import TypeVar

from billing.core.errors import BillingError, Unavailable

T = TypeVar("T")


class TooManyRequests(Unavailable):
    """Too many anonymous requests from this address, or from all addresses together; retry later."""

    code = "too_many_requests"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnonymousLimits:
    """Allowances per second with their bursts; times in seconds.

    `misses_` are of one address (an IPv6 /64), `misses_total_` of all addresses, `reads_` requests of one address for
    public resources such as health and styles, `page_` lookups of one page. `hold_max_s` is the longest delay of a
    response, `callback_hold_max_s` that of a rejected callback. Concurrent requests continue `pace_s` after each other.
    `database_` limits running and waiting lookups. Pages and keys that were found lately wait apart and longer
    (`found_`): the phones of a full hall fetch their pages at the same time.
    """

    misses_per_s: float = 25.0
    misses_burst: int = 50
    misses_total_per_s: float = 100.0
    misses_total_burst: int = 200
    reads_per_s: float = 200.0
    reads_burst: int = 400
    page_per_s: float = 10.0
    page_burst: int = 30
    hold_max_s: float = 10.0
    callback_hold_max_s: float = 2.0
    held_max: int = 2_000
    pace_s: float = 0.003
    database_running_max: int = 4
    database_waiting_max: int = 64
    found_waiting_max: int = 2_000
    found_timeout_s: float = 8.0
    database_timeout_s: float = 2.0
    missed_for_s: float = 1.0
    names_max: int = 20_000


class AnonymousTraffic:
    """The allowances of one process. `close` ends every delay, so that the service can stop."""

    def __init__(self, limits: AnonymousLimits | None = None) -> None:
        self._limits = limits = limits or AnonymousLimits()
        self._misses = _Allowances(limits.misses_per_s, limits.misses_burst, limits.names_max)
        self._all_misses = _Allowances(limits.misses_total_per_s, limits.misses_total_burst, 1)
        self._reads = _Allowances(limits.reads_per_s, limits.reads_burst, limits.names_max)
        self._pages = _Allowances(limits.page_per_s, limits.page_burst, limits.names_max)
        self._found = _Memory(limits.names_max)
        self._missed = _Memory(limits.names_max)
        self._running = asyncio.Semaphore(limits.database_running_max)
        self._waiting = {False: 0, True: 0}  # lookups by whether their name was found lately
        self._held: set[asyncio.Future[None]] = set()
        self._turn_at = 0.0
        self._is_closing = False

    def close(self) -> None:
        """End every delay."""
        self._is_closing = True
        for held in self._held:
            if not held.done():
                held.set_result(None)

    async def look_up(self, address: str, name: bytes, find: Callable[[], Awaitable[T]], *, missing: BillingError) -> T:
        """Look up a name for an anonymous client. A miss is cached for a short time and delayed by address.

        `missing` is the error of a miss: raised from memory, and recognized by its class where `find` raises it.
        Raises TooManyRequests, Unavailable, and what `find` raises.
        """
        is_found_lately = self._found.at(name) is not None
        if is_found_lately:
            await self._hold(self._pages.reserve(name, self._limits.hold_max_s))
        else:
            await self._hold_misses(address)
        missed_at = self._missed.at(name)
        if missed_at is not None and monotonic() - missed_at < self._limits.missed_for_s:
            raise missing
        try:
            async with self._lookup(is_found_lately=is_found_lately):
                found = await find()
        except type(missing):
            self._missed.note(name)
            self._found.drop(name)
            raise
        self._found.note(name)
        if not is_found_lately:
            self._misses.give_back(_network(address))
            self._all_misses.give_back("")
        return found

    async def admit_read(self, address: str, *, cost: int) -> None:
        """Delay a request for a public resource above the allowance of its address. Raises TooManyRequests."""
        await self._hold(self._reads.reserve(_network(address), self._limits.hold_max_s, cost=cost))

    async def admit_miss(self, address: str) -> None:
        """Delay the response to a request for an unknown path. Raises TooManyRequests."""
        await self._hold_misses(address)

    async def hold_refusal(self, address: str) -> None:
        """Delay the rejection of an invalid callback. The reply stays in the provider's format."""
        longest = self._limits.callback_hold_max_s
        delay = self._misses.reserve(_network(address), self._limits.hold_max_s)
        if len(self._held) < self._limits.held_max:
            await self._sleep(_spread(longest) if delay is None or delay > longest else delay)

    async def _hold_misses(self, address: str) -> None:
        longest = self._limits.hold_max_s
        delay = self._misses.reserve(_network(address), longest)
        if delay is not None:
            of_all = self._all_misses.reserve("", longest)
            delay = None if of_all is None else max(delay, of_all)
        await self._hold(delay)

    async def _hold(self, delay: float | None) -> None:
        """Wait for `delay`. None means that the allowance is exceeded: reject after the longest delay."""
        if len(self._held) >= self._limits.held_max:
            raise TooManyRequests("too many requests wait already")
        if delay is None:
            # An immediate rejection would cause an immediate retry.
            await self._sleep(_spread(self._limits.hold_max_s))
            raise TooManyRequests("too many requests from this address")
        await self._sleep(delay)
        # Concurrent requests continue one after the other: a callback waits for one of them, not for all.
        now = monotonic()
        turn_at = max(now, self._turn_at)
        self._turn_at = turn_at + self._limits.pace_s
        await self._sleep(turn_at - now)

    async def _sleep(self, delay: float) -> None:
        if delay <= 0.0 or self._is_closing:
            return
        loop = asyncio.get_running_loop()
        held: asyncio.Future[None] = loop.create_future()
        timer = loop.call_later(delay, _end, held)
        self._held.add(held)
        try:
            await held
        finally:
            timer.cancel()
            self._held.discard(held)

    @asynccontextmanager
    async def _lookup(self, *, is_found_lately: bool) -> AsyncIterator[None]:
        """One of the few lookups that may run at a time. Raises TooManyRequests, Unavailable."""
        limits = self._limits
        waiting_max, timeout_s = limits.database_waiting_max, limits.database_timeout_s
        if is_found_lately:
            waiting_max, timeout_s = limits.found_waiting_max, limits.found_timeout_s
        if self._waiting[is_found_lately] >= waiting_max:
            raise TooManyRequests("too many lookups wait already")
        try:
            async with asyncio.timeout(timeout_s):
                self._waiting[is_found_lately] += 1
                try:
                    await self._running.acquire()
                finally:
                    self._waiting[is_found_lately] -= 1
                try:
                    yield
                finally:
                    self._running.release()
        except TimeoutError as cause:
            raise Unavailable("the lookup took too long; try again") from cause


class _Allowances:
    """A rate limit with a burst for each name (GCRA, ITU-T I.371)."""

    def __init__(self, per_s: float, burst: int, names_max: int) -> None:
        self._interval_s = 1 / per_s
        self._burst_s = burst / per_s
        self._names_max = names_max
        self._due: dict[object, float] = {}

    def reserve(self, name: object, longest_s: float, *, cost: int = 1) -> float | None:
        """Seconds until this use of the allowance is due, 0.0 for now; None, and not reserved, beyond `longest_s`."""
        now = monotonic()
        due = max(self._due.pop(name, now), now)
        delay = due + self._interval_s * cost - self._burst_s - now
        if delay > longest_s:
            self._due[name] = due
            return None
        if len(self._due) >= self._names_max:
            del self._due[next(iter(self._due))]
        self._due[name] = due + self._interval_s * cost
        return max(0.0, delay)

    def give_back(self, name: object) -> None:
        """Return one use."""
        if name in self._due:
            self._due[name] -= self._interval_s


class _Memory:
    """Recently noted names with their times; the oldest are removed first."""

    def __init__(self, names_max: int) -> None:
        self._names_max = names_max
        self._noted: dict[bytes, float] = {}

    def at(self, name: bytes) -> float | None:
        return self._noted.get(name)

    def note(self, name: bytes) -> None:
        self.drop(name)
        if len(self._noted) >= self._names_max:
            del self._noted[next(iter(self._noted))]
        self._noted[name] = monotonic()

    def drop(self, name: bytes) -> None:
        self._noted.pop(name, None)


def _network(address: str) -> str:
    """The unit of a limit: an IPv4 address, or the /64 of one IPv6 client (RFC 6177)."""
    if ":" not in address:
        return address
    return str(ip_network((ip_address(address), 64), strict=False))


def _spread(longest_s: float) -> float:
    """A random delay near the longest, so that delayed responses are not sent at the same time."""
    return longest_s * (0.5 + random() / 2)  # noqa: S311 - no secret


def _end(held: "asyncio.Future[None]") -> None:
    if not held.done():
        held.set_result(None)

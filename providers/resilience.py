"""The line to one provider account: an HTTP client of its own, so that one that is down or slow holds up nobody else.

A line lets so many calls through at once, stops calling after several failures in a row, and tries one call now and
then until an answer comes. Only what changes nothing is ever repeated: GET, and what `calling.call` was told is a
question; never the beginning of a payment or a refund. Repeats are jittered and earned by calls, so they never add more
than a tenth to them. What is refused here was not sent. Source: docs/design.md §7; RFC 9110 §9.2.1 (safe methods),
§10.2.3.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass, field
from random import Random, SystemRandom
from ssl import SSLContext
from time import monotonic
from types import TracebackType
from typing import Generic, Self, TypeVar

import httpx

from providers.addresses import AddressNotAllowed, AddressRules, CheckedTransport

REPEATABLE = "vienphi.repeatable"
"""Extension of a request that asks and changes nothing, though its method is not GET."""

_SAFE_METHODS = frozenset({"GET", "HEAD"})
_TRY_AGAIN = frozenset({429, 502, 503, 504})
_TIMEOUT = httpx.Timeout(60.0, connect=3.0, pool=2.0)

Key = TypeVar("Key", bound=Hashable)


class Stopped(httpx.ConnectError):
    """The account failed several times in a row, or asked us to wait: nothing is sent for a while."""


class Crowded(httpx.PoolTimeout):
    """Too many calls to this account are under way already: nothing was sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineLimits:
    """Limits of one line, in seconds and calls. `stop_s` is doubled at each failed try, up to `stop_max_s`."""

    calls_at_once: int = 20
    wait_max_s: float = 2.0
    failures_max: int = 5
    stop_s: float = 10.0
    stop_max_s: float = 300.0
    repeats_max: int = 2
    repeat_after_s: float = 0.2
    retry_after_max_s: float = 60.0
    repeat_wait_max_s: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LineState:
    """How a line goes. `failures` are those in a row; the rest are counts since the start."""

    is_stopped: bool
    failures: int
    under_way: int
    answered: int
    failed: int
    refused: int
    repeated: int


@dataclass(slots=True)
class _Counts:
    under_way: int = 0
    answered: int = 0
    failed: int = 0
    refused: int = 0
    repeated: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Clock, chance and waiting, handed in so that a test need not wait."""

    clock: Callable[[], float] = monotonic
    random: Random = field(default_factory=SystemRandom)
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep


class Line(httpx.AsyncBaseTransport):
    """A transport that guards another one, which belongs to it."""

    def __init__(
        self,
        inner: httpx.AsyncBaseTransport,
        limits: LineLimits | None = None,
        around: Surroundings | None = None,
    ) -> None:
        self._inner = inner
        self._limits = limits or LineLimits()
        self._around = around or Surroundings()
        self._slots = asyncio.Semaphore(self._limits.calls_at_once)
        self._counts = _Counts()
        self._failures = 0
        self._stopped_until = 0.0
        self._is_trying = False
        self._earned = float(self._limits.repeats_max)

    @property
    def state(self) -> LineState:
        """How the line goes now."""
        counts = self._counts
        return LineState(
            is_stopped=self._is_stopped(),
            failures=self._failures,
            under_way=counts.under_way,
            answered=counts.answered,
            failed=counts.failed,
            refused=counts.refused,
            repeated=counts.repeated,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request within the limits. Raises Stopped, Crowded, or what the transport raises."""
        self._earned = min(self._earned + 0.1, float(self._limits.repeats_max))
        repeats = 0
        while True:
            wait_s = self._limits.repeat_after_s * 2**repeats * (0.5 + self._around.random.random())
            try:
                response = await self._send(request)
            except (Stopped, Crowded, AddressNotAllowed):
                raise
            except httpx.TransportError:
                if not self._may_repeat(request, repeats):
                    raise
            else:
                told_s = _retry_after_s(response)
                wait_s = max(wait_s, told_s or 0.0)
                is_to_repeat = response.status_code in _TRY_AGAIN and wait_s <= self._limits.repeat_wait_max_s
                if not is_to_repeat or not self._may_repeat(request, repeats):
                    self._heed(response, told_s)
                    return response
                await response.aclose()
            repeats += 1
            self._earned -= 1
            self._counts.repeated += 1
            await self._around.pause(wait_s)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()

    async def _send(self, request: httpx.Request) -> httpx.Response:
        await self._enter()
        try:
            response = await self._inner.handle_async_request(request)
        except BaseException:  # also cancelled: whoever called had waited long enough
            self._leave(is_failed=True)
            raise
        assert isinstance(response.stream, httpx.AsyncByteStream)
        is_failed = response.status_code >= 500 or response.status_code == 429
        stream = _Watched(response.stream, is_failed, self._leave)
        return httpx.Response(
            response.status_code, headers=response.headers, stream=stream, extensions=response.extensions
        )

    async def _enter(self) -> None:
        """Take one of the places, or refuse without having sent anything."""
        self._refuse_if_stopped()
        try:
            async with asyncio.timeout(self._limits.wait_max_s):
                await self._slots.acquire()
        except TimeoutError:
            self._counts.refused += 1
            raise Crowded("too many calls to this account are under way") from None
        try:
            self._refuse_if_stopped()  # others have failed while this one waited
        except Stopped:
            self._slots.release()
            raise
        self._is_trying = self._failures >= self._limits.failures_max
        self._counts.under_way += 1

    def _refuse_if_stopped(self) -> None:
        if self._is_stopped() or self._is_trying:
            self._counts.refused += 1
            raise Stopped("this account has failed several times in a row; nothing was sent")

    def _is_stopped(self) -> bool:
        return self._around.clock() < self._stopped_until

    def _leave(self, *, is_failed: bool) -> None:
        limits, counts = self._limits, self._counts
        counts.under_way -= 1
        self._is_trying = False
        self._slots.release()
        if not is_failed:
            counts.answered += 1
            self._failures = 0
            return
        counts.failed += 1
        self._failures += 1
        beyond = self._failures - limits.failures_max
        if beyond >= 0:
            stop_s = min(limits.stop_s * 2.0 ** min(beyond, 10), limits.stop_max_s)
            self._stopped_until = max(self._stopped_until, self._around.clock() + stop_s)

    def _heed(self, response: httpx.Response, told_s: float | None) -> None:
        """A provider that says when to come again is left alone until then, within a limit."""
        if told_s is not None and response.status_code in (429, 503):
            until = self._around.clock() + min(told_s, self._limits.retry_after_max_s)
            self._stopped_until = max(self._stopped_until, until)

    def _may_repeat(self, request: httpx.Request, repeats: int) -> bool:
        is_safe = request.method in _SAFE_METHODS or request.extensions.get(REPEATABLE) is True
        return is_safe and repeats < self._limits.repeats_max and self._earned >= 1 and not self._is_stopped()


class _Watched(httpx.AsyncByteStream):
    """A body that holds its call's place until it is closed; one that breaks off is a failure."""

    def __init__(self, inner: httpx.AsyncByteStream, is_failed: bool, leave: Callable[..., None]) -> None:
        self._inner = inner
        self._is_failed = is_failed
        self._leave: Callable[..., None] | None = leave

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for part in self._inner:
                yield part
        except (httpx.TransportError, asyncio.CancelledError):
            self._is_failed = True
            raise

    async def aclose(self) -> None:
        leave, self._leave = self._leave, None
        try:
            await self._inner.aclose()
        finally:
            if leave is not None:
                leave(is_failed=self._is_failed)


class Lines(Generic[Key]):
    """One line and client for each account, by a key of its owner's. Use as an async context manager."""

    def __init__(
        self,
        limits: LineLimits | None = None,
        *,
        verify: SSLContext | None = None,
        addresses: AddressRules | None = None,
    ) -> None:
        self._limits = limits or LineLimits()
        self._addresses = addresses or AddressRules()
        self._verify = verify or httpx.create_ssl_context(trust_env=False)  # read once: it takes tens of milliseconds
        self._lines: dict[Key, tuple[Line, httpx.AsyncClient]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for _, client in self._lines.values():
            await client.aclose()

    def client(self, key: Key) -> httpx.AsyncClient:
        """The client of an account, the same one each time. Proxies of the environment are not used.

        It connects to no address that `addresses` does not allow.
        """
        if key not in self._lines:
            connections = httpx.Limits(max_connections=self._limits.calls_at_once, max_keepalive_connections=5)
            inner = CheckedTransport(self._addresses, verify=self._verify, limits=connections)
            line = Line(inner, self._limits)
            client = httpx.AsyncClient(transport=line, timeout=_TIMEOUT, follow_redirects=False, trust_env=False)
            self._lines[key] = (line, client)
        return self._lines[key][1]

    def states(self) -> Mapping[Key, LineState]:
        """How every line goes that was ever asked for."""
        return {key: line.state for key, (line, _) in self._lines.items()}


def _retry_after_s(response: httpx.Response) -> float | None:
    """Seconds; a date is left unread, since it would need the provider's clock to be ours."""
    told = response.headers.get("retry-after", "")
    return float(told) if told.isascii() and told.isdigit() and len(told) < 7 else None

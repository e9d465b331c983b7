"""The HTTP client of one provider account; separate clients isolate an account from outages of other providers.

A client limits concurrent calls, opens its circuit after several failures in a row, and then sends single trial calls
until an answer arrives. It retries only requests that change nothing: GET, and requests that `http_call.call` marks as
retryable; never the start of a payment or a refund. Retries are jittered and limited by a budget of a tenth of the
calls. A request that is refused here was not sent. Source: docs/design.md §7; RFC 9110 §9.2.1 (safe methods),
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

from providers.addresses import AddressNotAllowed, AddressRules, CheckedTransport, accepted_certificates

RETRYABLE = "vienphi.retryable"
"""Extension of a request that changes nothing, although its method is not GET."""

_SAFE_METHODS = frozenset({"GET", "HEAD"})
_RETRYABLE_STATUSES = frozenset({429, 502, 503, 504})
_TIMEOUT = httpx.Timeout(60.0, connect=3.0, pool=2.0)

Key = TypeVar("Key", bound=Hashable)


class CircuitOpen(httpx.ConnectError):
    """The account failed several times in a row, or requested a delay: no request is sent until it ends."""


class TooManyCalls(httpx.PoolTimeout):
    """Too many calls to this account are in progress: nothing was sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientLimits:
    """Limits of one client, in seconds and calls. `open_s` doubles at each failed trial call, up to `open_max_s`."""

    concurrent_calls_max: int = 20
    slot_wait_max_s: float = 2.0
    failures_max: int = 5
    open_s: float = 10.0
    open_max_s: float = 300.0
    retries_max: int = 2
    retry_delay_s: float = 0.2
    retry_after_max_s: float = 60.0
    retry_wait_max_s: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientStats:
    """State and counts of a client. `failures` are those in a row; the other counts are since the start."""

    is_circuit_open: bool
    failures: int
    in_flight: int
    answered: int
    failed: int
    refused: int
    retried: int


@dataclass(slots=True)
class _Counts:
    in_flight: int = 0
    answered: int = 0
    failed: int = 0
    refused: int = 0
    retried: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """Clock, randomness and sleep; arguments, so that a test need not wait."""

    clock: Callable[[], float] = monotonic
    random: Random = field(default_factory=SystemRandom)
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep


class GuardedTransport(httpx.AsyncBaseTransport):
    """A transport that limits the calls of an inner transport, which it owns."""

    def __init__(
        self,
        inner: httpx.AsyncBaseTransport,
        limits: ClientLimits | None = None,
        runtime: Runtime | None = None,
    ) -> None:
        self._inner = inner
        self._limits = limits or ClientLimits()
        self._runtime = runtime or Runtime()
        self._slots = asyncio.Semaphore(self._limits.concurrent_calls_max)
        self._counts = _Counts()
        self._failures = 0
        self._open_until = 0.0
        self._is_probing = False
        self._retry_budget = float(self._limits.retries_max)

    @property
    def stats(self) -> ClientStats:
        """The current state and counts."""
        counts = self._counts
        return ClientStats(
            is_circuit_open=self._is_circuit_open(),
            failures=self._failures,
            in_flight=counts.in_flight,
            answered=counts.answered,
            failed=counts.failed,
            refused=counts.refused,
            retried=counts.retried,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request within the limits. Raises CircuitOpen, TooManyCalls, and the errors of the transport."""
        self._retry_budget = min(self._retry_budget + 0.1, float(self._limits.retries_max))
        retries = 0
        while True:
            wait_s = self._limits.retry_delay_s * 2**retries * (0.5 + self._runtime.random.random())
            try:
                response = await self._send(request)
            except (CircuitOpen, TooManyCalls, AddressNotAllowed):
                raise
            except httpx.TransportError:
                if not self._may_retry(request, retries):
                    raise
            else:
                retry_after_s = _retry_after_s(response)
                wait_s = max(wait_s, retry_after_s or 0.0)
                is_to_retry = response.status_code in _RETRYABLE_STATUSES and wait_s <= self._limits.retry_wait_max_s
                if not is_to_retry or not self._may_retry(request, retries):
                    self._respect_retry_after(response, retry_after_s)
                    return response
                await response.aclose()
            retries += 1
            self._retry_budget -= 1
            self._counts.retried += 1
            await self._runtime.pause(wait_s)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()

    async def _send(self, request: httpx.Request) -> httpx.Response:
        await self._acquire_slot()
        try:
            response = await self._inner.handle_async_request(request)
        except BaseException:  # also cancelled: the caller's timeout has passed
            self._release_slot(is_failed=True)
            raise
        assert isinstance(response.stream, httpx.AsyncByteStream)
        is_failed = response.status_code >= 500 or response.status_code == 429
        stream = _SlotStream(response.stream, is_failed, self._release_slot)
        return httpx.Response(
            response.status_code, headers=response.headers, stream=stream, extensions=response.extensions
        )

    async def _acquire_slot(self) -> None:
        """Reserve one of the slots, or refuse without sending anything."""
        self._reject_if_open()
        try:
            async with asyncio.timeout(self._limits.slot_wait_max_s):
                await self._slots.acquire()
        except TimeoutError:
            self._counts.refused += 1
            raise TooManyCalls("too many calls to this account are under way") from None
        try:
            self._reject_if_open()  # other calls have failed while this call waited
        except CircuitOpen:
            self._slots.release()
            raise
        self._is_probing = self._failures >= self._limits.failures_max
        self._counts.in_flight += 1

    def _reject_if_open(self) -> None:
        if self._is_circuit_open() or self._is_probing:
            self._counts.refused += 1
            raise CircuitOpen("this account has failed several times in a row; nothing was sent")

    def _is_circuit_open(self) -> bool:
        return self._runtime.clock() < self._open_until

    def _release_slot(self, *, is_failed: bool) -> None:
        limits, counts = self._limits, self._counts
        counts.in_flight -= 1
        self._is_probing = False
        self._slots.release()
        if not is_failed:
            counts.answered += 1
            self._failures = 0
            return
        counts.failed += 1
        self._failures += 1
        beyond = self._failures - limits.failures_max
        if beyond >= 0:
            open_s = min(limits.open_s * 2.0 ** min(beyond, 10), limits.open_max_s)
            self._open_until = max(self._open_until, self._runtime.clock() + open_s)

    def _respect_retry_after(self, response: httpx.Response, retry_after_s: float | None) -> None:
        """Open the circuit until the time that the provider requests, within a limit."""
        if retry_after_s is not None and response.status_code in (429, 503):
            until = self._runtime.clock() + min(retry_after_s, self._limits.retry_after_max_s)
            self._open_until = max(self._open_until, until)

    def _may_retry(self, request: httpx.Request, retries: int) -> bool:
        is_safe = request.method in _SAFE_METHODS or request.extensions.get(RETRYABLE) is True
        return (
            is_safe and retries < self._limits.retries_max and self._retry_budget >= 1 and not self._is_circuit_open()
        )


class _SlotStream(httpx.AsyncByteStream):
    """A body that holds its call's slot until it is closed; a body that breaks off is a failure."""

    def __init__(self, inner: httpx.AsyncByteStream, is_failed: bool, release: Callable[..., None]) -> None:
        self._inner = inner
        self._is_failed = is_failed
        self._release_slot: Callable[..., None] | None = release

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for part in self._inner:
                yield part
        except (httpx.TransportError, asyncio.CancelledError):
            self._is_failed = True
            raise

    async def aclose(self) -> None:
        release, self._release_slot = self._release_slot, None
        try:
            await self._inner.aclose()
        finally:
            if release is not None:
                release(is_failed=self._is_failed)


class ProviderClients(Generic[Key]):
    """One client for each account, by a key of the owner's choice. Use as an async context manager.

    `wrap` encloses the transport of an account in one of the owner, to observe its calls.
    """

    def __init__(
        self,
        limits: ClientLimits | None = None,
        *,
        verify: SSLContext | None = None,
        addresses: AddressRules | None = None,
        wrap: Callable[[Key, httpx.AsyncBaseTransport], httpx.AsyncBaseTransport] | None = None,
    ) -> None:
        self._limits = limits or ClientLimits()
        self._wrap = wrap or _as_it_is
        self._addresses = addresses or AddressRules()
        self._verify = verify or accepted_certificates()
        self._clients: dict[Key, tuple[GuardedTransport, httpx.AsyncClient]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for _, client in self._clients.values():
            await client.aclose()

    def client(self, key: Key) -> httpx.AsyncClient:
        """The client of an account, the same at each call. Proxies of the environment are not used.

        It connects to no address that `addresses` does not allow.
        """
        if key not in self._clients:
            connections = httpx.Limits(max_connections=self._limits.concurrent_calls_max, max_keepalive_connections=5)
            inner = CheckedTransport(self._addresses, verify=self._verify, limits=connections)
            transport = GuardedTransport(inner, self._limits)
            outermost = self._wrap(key, transport)
            client = httpx.AsyncClient(transport=outermost, timeout=_TIMEOUT, follow_redirects=False, trust_env=False)
            self._clients[key] = (transport, client)
        return self._clients[key][1]

    def stats(self) -> Mapping[Key, ClientStats]:
        """State and counts of every client since the start."""
        return {key: transport.stats for key, (transport, _) in self._clients.items()}


def _as_it_is(_key: object, transport: httpx.AsyncBaseTransport) -> httpx.AsyncBaseTransport:
    return transport


def _retry_after_s(response: httpx.Response) -> float | None:
    """Seconds; a date is ignored, since it would depend on the provider's clock."""
    header = response.headers.get("retry-after", "")
    return float(header) if header.isascii() and header.isdigit() and len(header) < 7 else None

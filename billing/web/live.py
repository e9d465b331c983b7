"""Live updates of open pages: one event stream for each page, and one watcher for all streams of a hub.

One hub serves the payment pages, by intent; a second one the pages of desks (`DESKS`), by desk.

A stream sends "changed" and no state; the page then fetches its state. The watcher compares the versions of the intents
of open pages: at once after a change notification, and every second without one. It reads only organizations with open
pages, each in its own transaction. Source: docs/design.md §5, point 8; docs/ux.md, Patient page; docs/decisions/0011.
"""

import asyncio
import operator
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any
from uuid import UUID

import structlog
from aiohttp import web

from billing.checkout.service.pay_page import find_versions
from billing.core.errors import Unavailable
from billing.core.ids import OrganizationId
from billing.db.background import Background
from billing.payments.service.context import PaymentContext

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveLimits:
    """Limits of streams, the poll interval, and the time limits of a stream; times in seconds.

    A client that does not take `write_timeout_s` long what is sent is disconnected by the service. One that does not
    acknowledge `unacknowledged_s` long what the system sends, as a phone without network, is disconnected by the
    system.
    """

    streams_max: int = 2_000
    streams_of_page_max: int = 10
    poll_s: float = 1.0
    rest_s: float = 0.1
    write_timeout_s: float = 5.0
    unacknowledged_s: float = 30.0
    heartbeat_s: float = 20.0
    life_s: float = 1_800.0


Differs = Callable[[int, int], bool]
"""Whether the first version means another content than the second."""


@dataclass(slots=True, eq=False)
class _Stream:
    """A stream that waits: `woken` is set when its page has changed, was closed, or the service stops."""

    request: web.Request
    woken: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_closed(self) -> bool:
        """Whether the client has closed the connection. aiohttp does not state it to a handler that waits."""
        return self.request.transport is None or self.request.transport.is_closing()


@dataclass(slots=True, eq=False)
class _Page:
    """The subject of an open page: its newest known version, and the streams that wait for another version."""

    version: int
    differs: Differs
    streams: set[_Stream] = field(default_factory=set)

    def show(self, version: int) -> None:
        if self.differs(version, self.version):
            self.version = version
            for each in self.streams:
                each.woken.set()


FindVersions = Callable[[PaymentContext, OrganizationId, Sequence[Any]], Awaitable[Mapping[Any, int]]]
"""Reads the versions of the subjects of pages: intents, or desks."""


class LiveHub:
    """Every open stream of one kind of page in this process. `watch` runs while the application does.

    The versions of payment pages only grow; those of desks may fall, so any other version is a change. A hub tells its
    `followers` what it is notified of.
    """

    def __init__(
        self,
        context: PaymentContext,
        limits: LiveLimits | None = None,
        *,
        find: FindVersions | None = None,
        differs: Differs = operator.gt,
    ) -> None:
        self._context = context
        self._limits = limits or LiveLimits()
        self._find = find
        self._differs = differs
        self.followers: list[LiveHub] = []
        self._pages: dict[OrganizationId, dict[UUID, _Page]] = {}
        self._checked_at: dict[OrganizationId, float] = {}
        self._notified: set[OrganizationId] = set()
        self._wakeup = asyncio.Event()
        self._streams = 0
        self._is_closing = False

    @property
    def background(self) -> Background:
        """The supervisor of the watcher task."""
        return self._context.background

    @property
    def streams(self) -> int:
        """How many streams are open now."""
        return self._streams

    def notify(self, organization_ids: Collection[OrganizationId] | None) -> None:
        """Check the pages of these organizations now; None means all organizations."""
        notified = self._pages.keys() if organization_ids is None else self._pages.keys() & set(organization_ids)
        if notified:
            self._notified |= notified
            self._wakeup.set()
        for follower in self.followers:
            follower.notify(organization_ids)

    def close(self) -> None:
        """End every stream."""
        self._is_closing = True
        for page in self._all_pages():
            for each in page.streams:
                each.woken.set()

    async def stream(
        self, request: web.Request, organization_id: OrganizationId, subject_id: UUID, version: int
    ) -> web.StreamResponse:
        """Answer with a stream of the changes after `version`, or with 503 where there are too many streams.

        A client that reads too slowly is disconnected; the page then reconnects.
        """
        page = self._pages.get(organization_id, {}).get(subject_id)
        is_full = self._streams >= self._limits.streams_max
        if is_full or self._is_closing or (page and len(page.streams) >= self._limits.streams_of_page_max):
            return web.Response(status=503, headers={"Retry-After": "15"})
        stream = _Stream(request)
        page = self._pages.setdefault(organization_id, {}).setdefault(subject_id, page or _Page(version, self._differs))
        if self._differs(page.version, version):
            stream.woken.set()
        page.streams.add(stream)
        if self._differs is operator.gt:
            page.show(version)
        self._streams += 1
        try:
            return await self._write(stream)
        finally:
            self._streams -= 1
            page.streams.discard(stream)
            if not page.streams:
                self._remove_page(organization_id, subject_id)

    async def watch(self) -> None:
        """Check the open pages for changes until cancelled, also while the database fails."""
        while True:
            try:
                async with asyncio.timeout(self._limits.poll_s / 4):
                    await self._wakeup.wait()
            except TimeoutError:
                pass
            self._wakeup.clear()
            notified, self._notified = self._notified, set()
            self._wake_closed()
            now = monotonic()
            for organization_id in list(self._pages):
                is_due = now - self._checked_at.get(organization_id, 0.0) >= self._limits.poll_s * 0.6
                if organization_id in notified or is_due:
                    await self._check(organization_id)
            await asyncio.sleep(self._limits.rest_s)

    def _wake_closed(self) -> None:
        """Let the streams end whose client has closed the page: their places are needed before the next heartbeat."""
        for page in self._all_pages():
            for each in page.streams:
                if each.is_closed:
                    each.woken.set()

    async def _check(self, organization_id: OrganizationId) -> None:
        self._checked_at[organization_id] = monotonic()
        watched = list(self._pages.get(organization_id, {}))
        try:
            find: FindVersions = self._find or find_versions
            versions = await find(self._context, organization_id, watched)
        except Unavailable as error:
            log.warning("page_watch_failed", organization=organization_id, error=error.code)
            return
        except Exception as error:  # A fault of one organization does not stop the pages of the others.
            log.error("page_watch_failed", organization=organization_id, exc_info=error)
            return
        pages = self._pages.get(organization_id, {})
        for subject_id, version in versions.items():
            if subject_id in pages:
                pages[subject_id].show(version)

    async def _write(self, stream: _Stream) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
        ends_at = monotonic() + self._limits.life_s
        _limit_unacknowledged(stream.request, self._limits.unacknowledged_s)
        try:
            async with asyncio.timeout(self._limits.write_timeout_s):
                await response.prepare(stream.request)
                await response.write(b"retry: 3000\n\n")
            while not self._is_closing and monotonic() < ends_at:
                text = b"data: changed\n\n" if await self._is_set(stream.woken) else b": here\n\n"
                stream.woken.clear()
                if self._is_closing or stream.is_closed:
                    break
                async with asyncio.timeout(self._limits.write_timeout_s):
                    await response.write(text)
        except TimeoutError:
            if stream.request.transport is not None:
                stream.request.transport.abort()
        except OSError:
            pass  # The page was closed, or the system has disconnected it.
        return response

    async def _is_set(self, woken: asyncio.Event) -> bool:
        try:
            async with asyncio.timeout(self._limits.heartbeat_s):
                return await woken.wait()
        except TimeoutError:
            return False

    def _remove_page(self, organization_id: OrganizationId, subject_id: UUID) -> None:
        pages = self._pages.get(organization_id, {})
        pages.pop(subject_id, None)
        if not pages:
            self._pages.pop(organization_id, None)
            self._checked_at.pop(organization_id, None)

    def _all_pages(self) -> list[_Page]:
        return [page for pages in self._pages.values() for page in pages.values()]


def _limit_unacknowledged(request: web.Request, longest_s: float) -> None:
    """Let the system end the connection after this time without an acknowledgement, instead of a quarter of an hour.

    Linux only. Source: the Linux man-pages project (man7.org), tcp(7), TCP_USER_TIMEOUT.
    """
    connection = None if request.transport is None else request.transport.get_extra_info("socket")
    if connection is not None and connection.family != socket.AF_UNIX and hasattr(socket, "TCP_USER_TIMEOUT"):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(longest_s * 1000))


LIVE = web.AppKey("live", LiveHub)


DESKS = web.AppKey("live_desks", LiveHub)
"""The hub of the pages of desks."""


def add_live_hub(application: web.Application, hub: LiveHub, *, key: web.AppKey[LiveHub] = LIVE) -> None:
    """Run the watcher while the application runs. End all streams before the application waits for open requests."""

    async def run(_application: web.Application) -> AsyncIterator[None]:
        watcher = hub.background.start("pages" if key is LIVE else "desks", hub.watch)
        yield
        await watcher.stop()

    async def close(_application: web.Application) -> None:
        hub.close()

    application[key] = hub
    application.cleanup_ctx.append(run)
    application.on_shutdown.append(close)

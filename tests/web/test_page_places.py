"""A page that was closed, and a reader that stalls, give the place of their stream back."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from billing.payments.service.intake import Intake
from billing.web.live import LIVE, LiveHub, LiveLimits
from billing.web.server import create_application, serving
from tests.web.site import Site
from tests.web.test_live import NEVER_S, opened


@asynccontextmanager
async def served(site: Site, limits: LiveLimits) -> AsyncIterator[tuple[str, LiveHub]]:
    """Another instance of the service with these limits: its address and its hub."""
    hub = LiveHub(site.context, limits)
    async with (
        Intake(site.context) as intake,
        serving(create_application(context=site.context, intake=intake, live=hub)) as address,
    ):
        yield address, hub


async def until_streams_are(hub: LiveHub, count: int, *, within_s: float) -> None:
    async with asyncio.timeout(within_s):
        while hub.streams != count:
            await asyncio.sleep(0.02)


async def test_closed_page_gives_its_place_back_long_before_the_next_heartbeat(site: Site) -> None:
    intent = await site.open_intent()
    hub, limits = site.application[LIVE], LiveLimits()
    for _ in range(limits.streams_of_page_max):
        async with opened(site.address, intent):
            pass

    await until_streams_are(hub, 0, within_s=limits.heartbeat_s / 2)

    async with opened(site.address, intent):
        assert hub.streams == 1


@pytest.mark.parametrize(
    "limits",
    [
        pytest.param(LiveLimits(heartbeat_s=0.0, write_timeout_s=0.5, unacknowledged_s=NEVER_S), id="service"),
        pytest.param(LiveLimits(heartbeat_s=0.0, write_timeout_s=NEVER_S, unacknowledged_s=0.5), id="system"),
    ],
)
async def test_reader_that_stalls_is_dropped(site: Site, limits: LiveLimits) -> None:
    """The service sends as fast as it can, and the client reads nothing: all buffers between them are full."""
    intent = await site.open_intent()
    async with served(site, limits) as (address, hub):
        url = httpx.URL(address)
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
            client.connect((url.host, url.port))
            client.sendall(f"GET {intent['pay_url']}/events HTTP/1.1\r\nHost: {url.host}\r\n\r\n".encode())
            await until_streams_are(hub, 1, within_s=5)

            await until_streams_are(hub, 0, within_s=30)

"""Open pages are updated within a second: by this process, by another process, and without a change notification."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from time import monotonic
from typing import Any

import httpx
import pytest

from billing.app import open_service
from billing.core.errors import Unavailable
from billing.core.ids import IntentId, OrganizationId
from billing.db.database import Database, DatabaseLimits
from billing.payments.service.context import PaymentContext
from billing.payments.service.intake import Intake
from billing.web import live
from billing.web.live import LIVE, LiveHub, LiveLimits
from billing.web.server import create_application, serving
from providers.sandbox.bank_simulator import Behaviour
from tests.builders import SANDBOX_SECRET, DemoHospital, build_context
from tests.web.site import Site

NEVER_S = 3_600.0


class Stream:
    """An open page's stream; `next` waits for the next word that is no heartbeat."""

    def __init__(self, lines: AsyncIterator[str]) -> None:
        self._lines = lines

    async def next(self, *, within_s: float) -> str:
        async with asyncio.timeout(within_s):
            async for line in self._lines:
                if line.startswith("data:"):
                    return line.removeprefix("data:").strip()
        return "ended"


@asynccontextmanager
async def opened(address: str, intent: dict[str, Any]) -> AsyncIterator[Stream]:
    async with (
        httpx.AsyncClient(base_url=address, timeout=20) as client,
        client.stream("GET", f"{intent['pay_url']}/events") as answer,
    ):
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == "text/event-stream"
        assert answer.headers["Cache-Control"] == "no-store"
        lines = answer.aiter_lines()
        assert await anext(lines) == "retry: 3000"
        yield Stream(lines)


@asynccontextmanager
async def other_process(site: Site, limits: LiveLimits) -> AsyncIterator[str]:
    """Another instance of the service on the same database, with nothing in common but that; gives its address."""
    database = await Database.open(site.database.app_url, limits=DatabaseLimits(connections_max=3))
    context = build_context(database)
    async with Intake(context) as intake:
        application = create_application(context=context, intake=intake, live=LiveHub(context, limits))
        async with serving(application) as address:
            yield address
    await database.close()


async def test_page_of_this_process_is_notified_of_a_payment(site: Site) -> None:
    intent = await site.open_intent()
    async with opened(site.address, intent) as stream:
        began = monotonic()
        await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.EXACT)

        assert await stream.next(within_s=5) == "changed"
        assert monotonic() - began < 2


async def test_lost_change_notifications_are_covered_by_a_check_each_second(site: Site) -> None:
    """No change notification is sent: neither instance has a notifier."""
    intent = await site.open_intent()
    async with other_process(site, LiveLimits()) as address, opened(address, intent) as stream:
        await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.EXACT)
        paid = monotonic()

        assert await stream.next(within_s=5) == "changed"
        assert monotonic() - paid < 2


async def test_page_is_notified_by_another_process(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process of the page polls once an hour: only the notification of the process with the callback updates it."""
    intent = await site.open_intent()

    def secret_of(_name: str) -> str:
        return SANDBOX_SECRET

    def rare(context: PaymentContext) -> LiveHub:
        return LiveHub(context, LiveLimits(poll_s=NEVER_S))

    monkeypatch.setattr("billing.app.LiveHub", rare)
    async with (
        open_service(site.database.app_url, secret_of=secret_of) as showing,
        open_service(site.database.app_url, secret_of=secret_of) as called,
        serving(showing.application) as address,
        serving(called.application) as called_address,
        opened(address, intent) as stream,
    ):
        await asyncio.sleep(0.3)  # until both lines stand
        await replace(site, address=called_address).bank().pay(intent["instruction"]["qr_payload"], Behaviour.EXACT)
        paid = monotonic()

        assert await stream.next(within_s=5) == "changed"
        assert monotonic() - paid < 1


async def test_cancellation_and_money_under_another_code_change_the_page_too(site: Site) -> None:
    intent = await site.open_intent()
    body = {"account": intent["account"], "invoice_ids": intent["invoice_ids"]}
    other = (await site.client.post("/v1/intents", json=body)).json()
    async with opened(site.address, intent) as stream:
        await site.bank().pay(other["instruction"]["qr_payload"], Behaviour.EXACT)
        assert await stream.next(within_s=5) == "changed"

        await site.client.post(f"/v1/intents/{intent['id']}/cancel")
        assert await stream.next(within_s=5) == "changed"


async def test_page_is_not_notified_of_other_intents(site: Site) -> None:
    intent = await site.open_intent()
    other = await site.open_intent(ma_lk="LK0002")
    async with opened(site.address, intent) as stream:
        await site.bank().pay(other["instruction"]["qr_payload"], Behaviour.EXACT)

        with pytest.raises(TimeoutError):
            await stream.next(within_s=2.5)


async def test_only_organizations_with_open_pages_are_checked(
    site: Site, other_organization: DemoHospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    intent = await site.open_intent()
    looked: list[tuple[int, list[str]]] = []
    find = live.find_versions

    async def note(context: PaymentContext, organization_id: OrganizationId, intents: list[IntentId]) -> Any:
        looked.append((organization_id, [str(each) for each in intents]))
        return await find(context, organization_id, intents)

    monkeypatch.setattr(live, "find_versions", note)
    hub = site.application[LIVE]
    hub.notify(None)
    await asyncio.sleep(0.5)
    nobody = list(looked)
    async with opened(site.address, intent):
        hub.notify({OrganizationId(other_organization.organization_id)})
        await asyncio.sleep(1.5)

    assert nobody == []
    assert looked
    assert {organization for organization, _ in looked} == {1}
    assert all(intents == [intent["id"]] for _, intents in looked)


async def test_database_failure_ends_no_stream(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    intent = await site.open_intent()
    find = live.find_versions
    failures = [Unavailable("away"), RuntimeError("ours")]

    async def fail_first(*given: Any) -> Any:
        if failures:
            raise failures.pop()
        return await find(*given)

    monkeypatch.setattr(live, "find_versions", fail_first)
    async with opened(site.address, intent) as stream:
        await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.EXACT)

        assert await stream.next(within_s=8) == "changed"
    assert failures == []


@pytest.mark.parametrize("limits", [LiveLimits(streams_max=2), LiveLimits(streams_of_page_max=2)])
async def test_more_streams_than_allowed_are_refused_and_such_a_page_polls(site: Site, limits: LiveLimits) -> None:
    intent = await site.open_intent()
    async with other_process(site, limits) as address, opened(address, intent), opened(address, intent):
        refused = await site.anonymous_client.get(f"{address}{intent['pay_url']}/events")
        polled = await site.anonymous_client.get(f"{address}{intent['pay_url']}/state")

    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "15")
    assert polled.status_code == 200


async def test_closed_page_is_removed_at_the_next_heartbeat(site: Site) -> None:
    intent = await site.open_intent()
    database = await Database.open(site.database.app_url, limits=DatabaseLimits(connections_max=2))
    context = build_context(database)
    hub = LiveHub(context, LiveLimits(heartbeat_s=0.1))
    async with (
        Intake(context) as intake,
        serving(create_application(context=context, intake=intake, live=hub)) as address,
    ):
        async with opened(address, intent):
            assert hub.streams == 1
        async with asyncio.timeout(5):
            while hub.streams:
                await asyncio.sleep(0.05)
    await database.close()


async def test_client_that_does_not_read_is_disconnected(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    intent = await site.open_intent()

    async def hang(*_: object) -> None:
        await asyncio.sleep(NEVER_S)

    limits = LiveLimits(write_timeout_s=0.2, heartbeat_s=0.1)
    async with other_process(site, limits) as address, opened(address, intent) as stream:
        monkeypatch.setattr("aiohttp.web.StreamResponse.write", hang)
        with pytest.raises(httpx.TransportError):
            await stream.next(within_s=5)


async def test_open_streams_do_not_delay_shutdown(site: Site) -> None:
    intent = await site.open_intent()
    async with httpx.AsyncClient(timeout=20) as client:
        async with other_process(site, LiveLimits()) as address:
            answer = await client.send(client.build_request("GET", f"{address}{intent['pay_url']}/events"), stream=True)
            began = monotonic()
        assert monotonic() - began < 5
        await answer.aclose()

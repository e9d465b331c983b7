"""Anonymous traffic is limited; the money path, known pages and known keys are not, even from the same address."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import ip_network
from random import Random
from secrets import token_hex

import httpx
import pytest

from billing.app import open_service
from billing.core.errors import NotFound
from billing.core.ids import OrganizationId
from billing.db.database import DatabaseLimits
from billing.web.anonymous import AnonymousLimits, AnonymousTraffic, TooManyRequests
from billing.web.app_state import WebLimits
from billing.web.server import create_application, serving
from providers.sandbox.bank_simulator import BankSimulator
from tests.builders import SANDBOX_SECRET
from tests.web.site import Site, problem

STRICT = AnonymousLimits(misses_per_s=0.01, misses_burst=3, hold_max_s=0.2, callback_hold_max_s=0.1)
"""Nothing is allowed again while a test runs, however slow the machine."""

MISSES: dict[str, Callable[[], tuple[str, str, dict[str, str]]]] = {
    "page": lambda: ("GET", f"/pay/1-{token_hex(16)}", {}),
    "page state": lambda: ("GET", f"/pay/2-{token_hex(16)}/state", {}),
    "page events": lambda: ("GET", f"/pay/1-{token_hex(16)}/events", {}),
    "picture": lambda: ("GET", f"/pay/1-{token_hex(16)}/qr.png", {}),
    "confirmation": lambda: ("GET", f"/pay/1-{token_hex(16)}/confirmation.html", {}),
    "button": lambda: ("POST", f"/pay/1-{token_hex(16)}/transferred", {}),
    "choice": lambda: ("POST", f"/pay/1-{token_hex(16)}/return", {}),
    "key": lambda: ("GET", "/v1/visits", {"Authorization": f"Bearer vp_1_{token_hex(16)}"}),
    "no key": lambda: ("GET", "/v1/visits", {}),
    "nowhere": lambda: ("GET", f"/{token_hex(8)}", {}),
}


@asynccontextmanager
async def limited(site: Site, limits: AnonymousLimits, *proxies: str) -> AsyncIterator[httpx.AsyncClient]:
    """The service with other limits, as a client without a key reaches it."""
    application = create_application(
        context=site.context,
        intake=site.intake,
        limits=WebLimits(anonymous=limits, shutdown_timeout_s=1.0),
        trusted_proxies=tuple(ip_network(each) for each in proxies),
    )
    async with httpx.AsyncClient(timeout=20) as anonymous, serving(application) as address:
        anonymous.base_url = httpx.URL(address)
        yield anonymous


async def miss(anonymous: httpx.AsyncClient, kind: str) -> int:
    method, path, headers = MISSES[kind]()
    return (await anonymous.request(method, path, headers=headers)).status_code


def bank_of(site: Site, anonymous: httpx.AsyncClient, *, seed: int) -> BankSimulator:
    return BankSimulator(
        anonymous,
        str(anonymous.base_url).rstrip("/") + site.hospital.callback_path,
        site.hospital.settings,
        clock=site.context.clock,
        random=Random(seed),
    )


@pytest.mark.parametrize("kind", MISSES)
async def test_misses_beyond_the_allowance_of_an_address_are_refused(site: Site, kind: str) -> None:
    async with limited(site, STRICT) as anonymous:
        answers = [await miss(anonymous, kind) for _ in range(5)]

        assert answers[:3] == [answers[0]] * 3
        assert answers[0] in (401, 404)
        assert answers[3:] == [429, 429]


async def test_callback_page_and_key_are_answered_while_misses_of_their_address_are_refused(site: Site) -> None:
    intent = await site.open_intent()
    async with limited(site, STRICT) as anonymous:
        assert (await anonymous.get(intent["pay_url"])).status_code == 200
        assert (await anonymous.get("/v1/visits", headers=site.hospital.authorization)).status_code == 200
        while await miss(anonymous, "page") != 429:
            pass

        bank = bank_of(site, anonymous, seed=1)
        delivered = await bank.deliver(bank.transfer(intent["instruction"]["qr_payload"]))
        page = await anonymous.get(intent["pay_url"] + "/state")
        listed = await anonymous.get("/v1/visits", headers=site.hospital.authorization)

        assert (delivered.status, page.status_code, listed.status_code) == (200, 200, 200)
        assert await miss(anonymous, "page") == 429


async def test_refused_address_is_answered_again_after_a_while(site: Site) -> None:
    async with limited(site, replace(STRICT, misses_per_s=20, hold_max_s=0.01)) as anonymous:
        while await miss(anonymous, "page") != 429:
            pass
        await asyncio.sleep(0.3)

        assert await miss(anonymous, "page") == 404


async def test_rejection_states_retry_after(site: Site) -> None:
    async with limited(site, replace(STRICT, misses_burst=1)) as anonymous:
        await miss(anonymous, "key")
        answer = await anonymous.get("/v1/visits", headers={"Authorization": f"Bearer vp_1_{token_hex(16)}"})

        problem(answer, 429, "too_many_requests")
        assert answer.headers["Retry-After"]


async def test_addresses_behind_a_trusted_proxy_do_not_share_an_allowance(site: Site) -> None:
    async with limited(site, STRICT, "127.0.0.0/8") as anonymous:

        async def get_status(address: str) -> int:
            return (await anonymous.get(f"/pay/1-{token_hex(16)}", headers={"X-Forwarded-For": address})).status_code

        while await get_status("203.0.113.1") != 429:
            pass

        assert await get_status("203.0.113.2") == 404
        assert [await get_status(f"2001:db8:0:1::{each}") for each in (1, 2, 3, 4)] == [404, 404, 404, 429], (
            "one client's /64"
        )


async def test_forged_callbacks_are_held_back_and_a_signed_one_is_not(site: Site) -> None:
    intent = await site.open_intent()
    async with limited(site, replace(STRICT, misses_per_s=1, callback_hold_max_s=30, hold_max_s=30)) as anonymous:
        forged = [asyncio.create_task(anonymous.post(site.hospital.callback_path, content=b"{}")) for _ in range(8)]
        await asyncio.wait(forged, timeout=0.5)
        held = sum(not each.done() for each in forged)
        bank = bank_of(site, anonymous, seed=2)
        delivered = await bank.deliver(bank.transfer(intent["instruction"]["qr_payload"]))

        assert delivered.status == 200
        assert held >= 4
    answers = await asyncio.gather(*forged)  # the service stopped, and held nobody back any longer
    assert {answer.status_code for answer in answers} == {401}


async def test_callbacks_are_acknowledged_under_every_flood(site: Site) -> None:
    intents = [await site.open_intent(ma_lk=f"LK{number:04d}") for number in range(6)]
    async with limited(site, AnonymousLimits(hold_max_s=0.5, callback_hold_max_s=0.2)) as anonymous:
        stop = asyncio.Event()

        async def flood(kind: str) -> None:
            while not stop.is_set():
                await miss(anonymous, kind)

        async def forge() -> None:
            while not stop.is_set():
                await anonymous.post(site.hospital.callback_path, content=b"x" * 60_000)

        floods = [asyncio.create_task(flood(kind)) for kind in MISSES for _ in range(4)]
        floods += [asyncio.create_task(forge()) for _ in range(4)]
        await asyncio.sleep(0.5)
        statuses = []
        for seed, intent in enumerate(intents, start=10):
            bank = bank_of(site, anonymous, seed=seed)
            statuses.append((await bank.deliver(bank.transfer(intent["instruction"]["qr_payload"]))).status)
        stop.set()
        await asyncio.gather(*floods)

    assert statuses == [200] * len(intents)
    assert len((await site.read("/v1/payments"))["items"]) == len(intents)


async def test_intake_has_connections_of_its_own(site: Site) -> None:
    intent = await site.open_intent()
    limits = DatabaseLimits(connections_max=1, acquire_timeout_s=0.2)
    async with (
        open_service(site.database.app_url, database_limits=limits, secret_of=lambda _: SANDBOX_SECRET) as service,
        serving(service.application) as address,
        httpx.AsyncClient(base_url=address, timeout=20) as client,
    ):
        bank = bank_of(site, client, seed=3)
        await service.accounts.check_all()
        async with service.context.database.transaction(OrganizationId(1)):  # the only one of the others
            refused = await client.get("/v1/visits", headers=site.hospital.authorization)
            delivered = await bank.deliver(bank.transfer(intent["instruction"]["qr_payload"]))

    assert refused.status_code == 503
    assert delivered.status == 200


async def test_lookups_of_anonymous_clients_share_a_few_connections(site: Site) -> None:
    traffic = AnonymousTraffic(AnonymousLimits(database_running_max=2, database_waiting_max=3, misses_burst=100))
    running = most = 0

    async def find() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.1)
        running -= 1
        raise NotFound("no such page")

    async def look_up(number: int) -> type[Exception]:
        try:
            await traffic.look_up("203.0.113.1", bytes([number]), find, missing=NotFound("no such page"))
        except (NotFound, TooManyRequests) as refusal:
            return type(refusal)
        raise AssertionError("found")

    refusals = await asyncio.gather(*(look_up(number) for number in range(8)))

    assert most == 2
    assert refusals.count(NotFound) == 5
    assert refusals.count(TooManyRequests) == 3


async def test_known_pages_wait_for_their_turn_where_unknown_ones_are_refused(site: Site) -> None:
    """Two hundred phones fetch their pages at the same time: each gets its page."""
    limits = AnonymousLimits(database_running_max=2, database_waiting_max=3, found_timeout_s=20, misses_burst=100)
    traffic = AnonymousTraffic(limits)
    pages = [f"page {number}".encode() for number in range(40)]

    async def look_up(name: bytes, takes_s: float) -> str:
        async def find() -> str:
            await asyncio.sleep(takes_s)
            return "found"

        try:
            return await traffic.look_up("203.0.113.1", name, find, missing=NotFound("no such page"))
        except TooManyRequests:
            return "refused"

    for page in pages:
        assert await look_up(page, 0.0) == "found"
    unknown = asyncio.gather(*(look_up(f"nothing {number}".encode(), 0.3) for number in range(10)))
    known = await asyncio.gather(*(look_up(page, 0.001) for page in pages * 5))

    assert known == ["found"] * len(known)
    assert "refused" in await unknown


async def test_miss_is_answered_from_memory_for_a_second(site: Site) -> None:
    traffic = AnonymousTraffic(AnonymousLimits(missed_for_s=0.2))
    found: list[str] = []
    lookups = 0

    async def find() -> str:
        nonlocal lookups
        lookups += 1
        if not found:
            raise NotFound("no such page")
        return found[0]

    async def look_up() -> str | None:
        try:
            return await traffic.look_up("203.0.113.1", b"1", find, missing=NotFound("no such page"))
        except NotFound:
            return None

    assert [await look_up() for _ in range(5)] == [None] * 5
    assert lookups == 1
    found.append("page")
    await asyncio.sleep(0.25)
    assert await look_up() == "page"


async def test_every_health_probe_is_answered(site: Site) -> None:
    answers = await asyncio.gather(*(site.anonymous_client.get("/healthz") for _ in range(100)))

    assert {answer.status_code for answer in answers} == {200}

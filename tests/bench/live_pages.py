"""`make bench-live`: open pages that callbacks update, and the memory of the process after many connections.

On one process with the limits of the product: 20 cashiers show a payment code each, and 10 phones open the payment page
of each code, 200 in all. Each page does what its script does: it holds its event stream and fetches its fragment after
each change; a desk checks every 0.9 s whether the server is there. The clients have one address and are this process.

1. Each code gets half its amount, one callback after the other: `one_to_page_ms`, `one_to_desk_ms` are the longest
   times from the bank's message to the fragment that states the payment, over all phones and all desks.
2. All codes get the rest at the same time: `all_to_page_ms`, `all_to_desk_ms`, without a limit: every page fetches its
   fragment several times then, since a receipt follows the money.
3. Event streams and payment pages are opened and closed, each on a connection of its own: memory of the process after a
   tenth of them and after all; `memory_ratio` is the quotient.

That a reader that stalls is dropped is proved by `tests/web/test_page_places.py`, with shorter heartbeats: those of the
product (20 s) would fill no buffer while somebody watches.

The last line is one JSON object. The exit status is 1 where a callback needs more than a second, the quotient is above
1.1, or an answer was not as expected.
"""

import argparse
import asyncio
import json
import re
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from secrets import token_urlsafe
from typing import Any

import aiohttp
import asyncpg
import httpx

from billing.core.actor import Role
from billing.db.context import utc_now
from billing.db.migrator import migrate
from billing.devserver.embedded import SUPERUSER, EmbeddedPostgres
from providers.sandbox.bank_simulator import BankSimulator, Behaviour
from tests.bench.open_orders import make_open_visits
from tests.bench.page_rows import Person, add_desk, sign_in
from tests.bench.service import Served
from tests.builders import ACCOUNT_NAME, DemoHospital, add_demo_hospital, visit_document

LONGEST_MS = 1_000.0
MEMORY_RATIO_MAX = 1.1
_PING_S = 0.9
_RETRY_S = 3.0
_OPENING = 20
_CHURNING = 20
_QUIET_S = 3.0
_SETTINGS = {"shared_buffers": "256MB", "autovacuum": "off"}
_NEWEST_INTENT = "SELECT id FROM intent ORDER BY id DESC LIMIT 1"
_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How many cashiers, phones at each code, and connections in all."""

    cashiers: int
    phones: int
    connections: int


@dataclass(slots=True, eq=False)
class Reader:
    """An open page: the address of its stream and of its fragment, and the fragment as it was fetched last."""

    session: aiohttp.ClientSession
    events: str
    fragment: str
    unexpected: Counter[str]
    headers: dict[str, str] = field(default_factory=dict)
    text: str = ""
    _renewed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def follow(self, opening: asyncio.Semaphore) -> None:
        """Hold the stream, and fetch the fragment at its beginning and after each change, as the page's script does."""
        while True:
            await opening.acquire()
            async with self.session.get(self.events) as answer:
                if answer.status == 200:
                    await self._fetch()
                opening.release()
                async for line in answer.content:
                    if line.startswith(b"data"):
                        await self._fetch()
            if answer.status != 200:
                self.unexpected[f"{answer.status} events"] += 1
                await asyncio.sleep(1)

    async def until(self, is_shown: Callable[[str], bool]) -> float:
        """Wait until the page shows something; returns when it did."""
        async with self._renewed:
            await self._renewed.wait_for(lambda: is_shown(self.text))
        return time.perf_counter()

    async def _fetch(self) -> None:
        while True:
            async with self.session.get(self.fragment, headers=self.headers) as answer:
                text = await answer.text()
            if answer.status == 200:
                break
            self.unexpected[f"{answer.status} fragment"] += 1
            await asyncio.sleep(_RETRY_S)
        async with self._renewed:
            self.text = text
            self._renewed.notify_all()


@dataclass(frozen=True, slots=True)
class Code:
    """A code that a cashier shows: its intent, the desk's page, and the phones that opened its payment page."""

    intent_id: str
    desk: Reader
    phones: Sequence[Reader]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The service in a process of its own, a program with a key, and the bank."""

    served: Served
    address: str
    server: EmbeddedPostgres
    program: httpx.AsyncClient
    bank: BankSimulator
    unexpected: Counter[str] = field(default_factory=Counter)

    async def intent(self, intent_id: str) -> Any:
        answer = await self.program.get(f"/v1/intents/{intent_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def create(self, address: str, body: dict[str, Any]) -> Any:
        answer = await self.program.post(address, json=body, headers={"Idempotency-Key": token_urlsafe(18)})
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def newest_intent(self) -> str:
        connection = await asyncpg.connect(self.server.url(SUPERUSER))
        try:
            return str(await connection.fetchval(_NEWEST_INTENT))
        finally:
            await connection.close()


async def measure(sizes: Sizes) -> int:
    """Open the pages, pay, open and close connections, print; returns the exit status."""
    with EmbeddedPostgres(durable=False, settings=_SETTINGS) as server:
        await migrate(server.owner_url)
        hospital = await add_demo_hospital(server.owner_url)
        await make_open_visits(server, sizes.cashiers)
        desks = [await add_desk(server, f"Quầy {number}") for number in range(1, sizes.cashiers + 1)]
        cashiers = [await sign_in(server, Role.CASHIER, desk_id=desk_id) for desk_id in desks]
        with Served("ours", server.app_url) as served:
            async with _site(served, server, hospital) as site:
                result = await _callbacks(site, cashiers, sizes) | await _memory(site, sizes)
    result |= {
        "cashiers": sizes.cashiers,
        "pages": sizes.cashiers * sizes.phones,
        "connections": sizes.connections,
        "unexpected": dict(site.unexpected),
    }
    print(json.dumps(result))
    longest = max(result["one_to_page_ms"], result["one_to_desk_ms"])
    is_kept = longest <= LONGEST_MS and result["memory_ratio"] <= MEMORY_RATIO_MAX and not site.unexpected
    return 0 if is_kept else 1


async def _callbacks(site: Site, cashiers: Sequence[Person], sizes: Sizes) -> dict[str, Any]:
    """The longest times in milliseconds from the bank's message to the pages that it changes."""
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        codes = [
            await _show_code(site, stack, cashier, number, phones=sizes.phones)
            for number, cashier in enumerate(cashiers, start=1)
        ]
        opening = asyncio.Semaphore(_OPENING)
        readers = [reader for code in codes for reader in (code.desk, *code.phones)]
        tasks = [group.create_task(reader.follow(opening)) for reader in readers]
        tasks += [group.create_task(_request_alive(site, code.desk)) for code in codes]
        await asyncio.gather(*(reader.until(bool) for reader in readers))
        _print(f"{len(readers)} pages are open")
        alone = [await _pay(site, code, Behaviour.SHORT) for code in codes]
        together = await asyncio.gather(*(_pay(site, code, Behaviour.EXACT) for code in codes))
        for task in tasks:
            task.cancel()
    return {
        "one_to_page_ms": _longest(page for page, _ in alone),
        "one_to_desk_ms": _longest(desk for _, desk in alone),
        "all_to_page_ms": _longest(page for page, _ in together),
        "all_to_desk_ms": _longest(desk for _, desk in together),
    }


async def _pay(site: Site, code: Code, behaviour: Behaviour) -> tuple[float, float]:
    """Pay a code; the seconds until every phone shows another version, and until the desk shows another state."""
    intent = await site.intent(code.intent_id)
    message = site.bank.transfer(intent["instruction"]["qr_payload"], behaviour)
    versions, state = [_version(phone.text) for phone in code.phones], _state(code.desk.text)
    began = time.perf_counter()
    phones = [
        phone.until(lambda text, known=version: _version(text) != known)
        for phone, version in zip(code.phones, versions, strict=True)
    ]
    delivered, desk, *seen = await asyncio.gather(
        site.bank.deliver(message), code.desk.until(lambda text: _state(text) != state), *phones
    )
    site.unexpected.update([f"{delivered.status} callback"] if delivered.status != 200 else [])
    return max(seen) - began, desk - began


async def _request_alive(site: Site, desk: Reader) -> None:
    while True:
        async with desk.session.get("/desk/alive?refresh") as answer:
            site.unexpected.update([f"{answer.status} alive"] if answer.status != 204 else [])
        await asyncio.sleep(_PING_S)


async def _show_code(site: Site, stack: AsyncExitStack, cashier: Person, number: int, *, phones: int) -> Code:
    """Let a cashier show the code of a visit, and open its pages."""
    session = await stack.enter_async_context(_session(site, cookies={"vienphi": cashier.cookie}))
    async with session.get(f"/desk/find?q=LK{number}") as found:
        address, page = found.url.path, await found.text()
    request = re.search(r'name="request_id" value="([^"]+)"', page)
    form = [("csrf_token", cashier.token), ("idempotency_key", token_urlsafe(18))]
    form += [("request_id", request[1])] if request else []
    form += [("line", line) for line in dict.fromkeys(re.findall(r'name="line" value="([^"]+)"', page))]
    async with session.post(f"{address}/code", data=form) as shown:
        page = await shown.text()
    assert _state(page) == "waiting", page[:2_000]
    version = re.search(r"/desk/live\?[^\"]*version=(\d+)", page)
    assert version is not None
    intent = await site.intent(await site.newest_intent())
    anonymous = await stack.enter_async_context(_session(site))
    return Code(
        intent_id=intent["id"],
        desk=Reader(
            session,
            events=f"/desk/live?refresh&version={version[1]}",
            fragment=f"{address}/pay?state=waiting",
            unexpected=site.unexpected,
            headers={"HX-Request": "true"},
        ),
        phones=[
            Reader(
                anonymous,
                events=f"{intent['pay_url']}/events",
                fragment=f"{intent['pay_url']}/state",
                unexpected=site.unexpected,
            )
            for _ in range(phones)
        ],
    )


async def _memory(site: Site, sizes: Sizes) -> dict[str, Any]:
    """Memory after a tenth of the connections and after all of them."""
    addresses = [await _open_intent(site, number) for number in range(max(2, min(100, sizes.connections // 20)))]
    after = []
    for count in (sizes.connections // 10, sizes.connections - sizes.connections // 10):
        await _connect(site, addresses, count)
        await asyncio.sleep(_QUIET_S)
        after.append(site.served.memory_bytes)
        _print(f"{after[-1] / 2**20:.1f} MB after {count} more connections")
    return {"memory_mb": [round(each / 2**20, 1) for each in after], "memory_ratio": round(after[1] / after[0], 3)}


async def _connect(site: Site, addresses: Sequence[str], count: int) -> None:
    """Open event streams and payment pages by turns, each on a new connection, and close each after its first bytes."""
    numbers = iter(range(count))

    async def open_and_close() -> None:
        for number in numbers:
            path = addresses[number % len(addresses)] + ("/events" if number % 2 else "")
            async with _session(site) as session, session.get(path) as answer:
                await answer.content.readany()
                site.unexpected.update([f"{answer.status} page"] if answer.status != 200 else [])
                answer.close()

    await asyncio.gather(*(open_and_close() for _ in range(_CHURNING)))


async def _open_intent(site: Site, number: int) -> str:
    """The payment page of a new invoice."""
    visit = await site.create("/v1/visits", visit_document(ma_lk=f"LIVE{number}"))
    invoice = await site.create("/v1/invoices", {"visit_id": visit["visits"][0]["id"]})
    intent = await site.create("/v1/intents", {"account": ACCOUNT_NAME, "invoice_ids": [invoice["id"]]})
    address: str = intent["pay_url"]
    return address


def _session(site: Site, **changes: Any) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(site.address, timeout=_TIMEOUT, connector=aiohttp.TCPConnector(limit=0), **changes)


@asynccontextmanager
async def _site(served: Served, server: EmbeddedPostgres, hospital: DemoHospital) -> AsyncIterator[Site]:
    address = f"http://{served.host}:{served.port}"
    async with httpx.AsyncClient(base_url=address, headers=hospital.authorization, timeout=60) as program:
        bank = BankSimulator(
            program, address + hospital.callback_path, hospital.settings, clock=utc_now, random=Random()
        )
        yield Site(served=served, address=address, server=server, program=program, bank=bank)


def _version(fragment: str) -> str:
    return "".join(re.findall(r'data-version="(\d+)"', fragment)[:1])


def _state(page: str) -> str:
    return "".join(re.findall(r'id="pay"[^>]* data-state="(\w+)"', page)[:1])


def _longest(seconds: Iterable[float]) -> float:
    return round(max(seconds) * 1000, 1)


def _print(text: str) -> None:
    print(text, flush=True)


def main() -> int:
    """Read the sizes and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cashiers", type=int, default=20)
    parser.add_argument("--phones", type=int, default=10)
    parser.add_argument("--connections", type=int, default=10_000)
    given = parser.parse_args()
    sizes = Sizes(cashiers=given.cashiers, phones=given.phones, connections=given.connections)
    return asyncio.run(measure(sizes))


if __name__ == "__main__":
    sys.exit(main())

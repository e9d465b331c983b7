"""`make bench-pages`: how long a page takes at the server among a million invoices, and what the patient page weighs.

Every page is requested `--requests` times over one connection, one after another; `p95_ms` is that of all pages
together, `slowest` the page with the highest p95. `scan_to_qr_ms` is from the scan to the page with the code: search,
visit, form, page (medians). `callback_to_page_ms` is from the bank's message to the fragment of the patient page that
states the payment, over the event stream. The last line is one JSON object.
"""

import argparse
import asyncio
import json
import re
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random
from secrets import token_hex, token_urlsafe
from statistics import median, quantiles
from typing import Any

import httpx

from billing.core.actor import Role
from billing.db.context import utc_now
from billing.db.migrator import migrate
from billing.devserver.embedded import EmbeddedPostgres
from providers.sandbox.bank_simulator import BankSimulator, Behaviour
from tests.bench.open_orders import make_open_visits
from tests.bench.page_rows import Person, add_desk, add_issued_invoices, sign_in
from tests.bench.service import Served
from tests.builders import ACCOUNT_NAME, DemoHospital, add_demo_hospital, visit_document

_SETTINGS = {"shared_buffers": "1GB", "max_wal_size": "16GB", "checkpoint_timeout": "1h", "autovacuum": "off"}
_OF_ONE_PAGE = 20
_CASHIER = ("/desk", "/desk/visits/{visit}", "/desk/visits/{visit}/pay", "/desk/find?q=LK{number}", "/shift")
_FINANCE = (
    "/finance",
    "/finance/reconciliation",
    "/finance/exceptions",
    "/finance/days",
    "/finance/journal",
    "/finance/ledger",
    "/finance/reports",
    "/finance/prices",
    "/finance/inbox",
    "/finance/wards",
    "/approvals",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much is stored, and how often each page is requested."""

    invoices: int
    visits: int
    requests: int
    scans: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The served pages: clients of a cashier at a desk, of finance, and of a program with a key."""

    hospital: DemoHospital
    cashier: httpx.AsyncClient
    finance: httpx.AsyncClient
    program: httpx.AsyncClient
    token: str
    sizes: Sizes

    def fill(self, address: str, random: Random) -> str:
        number = random.randrange(self.sizes.visits) + 1
        return address.format(visit=f"01910000-0000-7000-8000-{number:012x}", number=number)


async def measure(sizes: Sizes) -> int:
    """Make the rows, request the pages, print; returns the exit status: 1 where a page was not 200."""
    started = time.perf_counter()
    with EmbeddedPostgres(durable=False, settings=_SETTINGS) as server:
        await migrate(server.owner_url)
        hospital = await add_demo_hospital(server.owner_url)
        await make_open_visits(server, sizes.visits)
        await add_issued_invoices(server, sizes.invoices)
        cashier = await sign_in(server, Role.CASHIER, desk_id=await add_desk(server))
        finance = await sign_in(server, Role.FINANCE)
        _print(f"{sizes.invoices} invoices, {sizes.visits} open visits after {time.perf_counter() - started:.0f} s")
        with Served("ours", server.app_url) as served:
            async with _site(f"http://{served.host}:{served.port}", hospital, cashier, finance, sizes) as site:
                times, wrong = await _pages(site)
                weight, pay_page = await _pay_page(site)
                times["/pay"] = pay_page
                scans = [await _scan_to_code(site, number + 1) for number in range(sizes.scans)]
                callbacks = [await _callback_to_page(site) for _ in range(sizes.scans)]
    p95 = {page: _p95(each) for page, each in times.items()}
    for page, value in sorted(p95.items(), key=lambda pair: pair[1]):
        _print(f"{page:32} p50 {median(times[page]):7.1f} ms   p95 {value:7.1f} ms")
    slowest = max(p95, key=lambda page: p95[page])
    result = {
        "p95_ms": round(_p95([value for each in times.values() for value in each]), 1),
        "slowest": {"page": slowest, "p95_ms": round(p95[slowest], 1)},
        "pay_page_kb": round(weight / 1024, 1),
        "scan_to_qr_ms": round(median(scans), 1),
        "callback_to_page_ms": round(_p95(callbacks), 1),
        "invoices": sizes.invoices,
        "unexpected": wrong,
    }
    print(json.dumps(result))
    return 1 if wrong else 0


async def _pages(site: Site) -> tuple[dict[str, list[float]], int]:
    """The times of each page in milliseconds, and how many answers were not 200."""
    random, wrong = Random(1), 0
    times: dict[str, list[float]] = {}
    for client, addresses in ((site.cashier, _CASHIER), (site.finance, _FINANCE)):
        for address in addresses:
            await client.get(site.fill(address, random))  # warm
            for _ in range(site.sizes.requests):
                began = time.perf_counter()
                answer = await client.get(site.fill(address, random))
                times.setdefault(address, []).append((time.perf_counter() - began) * 1000)
                wrong += answer.status_code not in (200, 303)
    return times, wrong


async def _pay_page(site: Site) -> tuple[int, list[float]]:
    """The bytes of the waiting patient page with its style and script, and the times of the page.

    The limit of one page is 30 requests in a row and 10 a second after it; each page here gets fewer.
    """
    pages = [
        (await _intent(site, f"WEIGHT{number}"))["pay_url"] for number in range(-(-site.sizes.requests // _OF_ONE_PAGE))
    ]
    page = await site.program.get(pages[0])
    names = re.findall(r"/static/[a-z.0-9]+", page.text)
    files = [await site.program.get(name) for name in dict.fromkeys(names)]
    times = []
    for number in range(site.sizes.requests):
        began = time.perf_counter()
        await site.program.get(pages[number % len(pages)])
        times.append((time.perf_counter() - began) * 1000)
    return sum(len(each.content) for each in (page, *files)), times


async def _scan_to_code(site: Site, number: int) -> float:
    """From the scan of a visit to the page that shows its code, in milliseconds."""
    began = time.perf_counter()
    found = await site.cashier.get(f"/desk/find?q=LK{number}", follow_redirects=True)
    address = found.url.path
    lines = re.findall(r'name="line" value="([^"]+)"', found.text)
    sent = await site.cashier.post(
        f"{address}/code",
        data={
            "csrf_token": site.token,
            "idempotency_key": token_urlsafe(18),
            "line": list(dict.fromkeys(lines)),
            "request_id": next(iter(re.findall(r'name="request_id" value="([^"]+)"', found.text)), ""),
        },
        follow_redirects=True,
    )
    elapsed = (time.perf_counter() - began) * 1000
    assert sent.status_code == 200, sent.text[:500]
    assert '<svg role="img"' in sent.text or "VietQR" in sent.text, "the page shows the code"
    return elapsed


async def _callback_to_page(site: Site) -> float:
    """From the bank's message to the fragment that states the payment, over the event stream, in milliseconds."""
    intent = await _intent(site, token_hex(4))
    address = intent["pay_url"]
    bank = BankSimulator(
        site.program,
        str(site.program.base_url).rstrip("/") + site.hospital.callback_path,
        site.hospital.settings,
        clock=utc_now,
        random=Random(),
        pause=_no_pause,
    )
    async with site.program.stream("GET", f"{address}/events", timeout=20) as events:
        lines = events.aiter_lines()
        began = time.perf_counter()
        await bank.pay(intent["instruction"]["qr_payload"], Behaviour.EXACT)
        async for line in lines:
            if line.startswith("data"):
                state = await site.program.get(f"{address}/state")
                if "data-final" in state.text:
                    return (time.perf_counter() - began) * 1000
    raise AssertionError("the stream ended before the payment was shown")


async def _intent(site: Site, name: str) -> Any:
    """An intent of a new invoice."""
    visit = await _post(site, "/v1/visits", visit_document(ma_lk=f"BENCH{name}"))
    invoice = await _post(site, "/v1/invoices", {"visit_id": visit["visits"][0]["id"]})
    return await _post(site, "/v1/intents", {"account": ACCOUNT_NAME, "invoice_ids": [invoice["id"]]})


async def _post(site: Site, address: str, body: dict[str, Any]) -> Any:
    answer = await site.program.post(address, json=body, headers={"Idempotency-Key": token_urlsafe(18)})
    assert answer.status_code == 201, answer.text
    return answer.json()


@asynccontextmanager
async def _site(
    address: str, hospital: DemoHospital, cashier: Person, finance: Person, sizes: Sizes
) -> AsyncIterator[Site]:
    def client(**changes: object) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=address, timeout=60, **changes)  # type: ignore[arg-type]

    async with (
        client(cookies={"vienphi": cashier.cookie}) as at_desk,
        client(cookies={"vienphi": finance.cookie}) as in_office,
        client(headers=hospital.authorization) as program,
    ):
        yield Site(
            hospital=hospital, cashier=at_desk, finance=in_office, program=program, token=cashier.token, sizes=sizes
        )


def _p95(times: list[float]) -> float:
    return quantiles(times, n=20)[-1] if len(times) > 1 else times[0]


async def _no_pause(_seconds: float) -> None:
    """The bank of the measurement delivers at once."""


def _print(text: str) -> None:
    print(text, flush=True)


def main() -> int:
    """Read the sizes and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--invoices", type=int, default=1_000_000)
    parser.add_argument("--visits", type=int, default=20_000)
    parser.add_argument("--requests", type=int, default=60)
    parser.add_argument("--scans", type=int, default=20)
    given = parser.parse_args()
    sizes = Sizes(invoices=given.invoices, visits=given.visits, requests=given.requests, scans=given.scans)
    return asyncio.run(measure(sizes))


if __name__ == "__main__":
    sys.exit(main())

"""Measures for the sizing: processor time and stored bytes of a visit, a payment, a statement line and a page.

Visits of few and of many lines are recorded and issued over HTTP, so that the part of a line is apart from that of the
visit. Processor time is counted, not elapsed time, so that other work on the machine changes it little. A payment is
one intent, one callback that comes alone, and the worker's seal and snapshot.
"""

import re
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from secrets import token_hex
from typing import Any

import asyncpg
import httpx

from billing.core.actor import Actor, Role
from billing.core.clock import business_date
from billing.db.context import utc_now
from billing.db.database import Database
from billing.db.migrator import migrate
from billing.devserver.embedded import SUPERUSER, EmbeddedPostgres
from billing.ledger.service.balances import snapshot_once
from billing.ledger.service.seal_rows import seal_once
from billing.reconciliation.service.import_statement import import_statement
from billing.reconciliation.service.match_lines import match_arrived_lines
from providers.sandbox.bank_simulator import BankSimulator, Behaviour
from tests.bench.page_rows import Person, add_desk, sign_in
from tests.bench.processor import ProcessorTime, find_postmaster, read_processor_time
from tests.bench.service import Served
from tests.builders import ACCOUNT_NAME, DemoHospital, add_demo_hospital, build_context, service_line, visit_document
from tests.reconciliation.statement_file import Line, statement_csv, statement_file

LINES_FEW = 8
LINES_MANY = 80

_SIZES = """
    SELECT parent.relname::text AS name,
        (pg_total_relation_size(parent.oid) + coalesce(
            (SELECT sum(pg_total_relation_size(part.inhrelid)) FROM pg_inherits AS part
            WHERE part.inhparent = parent.oid), 0))::bigint AS bytes
    FROM pg_class AS parent
    WHERE parent.relnamespace = 'public'::regnamespace AND parent.relkind IN ('r', 'p') AND NOT parent.relispartition
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Processor time in milliseconds: the service or the worker, and PostgreSQL."""

    service_ms: float
    postgres_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Costs by act, stored bytes by act and table, rows by act and table, WAL bytes by act; all for one of its kind.

    `service_mib` is the largest resident memory of the web process (VmHWM).

    Acts: `visit` (without lines), `line` (of a visit), `payment`, `statement_line`, `pay_page`, `desk_page`.
    """

    costs: Mapping[str, Cost]
    table_bytes: Mapping[str, Mapping[str, float]]
    rows: Mapping[str, Mapping[str, float]]
    wal_bytes: Mapping[str, float]
    bytes_per_row: Mapping[str, float]
    service_mib: float

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _Stored:
    """What the database holds at a time."""

    table_bytes: Mapping[str, int]
    rows: Mapping[str, int]
    wal: int

    def since(self, before: "_Stored", count: int) -> "tuple[dict[str, float], dict[str, float], float]":
        table_bytes = {name: (size - before.table_bytes[name]) / count for name, size in self.table_bytes.items()}
        rows = {name: (number - before.rows[name]) / count for name, number in self.rows.items()}
        return table_bytes, rows, (self.wal - before.wal) / count


async def _stored(connection: "asyncpg.Connection[asyncpg.Record]") -> _Stored:
    table_bytes = {row["name"]: row["bytes"] for row in await connection.fetch(_SIZES)}
    rows = {name: await connection.fetchval(f"SELECT count(*) FROM {name}") for name in table_bytes}
    wal = await connection.fetchval("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint")
    return _Stored(table_bytes, rows, wal)


@dataclass(slots=True, kw_only=True)
class _Run:
    """The served hospital and what was recorded at it."""

    client: httpx.AsyncClient
    hospital: DemoHospital
    bank: BankSimulator
    cashier: Person
    served: Served
    postmaster: int
    server: EmbeddedPostgres

    def read(self) -> ProcessorTime:
        return read_processor_time(service=self.served.process_id, postmaster=self.postmaster)

    async def issue(self, name: str, lines: int) -> tuple[str, str]:
        """Record a visit and issue its invoice; their ids."""
        charges = [
            service_line(number, name=f"Dịch vụ kỹ thuật số {number}", group=1, price="57000")
            for number in range(1, lines + 1)
        ]
        recorded = await self._post("/v1/visits", visit_document(ma_lk=name, lines=charges))
        visit_id = recorded["visits"][0]["id"]
        return visit_id, (await self._post("/v1/invoices", {"visit_id": visit_id}))["id"]

    async def open_intent(self, invoice_id: str) -> dict[str, Any]:
        return await self._post("/v1/intents", {"account": ACCOUNT_NAME, "invoice_ids": [invoice_id]})

    async def _post(self, path: str, body: object) -> Any:
        answer = await self.client.post(path, json=body, headers={"Idempotency-Key": token_hex(16)})
        assert answer.status_code == 201, answer.text
        return answer.json()


async def measure(visits: int) -> Measured:
    """Run all acts `visits` times."""
    with EmbeddedPostgres() as server:
        await migrate(server.owner_url)
        hospital = await add_demo_hospital(server.owner_url)
        cashier = await sign_in(server, Role.CASHIER, desk_id=await add_desk(server))
        postmaster = await find_postmaster(server)
        with Served("ours", server.app_url) as served:
            address = f"http://{served.host}:{served.port}"
            headers = {"Authorization": f"Bearer {hospital.key}"}
            async with (
                httpx.AsyncClient(base_url=address, headers=headers, trust_env=False, timeout=60) as client,
                httpx.AsyncClient(trust_env=False, timeout=60) as bank_client,
            ):
                bank = BankSimulator(
                    bank_client, address + hospital.callback_path, hospital.settings, clock=utc_now, random=Random(1)
                )
                run = _Run(
                    client=client, hospital=hospital, bank=bank, cashier=cashier, served=served,
                    postmaster=postmaster, server=server,
                )  # fmt: skip
                return await _measure(run, visits)


async def _measure(run: _Run, visits: int) -> Measured:
    connection = await asyncpg.connect(run.server.url(SUPERUSER))
    costs: dict[str, Cost] = {}
    await _warm(run)
    stored = [await _stored(connection)]

    before = run.read()
    issued = [await run.issue(f"FEW{number}", LINES_FEW) for number in range(visits)]
    few = run.read().per_request(visits, since=before)
    stored.append(await _stored(connection))

    before = run.read()
    intents = [await run.open_intent(invoice_id) for _, invoice_id in issued]
    for intent in intents:
        await run.bank.pay(intent["instruction"]["qr_payload"], Behaviour.EXACT)
    paid = run.read().per_request(visits, since=before)
    worked = await _work(run, visits)
    costs["payment"] = Cost(
        service_ms=paid.service_ms + worked.service_ms, postgres_ms=paid.postgres_ms + worked.postgres_ms
    )
    stored.append(await _stored(connection))

    costs["statement_line"] = await _import(run, [(each["reference_code"], each["amount"]) for each in intents])
    stored.append(await _stored(connection))

    before = run.read()
    for number in range(visits):
        await run.issue(f"MANY{number}", LINES_MANY)
    many = run.read().per_request(visits, since=before)
    stored.append(await _stored(connection))

    costs["line"], costs["visit"] = _line_and_visit(few, many)
    costs["pay_page"] = await _pages(run, [intent["pay_url"] for intent in intents], {})
    cookie = {"Cookie": f"vienphi={run.cashier.cookie}"}
    costs["desk_page"] = await _pages(run, ["/desk"] * len(issued), cookie)
    await connection.close()

    acts = {
        "few": stored[1].since(stored[0], visits),
        "payment": stored[2].since(stored[1], visits),
        "statement_line": stored[3].since(stored[2], visits),
        "many": stored[4].since(stored[3], visits),
    }
    table_bytes, rows, wal = (_split({name: act[part] for name, act in acts.items()}) for part in range(3))
    held = {name: number for name, number in stored[4].rows.items() if number >= visits}
    return Measured(
        costs=costs,
        table_bytes=table_bytes,
        rows=rows,
        wal_bytes=wal,
        bytes_per_row={name: stored[4].table_bytes[name] / number for name, number in held.items()},
        service_mib=_peak_mib(run.served.process_id),
    )


def _peak_mib(process_id: int) -> float:
    status = Path(f"/proc/{process_id}/status").read_text("ascii")
    return int(re.findall(r"^VmHWM:\s+(\d+) kB$", status, re.M)[0]) / 1024


def _split(acts: Mapping[str, Any]) -> dict[str, Any]:
    """Of visits with few and with many lines: the part of a line, and the part of the visit."""
    few, many = acts["few"], acts["many"]
    if isinstance(few, float):
        line = (many - few) / (LINES_MANY - LINES_FEW)
        parts: dict[str, Any] = {"line": max(0.0, line), "visit": max(0.0, few - line * LINES_FEW)}
    else:
        lines = {name: max(0.0, (many[name] - few[name]) / (LINES_MANY - LINES_FEW)) for name in few}
        parts = {"line": lines, "visit": {name: max(0.0, few[name] - lines[name] * LINES_FEW) for name in few}}
    return parts | {"payment": acts["payment"], "statement_line": acts["statement_line"]}


def _line_and_visit(few: ProcessorTime, many: ProcessorTime) -> tuple[Cost, Cost]:
    service = (many.service_ms - few.service_ms) / (LINES_MANY - LINES_FEW)
    postgres = (many.postgres_ms - few.postgres_ms) / (LINES_MANY - LINES_FEW)
    visit = Cost(
        service_ms=max(0.0, few.service_ms - service * LINES_FEW),
        postgres_ms=max(0.0, few.postgres_ms - postgres * LINES_FEW),
    )
    return Cost(service_ms=max(0.0, service), postgres_ms=max(0.0, postgres)), visit


async def _warm(run: _Run) -> None:
    for number in range(5):
        _, invoice_id = await run.issue(f"WARM{number}", LINES_FEW)
        await run.open_intent(invoice_id)


async def _work(run: _Run, count: int) -> Cost:
    """Seal and snapshot, in this process."""
    database = await Database.open(run.server.app_url)
    context = build_context(database)
    before, own = run.read(), time.process_time()
    while await seal_once(context, run.hospital.organization_id):
        pass
    while await snapshot_once(context, run.hospital.organization_id):
        pass
    cost = _own(run, before, own, count)
    await database.close()
    return cost


async def _import(run: _Run, paid: list[tuple[str, int]]) -> Cost:
    """Import the statement of the transfers and match it, in this process."""
    day = business_date(utc_now())
    lines = [
        Line(amount=amount, text=f"MBVCB.{number} {code} NOP VIEN PHI", reference=f"FT{number:09d}", day=day)
        for number, (code, amount) in enumerate(paid)
    ]
    database = await Database.open(run.server.app_url)
    context = build_context(database)
    before, own = run.read(), time.process_time()
    file = statement_file(statement_csv(*lines, account=run.hospital.settings.account_number))
    await import_statement(context, run.hospital.organization_id, file, actor=Actor.system())
    while await match_arrived_lines(context, run.hospital.organization_id):
        pass
    cost = _own(run, before, own, len(paid))
    await database.close()
    return cost


def _own(run: _Run, before: ProcessorTime, own: float, count: int) -> Cost:
    after = run.read()
    return Cost(
        service_ms=(time.process_time() - own) * 1000 / count,
        postgres_ms=(after.postgres_ms - before.postgres_ms) / count,
    )


async def _pages(run: _Run, addresses: list[str], headers: Mapping[str, str]) -> Cost:
    """Request each page once."""
    before = run.read()
    for address in addresses:
        answer = await run.client.get(address, headers=headers)
        assert answer.status_code == 200, f"{address}: {answer.status_code}"
    used = run.read().per_request(len(addresses), since=before)
    return Cost(service_ms=used.service_ms, postgres_ms=used.postgres_ms)

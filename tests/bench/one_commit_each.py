"""The capacity of PostgreSQL alone: the rows of one callback in one prepared statement and commit, at eight clients.

No HTTP, no signature, no locks taken before reading, no batch logic, one round trip: the upper bound for a service with
one commit a callback. Uses `pgbench` where it is in the directory of the server's programs or on PATH, else eight
connections of asyncpg, and reports which.
"""

import asyncio
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import asyncpg

from billing.db.context import Ids, utc_now
from billing.devserver.embedded import APP_ROLE, DATABASE_NAME
from tests.bench.stock import AMOUNT, Order, Stock

CLIENTS = 8
IDS = ("delivery", "payment", "allocation", "entry", "first_message", "second_message", "third_message", "audit")

_CREATE = f"""
    CREATE SEQUENCE bench_next;
    CREATE TABLE bench_target (
        place bigint PRIMARY KEY, organization_id int, number bigint, code text, intent_id uuid, invoice_id uuid,
        visit_id uuid, account_id uuid, bank_account_id uuid, clearing uuid, receivable uuid,
        {", ".join(f"{name}_id uuid" for name in IDS)});
    GRANT USAGE ON SEQUENCE bench_next TO vienphi_app;
    GRANT SELECT ON bench_target TO vienphi_app;
"""

_TARGETS = f"""
    INSERT INTO bench_target
    SELECT $1 + t.place, 1, t.number, t.code, t.intent_id, t.invoice_id, t.visit_id, account.id,
        account.bank_account_id, clearing.id, receivable.id, {", ".join(f"t.{name}_id" for name in IDS)}
    FROM unnest($2::bigint[], $3::bigint[], $4::text[], $5::uuid[], $6::uuid[], $7::uuid[],
        {", ".join(f"${8 + place}::uuid[]" for place in range(len(IDS)))})
        AS t (place, number, code, intent_id, invoice_id, visit_id, {", ".join(f"{name}_id" for name in IDS)})
    JOIN provider_account AS account ON account.organization_id = 1
    JOIN ledger_account AS clearing ON clearing.organization_id = 1 AND clearing.role = 'clearing'
    JOIN ledger_account AS receivable ON receivable.organization_id = 1 AND receivable.role = 'receivable_patient'
"""

# The rows are those of event_keys.py and bookings.py in payments/store for one callback that pays one bill exactly. A
# colon before a letter would be a variable of pgbench's, so it is written chr(58).
_ONE_CALLBACK = f"""
    WITH t AS MATERIALIZED (SELECT * FROM bench_target WHERE place = (SELECT nextval('bench_next'))),
    a AS (INSERT INTO event_key (organization_id, provider_account_id, key, fingerprint, delivery_id)
        SELECT organization_id, account_id, 'P' || number || chr(58) || 'SUCCEEDED', decode(md5(code), 'hex'),
            delivery_id FROM t ON CONFLICT DO NOTHING),
    b AS (INSERT INTO movement_key (organization_id, account_id, movement, key, movement_id, amount)
        SELECT organization_id, account_id, 'received', 'transaction' || chr(58) || 'P' || number, payment_id, {AMOUNT}
        FROM t
        UNION ALL
        SELECT organization_id, bank_account_id, 'received', 'bank' || chr(58) || 'FP' || number, payment_id, {AMOUNT}
        FROM t
        ON CONFLICT DO NOTHING),
    c AS (INSERT INTO delivery (organization_id, id, provider_account_id, received_at, verdict, receipt_id, notices)
        SELECT organization_id, delivery_id, account_id, now(), 'accepted', delivery_id, 1 FROM t),
    d AS (INSERT INTO delivery_body (organization_id, id, method, path_suffix, query, headers, body, source_address)
        SELECT organization_id, delivery_id, 'POST', '', '', jsonb_build_array(jsonb_build_array('host', 'localhost'),
            jsonb_build_array('x-sandbox-signature', repeat('0', 80))), convert_to(repeat('x', 380), 'UTF8'),
            '127.0.0.1' FROM t),
    e AS (INSERT INTO payment (organization_id, id, provider_account_id, bank_account_id, delivery_id, intent_id,
            amount, provider_reference, bank_reference, occurred_at, recorded_at)
        SELECT organization_id, payment_id, account_id, bank_account_id, delivery_id, intent_id, {AMOUNT},
            'P' || number, 'FP' || number, now(), now() FROM t),
    f AS (INSERT INTO payment_position (organization_id, payment_id, amount, on_invoices)
        SELECT organization_id, payment_id, {AMOUNT}, {AMOUNT} FROM t),
    g AS (INSERT INTO payment_origin (organization_id, payment_id, transfer_text, payer_name, payer_account, payer_bank)
        SELECT organization_id, payment_id, code || ' VIEN PHI', 'NGUYEN VAN THU', '0123456789', '' FROM t),
    h AS (INSERT INTO allocation (organization_id, id, payment_id, target, invoice_id, amount, reason, recorded_at)
        SELECT organization_id, allocation_id, payment_id, 'invoice', invoice_id, {AMOUNT}, 'paid', now() FROM t),
    i AS (UPDATE invoice SET allocated = {AMOUNT}, owed = 0, version = 2 FROM t
        WHERE invoice.organization_id = t.organization_id AND invoice.id = t.invoice_id),
    j AS (UPDATE intent SET state = 'succeeded', received = {AMOUNT}, version = 2 FROM t
        WHERE intent.organization_id = t.organization_id AND intent.id = t.intent_id),
    k AS (INSERT INTO journal_entry (organization_id, id, kind, effective_at, recorded_at, accounting_date, actor_kind,
            actor_id)
        SELECT organization_id, entry_id, 'payment_received', now(), now(), (now() AT TIME ZONE '-07')::date,
            'provider', account_id FROM t),
    l AS (INSERT INTO posting (organization_id, entry_id, line, debit_account_id, credit_account_id, amount, visit_id,
            invoice_id, payment_id, payer)
        SELECT organization_id, entry_id, 1, clearing, receivable, {AMOUNT}, visit_id, invoice_id, payment_id, 'patient'
        FROM t),
    m AS (INSERT INTO outbox (organization_id, id, topic, payload)
        SELECT organization_id, first_message_id, 'payment.received',
            jsonb_build_object('payment_id', payment_id, 'amount', {AMOUNT}) FROM t
        UNION ALL
        SELECT organization_id, second_message_id, 'invoice.updated',
            jsonb_build_object('invoice_id', invoice_id, 'version', 2, 'owed', 0) FROM t
        UNION ALL
        SELECT organization_id, third_message_id, 'intent.updated', jsonb_build_object('intent_id', intent_id,
            'version', 2, 'state', 'succeeded', 'received', {AMOUNT}) FROM t),
    n AS (INSERT INTO audit (organization_id, id, recorded_at, actor_kind, actor_id, action, subject_kind, subject_id)
        SELECT organization_id, audit_id, now(), 'provider', account_id, 'payment_received', 'payment', payment_id
        FROM t)
    SELECT number FROM t
"""


class OneCommitEach:
    """Runs the statement on orders of organization 1 that nobody else pays."""

    def __init__(self, stock: Stock) -> None:
        self._stock = stock
        self._ids = Ids(utc_now)
        self._place = 0
        pgbench = stock.server.programs.folder / "pgbench"
        self._pgbench = str(pgbench) if pgbench.exists() else shutil.which("pgbench")

    @property
    def program(self) -> str:
        """What runs the statement."""
        return "pgbench" if self._pgbench else "asyncpg"

    async def prepare(self) -> None:
        """Make the table of targets."""
        connection = await self._stock.connect()
        await connection.execute(_CREATE)
        await connection.close()

    async def run(self, orders: Sequence[Order], duration_s: int, *, clients: int = CLIENTS) -> float:
        """Pay orders for that long, as fast as the clients can; returns commits a second."""
        await self._add_targets(orders)
        seconds = max(1, duration_s)
        if self._pgbench:
            return await asyncio.to_thread(self._run_pgbench, seconds, clients)
        return await self._run_clients(seconds, clients)

    async def _add_targets(self, orders: Sequence[Order]) -> None:
        columns: list[Sequence[object]] = [
            list(range(1, len(orders) + 1)),
            [order.number for order in orders],
            [order.code for order in orders],
            [order.intent_id for order in orders],
            [order.invoice_id for order in orders],
            [order.visit_id for order in orders],
            *([self._ids.new() for _ in orders] for _ in IDS),
        ]
        connection = await self._stock.connect()
        await connection.execute(_TARGETS, self._place, *columns)
        await connection.execute("SELECT setval('bench_next', $1, false)", self._place + 1)
        await connection.execute("ANALYZE bench_target")
        await connection.close()
        self._place += len(orders)

    def _run_pgbench(self, seconds: int, clients: int) -> float:
        assert self._pgbench is not None
        folder = self._stock.server.url("x").rsplit("host=", 1)[1].split("&")[0].replace("%2F", "/")
        with tempfile.TemporaryDirectory() as scripts:
            script = Path(scripts) / "one-callback.sql"
            script.write_text(" ".join(_ONE_CALLBACK.split()) + ";\n")
            ran = subprocess.run(
                [
                    *(self._pgbench, "-n", "-M", "prepared", "-c", str(clients), "-j", "1", "-T", str(seconds)),
                    *("-f", str(script), "-h", folder, "-U", APP_ROLE, DATABASE_NAME),
                ],
                env={**os.environ, "PGOPTIONS": "-c vienphi.organization=1 -c jit=off"},
                capture_output=True,
                text=True,
                check=False,
            )
        found = re.search(r"^tps = ([0-9.]+) ", ran.stdout, re.MULTILINE)
        if ran.returncode or found is None:
            raise RuntimeError(f"pgbench failed: {ran.stderr[-500:]}")
        return float(found[1])

    async def _run_clients(self, seconds: int, clients: int) -> float:
        ends = time.perf_counter() + seconds
        started = time.perf_counter()
        done = sum(await asyncio.gather(*(self._client(ends) for _ in range(clients))))
        return done / (time.perf_counter() - started)

    async def _client(self, ends: float) -> int:
        settings = {"vienphi.organization": "1", "jit": "off"}
        connection = await asyncpg.connect(self._stock.server.app_url, server_settings=settings)
        done = 0
        while time.perf_counter() < ends:
            await connection.fetchval(_ONE_CALLBACK)
            done += 1
        await connection.close()
        return done

"""Issued invoices by the hundred thousand, for repricing: some are issued in the usual way, the server copies them.

Copies have ids, numbers, documents and hashes of their own; triggers and foreign keys are passed over while they are
written. Rows that repricing does not read are left out.
"""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import date, timedelta

import asyncpg

from billing.core.actor import Actor
from billing.core.clock import business_date
from billing.db.context import utc_now
from billing.db.database import Database
from billing.db.migrator import migrate
from billing.devserver.embedded import SUPERUSER, EmbeddedPostgres
from billing.invoices.service.issue import issue_invoice
from billing.visit_accounts.service.record_visits import record_visit
from billing.visits.domain.visit import Visit
from billing.visits.formats.visit_document import write_visit
from tests.bench.stock import analyze
from tests.builders import add_demo_hospital, build_context

_SETTINGS = {"max_wal_size": "16GB", "checkpoint_timeout": "1h", "shared_buffers": "1GB"}

_COPIES = """
    CREATE TEMPORARY TABLE copy AS
    SELECT sample.id AS sample_id, sample.visit_id AS sample_visit_id, n,
        ('0' || to_hex({first_ms} + n) || '7001' || '8000' || to_hex(n + (1::bigint << 44)))::uuid AS id,
        ('0' || to_hex({first_ms} + n) || '7002' || '8000' || to_hex(n + (1::bigint << 44)))::uuid AS visit_id,
        to_timestamp(({first_ms} + n) / 1000.0) AS issued_at
    FROM generate_series({first}::bigint, {first}::bigint + {count} - 1) AS n
    JOIN (SELECT id, visit_id, row_number() OVER (ORDER BY id) - 1 AS place, count(*) OVER () AS samples
          FROM invoice WHERE number LIKE 'BK%') AS sample ON sample.place = n % sample.samples
"""

_VISITS = """
    INSERT INTO visit (organization_id, id, facility_id, ma_lk, version, admitted_at, discharged_at, created_at)
    SELECT 1, copy.visit_id, facility_id, 'COPY' || n, version, admitted_at, discharged_at, copy.issued_at
    FROM copy JOIN visit ON visit.organization_id = 1 AND visit.id = sample_visit_id
"""

_INVOICES = """
    INSERT INTO invoice (organization_id, id, visit_id, visit_version, number, state, version, patient_share,
        other_share, insurer_share, owed, issued_at)
    SELECT 1, copy.id, copy.visit_id, 1, 'C' || n, 'issued', 1, patient_share, other_share, insurer_share,
        patient_share, copy.issued_at
    FROM copy JOIN invoice ON invoice.organization_id = 1 AND invoice.id = sample_id
"""

_INPUTS = """
    INSERT INTO invoice_snapshot (organization_id, invoice_id, document, document_hash, policy_version, code_version,
        reasons)
    SELECT 1, copied.id, copied.document, sha256(convert_to(copied.document, 'UTF8')), policy_version, code_version,
        reasons
    FROM (SELECT copy.id, replace(document, 'SAMPLE', 'COPY' || n || 'OF') AS document, policy_version, code_version,
              reasons
          FROM copy JOIN invoice_snapshot ON organization_id = 1 AND invoice_id = sample_id) AS copied
"""

_LINES = """
    INSERT INTO invoice_line (organization_id, invoice_id, line, source_table, stt, code, name, unit, cost_group,
        department, quantity, hospital_amount, insured_amount, level, self_pay, copay, fund, other_funds, reasons)
    SELECT 1, copy.id, line, source_table, stt, code, name, unit, cost_group, department, quantity, hospital_amount,
        insured_amount, level, self_pay, copay, fund, other_funds, reasons
    FROM copy JOIN invoice_line ON organization_id = 1 AND invoice_id = sample_id
    ORDER BY copy.id, line
"""


@asynccontextmanager
async def issued_visits(samples: Sequence[Visit], *, days: int, each: int) -> AsyncIterator[tuple[str, list[date]]]:
    """A server on which `each` visits were issued on each of `days` days; its address for the app role, and the days.

    The samples were issued too, today, which is none of these days; their MA_LK begins with `SAMPLE`.
    """
    with EmbeddedPostgres(durable=False, settings=_SETTINGS) as server:
        await migrate(server.owner_url)
        hospital = await add_demo_hospital(server.owner_url)
        database = await Database.open(server.app_url)
        context = build_context(database)
        for number, visit in enumerate(samples):
            document = write_visit(visit) | {"MA_LK": f"SAMPLE{number}"}
            taken = await record_visit(context, hospital.organization_id, document, actor=Actor.system())
            assert taken is not None, "recorded without an idempotent request"
            await issue_invoice(context, hospital.organization_id, taken.id, actor=Actor.system())
        await database.close()
        today = business_date(utc_now())
        issued = [today - timedelta(days=place + 1) for place in range(days)]
        connection = await asyncpg.connect(server.url(SUPERUSER))
        for place, day in enumerate(issued):
            await _copy(connection, day, first=place * each, count=each)
        await analyze(connection)
        await connection.execute("CHECKPOINT", timeout=300)
        await connection.close()
        os.sync()
        yield server.app_url, issued


async def _copy(connection: "asyncpg.Connection[asyncpg.Record]", day: date, *, first: int, count: int) -> None:
    """Issue copies from seven in the morning on, a millisecond apart."""
    first_ms = (day - date(1970, 1, 1)).days * 86_400_000 - first
    async with connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.execute("DROP TABLE IF EXISTS copy")
        await connection.execute(_COPIES.format(first_ms=first_ms, first=first, count=count))
        for statement in (_VISITS, _INVOICES, _INPUTS, _LINES):
            await connection.execute(statement, timeout=600)

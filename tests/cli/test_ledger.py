"""`vienphi ledger` as an operator calls it."""

import asyncio
import re
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from billing.cli import ledger as cli_ledger
from billing.cli.ledger import verify_books
from billing.core.actor import Actor
from billing.core.clock import business_date
from billing.core.ids import OrganizationId
from billing.db.connection_errors import DatabaseBusy
from billing.db.context import utc_now
from billing.db.database import Database, DatabaseLimits
from billing.invoices.service.issue import issue_invoice
from billing.ledger.service import verify as verification
from billing.ledger.service.seal_rows import seal_once
from billing.ledger.service.verify import VERIFY_LIMITS
from billing.ledger.store.check import LedgerCheck
from billing.ledger.store.seal_export import SealExport
from billing.visit_accounts.service.record_visits import record_visit
from tests.builders import add_demo_hospital, build_context, visit_document
from tests.cli.commands import run
from tests.cli.durable import DurableDatabase


@pytest.fixture(scope="module")
def server(durable_database: DurableDatabase) -> DurableDatabase:
    """A hospital with one invoice of 600 000 đồng, of which the patient owes 136 000."""
    asyncio.run(issue_an_invoice(durable_database))
    return durable_database


async def issue_an_invoice(server: DurableDatabase) -> None:
    hospital = await add_demo_hospital(server.owner_url)
    database = await Database.open(server.app_url)
    context = build_context(database)
    visit = await record_visit(context, hospital.organization_id, visit_document(), actor=Actor.system())
    await issue_invoice(context, hospital.organization_id, visit.id, actor=Actor.system())
    await database.close()


async def store(server: DurableDatabase, statement: str) -> None:
    owner = await Database.open(server.owner_url)
    async with owner.transaction(OrganizationId(1)) as tx:
        await tx.execute(statement)
    await owner.close()


def test_balances_are_on_their_sides_and_the_sums_are_equal(server: DurableDatabase) -> None:
    printed = run("ledger", "balances", "--organization", "1", VIENPHI_DATABASE_URL=server.app_url)

    assert printed.returncode == 0, printed.stderr
    lines = [line.split() for line in printed.stdout.splitlines()]
    assert ["131", "Phải", "thu", "người", "bệnh", "136.000"] in lines
    assert ["531", "Doanh", "thu", "viện", "phí", "600.000"] in lines
    assert lines[-1] == ["600.000", "600.000"]


def test_today_cannot_be_closed(server: DurableDatabase) -> None:
    today = business_date(utc_now()).isoformat()

    refused = run("ledger", "close-day", "--organization", "1", "--day", today, VIENPHI_DATABASE_URL=server.app_url)

    assert refused.returncode == 1
    assert "day_not_over" in refused.stderr


def test_day_that_is_over_closes_with_the_hash_for_the_paper(server: DurableDatabase) -> None:
    yesterday = (business_date(utc_now()) - timedelta(days=1)).isoformat()
    asyncio.run(store(server, f"INSERT INTO business_day VALUES (1, '{yesterday}', 'open', now(), NULL)"))

    closed = run("ledger", "close-day", "--organization", "1", "--day", yesterday, VIENPHI_DATABASE_URL=server.app_url)

    assert closed.returncode == 0, closed.stderr
    first, second = closed.stdout.splitlines()
    assert first == f"closed {yesterday}: 0 entries moved 0 đ"
    assert second.startswith("seal 1: ")
    assert len(second.removeprefix("seal 1: ")) == 64
    check_anchors_of(server, yesterday, second.rpartition(" ")[2])


def check_anchors_of(server: DurableDatabase, day: str, digits: str) -> None:
    """The day prints the same again; its hash is an anchor, any other one is not."""
    printed = run("ledger", "print-day", "--organization", "1", "--day", day, VIENPHI_DATABASE_URL=server.app_url)
    assert printed.returncode == 0, printed.stderr
    assert printed.stdout.splitlines()[1].endswith(digits)
    anchors = ("--anchor", f"{day}:{digits}", "--anchor", f"{day}:{digits.upper()}")
    verified = run("ledger", "verify", *anchors, VIENPHI_DATABASE_URL=server.app_url)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert "anchors compared: 2" in verified.stdout
    other = run("ledger", "verify", *anchors, "--anchor", f"{day}:{'0' * 64}", VIENPHI_DATABASE_URL=server.app_url)
    assert other.returncode == 1
    assert f"closing of {day}: {'0' * 64} expected, {digits} of organization 1 found" in other.stdout
    unread = run("ledger", "verify", "--anchor", f"{day}:12", VIENPHI_DATABASE_URL=server.app_url)
    assert unread.returncode == 1
    assert "DAY:HASH" in unread.stderr
    never = run(
        "ledger", "print-day", "--organization", "1", "--day", "2020-01-01", VIENPHI_DATABASE_URL=server.app_url
    )
    assert never.returncode == 1
    assert "not closed" in never.stderr


def test_closing_writes_the_file_of_heads_and_verification_reads_it(server: DurableDatabase, tmp_path: Path) -> None:
    heads = tmp_path / "heads.jsonl"
    settings = {
        "VIENPHI_DATABASE_URL": server.app_url,
        "VIENPHI_SEAL_EXPORT_PATH": str(heads),
        "VIENPHI_SEAL_EXPORT_KEY": "a key of the operator",
    }
    day = (business_date(utc_now()) - timedelta(days=1)).isoformat()
    asyncio.run(
        store(
            server,
            f"INSERT INTO business_day (organization_id, day, state, opened_at)"
            f" VALUES (1, '{day}', 'open', now()) ON CONFLICT DO NOTHING",
        )
    )
    run("ledger", "close-day", "--organization", "1", "--day", day, **settings)
    keyless = run("ledger", "verify", **{**settings, "VIENPHI_SEAL_EXPORT_KEY": ""})
    assert keyless.returncode == 1
    assert "seal_export_key" in keyless.stderr

    asyncio.run(seal_into(server, heads))
    verified = run("ledger", "verify", **settings)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert re.search(r"exported heads compared: [1-9]", verified.stdout)
    heads.write_text(heads.read_text().replace('"seal":', '"seal":9'))
    assert run("ledger", "verify", **settings).returncode == 1


async def seal_into(server: DurableDatabase, heads: Path) -> None:
    database = await Database.open(server.app_url)
    context = build_context(database)
    context.seal_export = SealExport(heads, b"a key of the operator")
    await seal_once(context, OrganizationId(1))
    await database.close()


def test_balances_of_an_organization_that_was_never_set_up_are_refused(server: DurableDatabase) -> None:
    refused = run("ledger", "balances", "--organization", "5", VIENPHI_DATABASE_URL=server.app_url)

    assert (refused.returncode, refused.stdout) == (1, "")
    assert "no such organization" in refused.stderr


def test_verify_counts_checks_and_fails_on_a_mismatch(server: DurableDatabase) -> None:
    right = run("ledger", "verify", VIENPHI_DATABASE_URL=server.app_url)
    asyncio.run(store(server, "UPDATE invoice SET allocated = 1, owed = owed - 1"))
    wrong = run("ledger", "verify", VIENPHI_DATABASE_URL=server.app_url)
    asyncio.run(store(server, "UPDATE invoice SET allocated = 0, owed = owed + 1"))

    assert (right.returncode, "the books hold" in right.stdout) == (0, True), right.stdout
    assert wrong.returncode == 1
    assert "MISMATCH organization 1, what an invoice still owes is its receivable in the journal" in wrong.stdout


def test_verify_gives_each_proof_hours_and_the_service_seconds(
    server: DurableDatabase, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """At millions of payments one check reads for minutes: its time limit is read from the server."""
    check = LedgerCheck(
        "limit",
        "the limit is reported",
        "SELECT 'limit' AS subject, '' AS expected, current_setting('statement_timeout') AS found WHERE $1::int > 0",
    )
    monkeypatch.setattr(verification, "CHECKS", (check,))

    verdict = asyncio.run(verify_books(server.app_url))

    assert verdict.mismatches == 1
    assert "limit:  expected, 12h found" in capsys.readouterr().out
    assert DatabaseLimits().statement_timeout_ms == 15_000


def test_check_beyond_its_limit_ends_the_verification_with_a_message(
    server: DurableDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = LedgerCheck("slow", "it ends", "SELECT pg_sleep(5)::text, '' AS expected, '' AS found WHERE $1::int > 0")
    monkeypatch.setattr(verification, "CHECKS", (slow,))
    monkeypatch.setattr(cli_ledger, "VERIFY_LIMITS", replace(VERIFY_LIMITS, statement_timeout_ms=100))

    with pytest.raises(DatabaseBusy):
        asyncio.run(verify_books(server.app_url))


def test_serve_and_verify_refuse_numbers_of_another_cluster_until_rebased(server: DurableDatabase) -> None:
    needless = run("ledger", "rebase", VIENPHI_OWNER_URL=server.owner_url)
    asyncio.run(
        store(
            server,
            "INSERT INTO outbox (organization_id, id, topic, payload, transaction_id) SELECT 1,"
            " vienphi_first_id(current_date), 'x', '{}',"
            " (vienphi_next_transaction_id()::text::bigint + 100000)::text::xid8",
        )
    )

    served = run("serve", VIENPHI_DATABASE_URL=server.app_url)
    verified = run("ledger", "verify", VIENPHI_DATABASE_URL=server.app_url)
    rebased = run("ledger", "rebase", VIENPHI_OWNER_URL=server.owner_url)
    verified_again = run("ledger", "verify", VIENPHI_DATABASE_URL=server.app_url)

    assert needless.stdout == "nothing to do\n"
    assert (served.returncode, "cluster_mismatch" in served.stderr) == (1, True), served.stderr
    assert (verified.returncode, "run vienphi ledger rebase" in verified.stdout) == (1, True)
    assert rebased.returncode == 0, rebased.stderr
    assert "rebased" in rebased.stdout
    assert verified_again.returncode == 0, verified_again.stdout


def test_certificate_of_a_closed_day_is_written_and_that_of_an_open_one_is_not(
    server: DurableDatabase, tmp_path: Path
) -> None:
    day = (business_date(utc_now()) - timedelta(days=1)).isoformat()
    asyncio.run(
        store(
            server,
            "INSERT INTO business_day (organization_id, day, state, opened_at)"
            f" VALUES (1, '{day}', 'open', now()) ON CONFLICT DO NOTHING",
        )
    )
    settings = {"VIENPHI_DATABASE_URL": server.app_url}
    run("ledger", "close-day", "--organization", "1", "--day", day, **settings)
    path = tmp_path / "day.json"

    written = run("ledger", "day-certificate", day, "--organization", "1", "--output", str(path), **settings)
    today = business_date(utc_now()).isoformat()
    refused = run("ledger", "day-certificate", today, "--organization", "1", **settings)

    assert written.returncode == 0, written.stderr
    checked = subprocess.run(
        [sys.executable, "-I", "docs/verify_day.py", str(path)], capture_output=True, text=True, check=False
    )
    assert checked.stdout.startswith(f"the certificate of {day} holds: 0 entries, 0 đồng"), checked.stdout
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "not closed" in refused.stderr

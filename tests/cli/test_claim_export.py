"""`vienphi claim export` as somebody at a desk calls it."""

import asyncio
import stat
from pathlib import Path

import pytest

from billing.core.actor import Actor
from billing.db.database import Database
from billing.invoices.service.issue import issue_invoice
from billing.visit_accounts.service.record_visits import record_visit
from billing.visits.formats.xml130 import read_claim_file
from tests.builders import add_demo_hospital, build_context, visit_document
from tests.cli.commands import run
from tests.cli.durable import DurableDatabase


@pytest.fixture(scope="module")
def billed(durable_database: DurableDatabase) -> tuple[str, str]:
    """The address of a database with one issued invoice, and the invoice's id."""
    return durable_database.app_url, asyncio.run(issue_an_invoice(durable_database))


async def issue_an_invoice(server: DurableDatabase) -> str:
    hospital = await add_demo_hospital(server.owner_url)
    database = await Database.open(server.app_url)
    context = build_context(database)
    visit = await record_visit(context, hospital.organization_id, visit_document(), actor=Actor.system())
    assert visit is not None
    invoice_id = await issue_invoice(context, hospital.organization_id, visit.id, actor=Actor.system())
    await database.close()
    return str(invoice_id)


def test_invoice_is_written_to_a_file_only_its_owner_reads(billed: tuple[str, str], tmp_path: Path) -> None:
    url, invoice_id = billed
    file = tmp_path / "claim.xml"

    done = run("claim", "export", "--organization", "1", invoice_id, "--to", str(file), VIENPHI_DATABASE_URL=url)

    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{file}: {file.stat().st_size} bytes, not signed\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    (read,) = read_claim_file(file.read_bytes()).visits
    assert read.visit.ma_lk == "LK0001"


def test_file_that_is_there_is_not_written_over(billed: tuple[str, str], tmp_path: Path) -> None:
    url, invoice_id = billed
    file = tmp_path / "claim.xml"
    file.write_text("mine")

    done = run("claim", "export", "--organization", "1", invoice_id, "--to", str(file), VIENPHI_DATABASE_URL=url)

    assert (done.returncode, file.read_text()) == (1, "mine")
    assert "is there already" in done.stderr


def test_unknown_invoice_writes_nothing(billed: tuple[str, str], tmp_path: Path) -> None:
    unknown = "00000000-0000-7000-8000-000000000000"
    file = tmp_path / "claim.xml"

    done = run("claim", "export", "--organization", "1", unknown, "--to", str(file), VIENPHI_DATABASE_URL=billed[0])

    assert (done.returncode, file.exists()) == (1, False)
    assert "[not_found]" in done.stderr

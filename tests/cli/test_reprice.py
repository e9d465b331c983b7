"""`vienphi reprice` as an operator calls it: the self-check, a draft of parameters, and what both print."""

import asyncio
import csv
import json
from importlib import resources
from pathlib import Path

import asyncpg
import pytest

from billing.core.actor import Actor
from billing.db.database import Database
from billing.devserver.embedded import SUPERUSER
from billing.invoices.service.issue import issue_invoice
from billing.visit_accounts.service.record_visits import record_visit
from tests.builders import add_demo_hospital, build_context, service_line, visit_document
from tests.cli.commands import run
from tests.cli.durable import DurableDatabase

PARAMETERS = resources.files("billing.coverage.domain").joinpath("parameters.toml").read_text("utf-8")


@pytest.fixture(scope="module")
def server(durable_database: DurableDatabase) -> DurableDatabase:
    """A hospital with one invoice of 600 000 đồng, of which the patient pays 136 000; one name looks like a formula."""
    asyncio.run(issue_an_invoice(durable_database))
    return durable_database


async def issue_an_invoice(server: DurableDatabase) -> None:
    hospital = await add_demo_hospital(server.owner_url)
    database = await Database.open(server.app_url)
    context = build_context(database)
    formula_like = visit_document(
        ma_lk="LK2", lines=[service_line(1, name="=1+1\x1b[2J", group=1, price="1000000") | {"MA_DICH_VU": "S1"}]
    )
    for document in (visit_document(), formula_like):
        visit = await record_visit(context, hospital.organization_id, document, actor=Actor.system())
        assert visit is not None
        await issue_invoice(context, hospital.organization_id, visit.id, actor=Actor.system())
    await database.close()


async def as_superuser(server: DurableDatabase, statement: str) -> None:
    connection = await asyncpg.connect(server.url(SUPERUSER))
    await connection.execute(f"SET session_replication_role = replica; {statement}")
    await connection.close()


@pytest.fixture
def draft(tmp_path: Path) -> Path:
    """Amounts under which the fund pays 70 % for digit 4."""
    path = tmp_path / "draft.toml"
    path.write_text(PARAMETERS.replace('4 = "80"', '4 = "70"'), encoding="utf-8")
    return path


def test_every_invoice_recomputes_to_itself_and_a_difference_is_listed(server: DurableDatabase) -> None:
    right = run("reprice", VIENPHI_DATABASE_URL=server.app_url)
    asyncio.run(
        as_superuser(
            server, "UPDATE invoice_line SET fund = fund - 1, copay = copay + 1 WHERE name = 'Xét nghiệm';"
            "UPDATE invoice_snapshot SET code_version = '0.0.9'"
        )
    )  # fmt: skip
    wrong = run("reprice", VIENPHI_DATABASE_URL=server.app_url)
    as_json = run("reprice", "--json", VIENPHI_DATABASE_URL=server.app_url)
    asyncio.run(
        as_superuser(server, "UPDATE invoice_line SET fund = fund + 1, copay = copay - 1 WHERE name = 'Xét nghiệm'")
    )

    assert right.returncode == 0, right.stderr
    assert right.stdout.startswith("every issued invoice recomputes to itself: 2 invoices, code ")
    assert wrong.returncode == as_json.returncode == 1
    first, second, last = wrong.stdout.splitlines()
    assert "DIFFERS organization 1, invoice BK" in first
    assert "(issued by 0.0.9, now 0.1.0): the same shares by other lines" in first
    assert second.strip() == "XML3/2 Xét nghiệm: copay 90001 → 90000, fund 359999 → 360000 by B-010"
    assert last.startswith("1 INVOICES DIFFER: 2 invoices")
    change, sums = map(json.loads, as_json.stdout.splitlines())
    assert change["lines"][0]["issued"]["fund"] == "359999.00"
    assert (sums["invoices"], sums["changed"]) == (2, 1)


def test_draft_of_parameters_lists_who_pays_more_and_writes_both_sheets(
    server: DurableDatabase, draft: Path, tmp_path: Path
) -> None:
    lines, visits = tmp_path / "lines.csv", tmp_path / "visits.csv"

    printed = run(
        "reprice", "--parameters", str(draft), "--workers", "2", "--lines-csv", str(lines), "--visits-csv", str(visits),
        VIENPHI_DATABASE_URL=server.app_url,
    )  # fmt: skip

    assert printed.returncode == 0, printed.stderr
    # 10 % of 580 000 and of 1 000 000 go from the fund to the patients.
    assert "2 visits: 2 would change in 4 lines; the patient would pay more in 2 and less in 0; 0 have no price" in (
        printed.stdout
    )
    rows = [line.split() for line in printed.stdout.splitlines()]
    assert ["the", "patient", "336.000", "494.000", "+158.000"] in rows
    assert ["the", "fund", "1.264.000", "1.106.000", "−158.000"] in rows
    assert ["all", "1.600.000", "1.600.000", "0"] in rows
    with visits.open(encoding="utf-8-sig", newline="") as stream:
        patients = list(csv.DictReader(stream))
    assert [(row["issued_patient"], row["now_patient"], row["patient_difference"]) for row in patients] == [
        ("136000", "194000", "58000"),
        ("200000", "300000", "100000"),
    ]
    with lines.open(encoding="utf-8-sig", newline="") as stream:
        formula_like = list(csv.DictReader(stream))[-1]
    assert formula_like["name"].startswith("'=1+1")
    assert (formula_like["issued_fund"], formula_like["now_fund"], formula_like["now_rules"]) == (
        "800000.00",
        "700000.00",
        "B-010",
    )
    assert "\x1b" not in printed.stdout


def test_auditor_can_reprice_an_organization(server: DurableDatabase) -> None:
    asyncio.run(as_superuser(server, "CREATE ROLE an_auditor LOGIN PASSWORD 'x' IN ROLE vienphi_auditor"))

    printed = run("reprice", "--organization", "1", VIENPHI_DATABASE_URL=server.url("an_auditor"))

    assert printed.returncode == 0, printed.stderr
    assert "recomputes to itself: 2 invoices" in printed.stdout


LIST = "00000000-0000-0000-0000-000000000007"
DRAFTED = f"""
    INSERT INTO person (organization_id, id, name, roles) VALUES (1, '{LIST}', 'Lan', '{{finance}}');
    INSERT INTO tariff (organization_id, id, name, valid_from, state, items_expected, content_hash, drafted_by,
        drafted_at, completed_at)
    VALUES (1, '{LIST}', 'x', '2027-01-01', 'draft', 1, sha256(''), '{LIST}', now(), now());
    INSERT INTO tariff_item VALUES (1, '{LIST}', 'S1', 'x', '', 1100000, NULL, NULL)
"""


def test_drafted_price_list_tells_who_pays_more_also_in_other_processes(server: DurableDatabase) -> None:
    asyncio.run(as_superuser(server, DRAFTED))

    printed = run(
        "reprice", "--tariff", LIST, "--organization", "1", "--workers", "2", VIENPHI_DATABASE_URL=server.app_url
    )  # fmt: skip
    of_nobody = run("reprice", "--tariff", LIST, VIENPHI_DATABASE_URL=server.app_url)
    unknown = run(
        "reprice", "--tariff", LIST.replace("7", "8"), "--organization", "1", VIENPHI_DATABASE_URL=server.app_url
    )  # fmt: skip

    assert printed.returncode == 0, printed.stderr
    # 1 000 000 become 1 100 000, of which the patient pays 20 %.
    rows = [line.split() for line in printed.stdout.splitlines()]
    assert ["the", "patient", "336.000", "356.000", "+20.000"] in rows
    assert (of_nobody.returncode, "--tariff needs --organization" in of_nobody.stderr) == (2, True)
    assert (unknown.returncode, "no such price list" in unknown.stderr) == (1, True), unknown.stderr


@pytest.mark.parametrize(
    ("text", "expected"),
    [(PARAMETERS.replace('"80"', "80.5"), "must be written in quotes"), ("", "cannot be read")],
    ids=["float", "empty"],
)
def test_draft_that_cannot_be_read_is_rejected_before_anything_is_opened(
    tmp_path: Path, text: str, expected: str
) -> None:
    path = tmp_path / "draft.toml"
    path.write_text(text, encoding="utf-8")

    refused = run("reprice", "--parameters", str(path))
    missing = run("reprice", "--parameters", str(tmp_path / "none.toml"))
    backwards = run("reprice", "--from", "2026-11-02", "--to", "2026-11-01")

    assert (refused.returncode, expected in refused.stderr) == (1, True), refused.stderr
    assert (missing.returncode, "cannot be read" in missing.stderr) == (1, True)
    assert (backwards.returncode, "ends before it begins" in backwards.stderr) == (1, True)

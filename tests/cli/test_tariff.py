"""`vienphi tariff` as two persons of finance use it: real commands, a real database."""

import asyncio
import csv
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest

from billing.core.actor import Actor
from billing.core.ids import OrganizationId
from billing.db.database import Database
from billing.invoices.service.issue import issue_invoice
from billing.visit_accounts.service.record_visits import record_visit
from tests.builders import FACILITY_CODE, add_demo_hospital, build_context, service_line, visit_document
from tests.cli.commands import run
from tests.cli.durable import DurableDatabase
from tests.database_server import Loop
from tests.spreadsheets.workbooks import rows, workbook


@dataclass(frozen=True, slots=True)
class Persons:
    """The environment of each person's commands; `also_a` is another key of the first."""

    server: DurableDatabase
    a: dict[str, str]
    also_a: dict[str, str]
    b: dict[str, str]


@pytest.fixture(scope="module")
def persons(durable_database: DurableDatabase) -> Persons:
    asyncio.run(add_demo_hospital(durable_database.owner_url))
    return Persons(
        durable_database, *(_key(durable_database, *each) for each in (("one", "A"), ("two", "A"), ("three", "B")))
    )


def _key(server: DurableDatabase, name: str, person: str, role: str = "finance") -> dict[str, str]:
    added = run(
        "key", "add", "--organization", "1", "--name", name, "--person", person, "--role", role,
        VIENPHI_OWNER_URL=server.owner_url,
    )  # fmt: skip
    assert added.returncode == 0, added.stderr
    return {"VIENPHI_DATABASE_URL": server.app_url, "VIENPHI_KEY": added.stdout.strip()}


def _tariff(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return run("tariff", *arguments, **environment)


def _draft_id(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return next(line.split()[1].rstrip(":") for line in done.stdout.splitlines() if line.startswith("draft "))


def _csv(folder: Path, *lines: str, head: str = "mã dịch vụ;tên;giá BHYT;giá viện phí") -> str:
    file = folder / "bang-gia.csv"
    file.write_text("\n".join((head, *lines)) + "\n", encoding="utf-8")
    return str(file)


def _stored(persons: Persons, statement: str) -> object:
    async def read() -> object:
        owner = await Database.open(persons.server.owner_url)
        try:
            async with owner.transaction(OrganizationId(1)) as tx:
                return await tx.fetchval(statement)
        finally:
            await owner.close()

    return asyncio.run(read())


def test_price_list_takes_effect_by_two_persons(persons: Persons, tmp_path: Path) -> None:
    first = _csv(tmp_path, "02.1;Khám Nội;50600;60000", "02.2;Xét nghiệm;40000;")
    a, b = persons.a, persons.b

    draft = _draft_id(_tariff("import", first, "--from", "2026-07-01", **a))
    by_same = _tariff("approve", draft, **persons.also_a)
    too_early = _tariff("activate", draft, **a)
    by_other = _tariff("approve", draft, **b)
    activated = _tariff("activate", draft, **a)
    later = _csv(tmp_path, "02.1;Khám Nội;55000,5;60000", "02.3;Siêu âm;;90000")
    before = _stored(persons, "SELECT count(*) FROM tariff")
    dry = _tariff("import", later, "--from", "2026-08-01", "--dry-run", **a)
    after = _stored(persons, "SELECT count(*) FROM tariff")

    assert (by_same.returncode, "second_person_required" in by_same.stderr) == (1, True), by_same.stderr
    assert (too_early.returncode, "tariff_state_forbids" in too_early.stderr) == (1, True)
    assert (by_other.returncode, activated.returncode) == (0, 0), (by_other.stderr, activated.stderr)
    assert dry.returncode == 0, dry.stderr
    rows = [line.split() for line in dry.stdout.splitlines()]
    assert ["changed", "02.1", "giá", "BHYT", "50.600", "→", "55.000,5", "Khám", "Nội"] in rows
    assert ["removed", "02.2", "giá", "BHYT", "40.000", "→", "–", "Xét", "nghiệm"] in rows
    assert ["added", "02.3", "giá", "viện", "phí", "–", "→", "90.000", "Siêu", "âm"] in rows
    assert dry.stdout.splitlines()[-2:] == ["1 added, 1 removed, 1 changed", "dry run: nothing was written"]
    assert before == after
    listed = _tariff("list", **a)
    assert "effective" in listed.stdout
    assert "(A/B/A)" in listed.stdout
    changes = _tariff("changes", draft, "--csv", **a)
    assert changes.stdout.splitlines()[:2] == ["change,code,name,price,old,new", "added,02.1,Khám Nội,insured,,50600"]


def test_every_bad_row_is_listed_and_nothing_is_written(persons: Persons, tmp_path: Path) -> None:
    file = _csv(tmp_path, "02.1;Khám;1.234;", "02.2;Khám;5;", "02.2;Khám;6;", "02.4;Khám;miễn phí;")
    before = _stored(persons, "SELECT count(*) FROM tariff")

    refused = _tariff("import", file, "--from", "2026-09-01", **persons.a)

    assert refused.returncode == 1
    assert [line.split(",")[0] for line in refused.stdout.splitlines()] == ["row 2", "row 4", "row 5"]
    assert "3 rows cannot be read; nothing was imported" in refused.stderr
    assert _stored(persons, "SELECT count(*) FROM tariff") == before
    read = _tariff("import", file, "--from", "2026-09-01", "--decimal-mark", "comma", "--dry-run", **persons.a)
    assert [line.split(",")[0] for line in read.stdout.splitlines()] == ["row 4", "row 5"]


def test_workbook_is_imported(persons: Persons, tmp_path: Path) -> None:
    file = tmp_path / "bang-gia.xlsx"
    file.write_bytes(workbook(rows(("Mã dịch vụ", "Tên", "Giá yêu cầu"), ("02.9", "Phòng riêng", 1250000.5))))

    dry = _tariff("import", str(file), "--from", "2026-06-01", "--dry-run", **persons.a)

    assert dry.returncode == 0, dry.stderr
    assert "added    02.9             giá yêu cầu   – → 1.250.000,5  Phòng riêng" in dry.stdout.splitlines()


@pytest.mark.parametrize(
    ("content", "expected"),
    [(b"\xd0\xcf\x11\xe0" + bytes(600), "save it as XLSX"), (b"", "empty"), (b"PK\x03\x04", "no XLSX file")],
)
def test_unreadable_file_is_one_clear_line(persons: Persons, tmp_path: Path, content: bytes, expected: str) -> None:
    file = tmp_path / "bang-gia.xlsx"
    file.write_bytes(content)

    refused = _tariff("import", str(file), "--from", "2026-06-01", **persons.a)

    assert (refused.returncode, expected in refused.stderr) == (1, True), refused.stderr
    assert "Traceback" not in refused.stderr


def test_file_of_100_megabytes_is_refused_without_being_read(persons: Persons, tmp_path: Path) -> None:
    file = tmp_path / "bang-gia.csv"
    with file.open("wb") as stream:
        stream.truncate(100 * 1024 * 1024)

    refused = _tariff("import", str(file), "--from", "2026-06-01", **persons.a)

    assert (refused.returncode, "at most 33,554,432 are read" in refused.stderr) == (1, True), refused.stderr


def test_commands_need_a_key_of_finance(persons: Persons) -> None:
    without = _tariff("list", VIENPHI_DATABASE_URL=persons.server.app_url)
    cashier = _tariff("list", **_key(persons.server, "till", "C", role="cashier"))
    unknown = _tariff("list", VIENPHI_DATABASE_URL=persons.server.app_url, VIENPHI_KEY="vp_1_nothing")

    assert (without.returncode, "VIENPHI_KEY" in without.stderr) == (1, True)
    assert (cashier.returncode, "not_permitted" in cashier.stderr) == (1, True), cashier.stderr
    assert (unknown.returncode, "not_authenticated" in unknown.stderr) == (1, True), unknown.stderr


@pytest.fixture
def third_thousand(persons: Persons) -> Iterator[ExitStack]:
    """Holds up the transaction of an import that writes the row X002500, until the stack is closed."""
    connection = Loop()
    owner = connection.run(asyncpg.connect(persons.server.owner_url))
    connection.run(owner.execute(HOLD_UP))
    with ExitStack() as held:
        held.callback(lambda: connection.run(owner.execute("SELECT pg_advisory_unlock(1)")))
        yield held
    connection.run(owner.execute("DROP FUNCTION hold_up() CASCADE"))
    connection.run(owner.close())
    connection.close()


HOLD_UP = """
    CREATE FUNCTION hold_up() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            PERFORM pg_advisory_xact_lock(1);
            RETURN NEW;
        END $$;
    CREATE TRIGGER hold_up BEFORE INSERT ON tariff_item FOR EACH ROW WHEN (NEW.code = 'X002500')
        EXECUTE FUNCTION hold_up();
    SELECT pg_advisory_lock(1);
"""


def test_import_that_was_killed_half_way_is_repeated_to_its_end(
    persons: Persons, tmp_path: Path, third_thousand: ExitStack
) -> None:
    file = _csv(tmp_path, *(f"X{number:06d};Dịch vụ {number};{number};" for number in range(1, 4_001)))
    command = [sys.executable, "-m", "billing", "tariff", "import", file, "--from", "2027-01-01"]
    environment = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", **persons.a}
    counted = "SELECT count(*) FROM tariff_item WHERE code LIKE 'X%'"

    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while _stored(persons, counted) != 2_000:
            assert process.poll() is None, "it was killed before it ended"
            time.sleep(0.05)
    finally:
        process.kill()
        process.wait()
    third_thousand.close()
    left = "SELECT state || ' ' || (completed_at IS NULL) FROM tariff WHERE valid_from = '2027-01-01'"
    state = _stored(persons, left)
    half = _stored(persons, counted)
    refused = _tariff(
        "approve", str(_stored(persons, "SELECT id FROM tariff WHERE valid_from = '2027-01-01'")), **persons.b
    )
    draft = _draft_id(_tariff("import", file, "--from", "2027-01-01", **persons.a))

    assert half == 2_000
    assert state == "draft true"
    assert (refused.returncode, "tariff_incomplete" in refused.stderr) == (1, True), refused.stderr
    assert _stored(persons, counted) == 4_000
    assert _stored(persons, "SELECT count(*) FROM tariff WHERE valid_from = '2027-01-01'") == 1
    assert _tariff("approve", draft, **persons.b).returncode == 0


def test_setting_and_differences_are_kept_by_commands(persons: Persons) -> None:
    """Theirs: 120 000 of co-payment of 500 000; ours without a list of that code: 100 000."""
    his = ("--facility", FACILITY_CODE, "--from", "2026-07-01", "--authority", "his", "--vendor", "=HIS")
    line = {**service_line(1, name="Xét nghiệm", group=1, price="500000"), "MA_DICH_VU": "Y1"}
    stated = {"T_BNTT": "0", "T_BNCCT": "120000", "T_BHTT": "380000"}

    proposed = run("pricing", "set", *his, **persons.a)
    pricing_id = proposed.stdout.split()[1]
    same = run("pricing", "approve", pricing_id, **persons.also_a)
    other = run("pricing", "approve", pricing_id, **persons.b)
    asyncio.run(_bill(persons.server, {**line, **stated}))
    listed = run("pricing", "differences", "--csv", **persons.a)
    some = run("pricing", "differences", "--field", "T_BHTT", **persons.a)

    assert (same.returncode, "second_person_required" in same.stderr) == (1, True), same.stderr
    assert other.returncode == 0, other.stderr
    assert "approved by day ordered  =HIS  (A/B)" in run("pricing", "list", **persons.a).stdout
    rows = {row["field"]: row for row in csv.DictReader(listed.stdout.splitlines())}
    assert {field: (row["his_value"], row["vienphi_value"]) for field, row in rows.items()} == {
        "DON_GIA_BV": ("500000", ""),
        "T_BNCCT": ("120000", "100000"),
        "T_BHTT": ("380000", "400000"),
    }
    assert {row["vendor"] for row in rows.values()} == {"'=HIS"}, "a spreadsheet takes it for no formula"
    assert some.stdout.splitlines()[-1] == "1 differences"


async def _bill(server: DurableDatabase, line: dict[str, object]) -> None:
    database = await Database.open(server.app_url)
    context, organization_id = build_context(database), OrganizationId(1)
    visit = await record_visit(context, organization_id, visit_document(lines=[line]), actor=Actor.system())
    assert visit is not None
    await issue_invoice(context, organization_id, visit.id, actor=Actor.system())
    await database.close()

"""`vienphi statement import` and `vienphi settlement import` as finance uses them: real commands, a real database."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from tests.builders import SANDBOX_SECRET, add_demo_hospital
from tests.cli.commands import run
from tests.cli.durable import DurableDatabase
from tests.reconciliation.statement_file import DAY, Line, statement_csv

SECRET = {"VIENPHI_SECRET_SANDBOX": SANDBOX_SECRET}
REPORT = (
    "transaction,reference,status,amount,fee,bank_reference,occurred_at,paid_out_on\r\n"
    "A1,,SUCCEEDED,100000,1100,FT1,2026-11-02 08:00:00,2026-11-03\r\n"
)


@pytest.fixture(scope="module")
def finance(durable_database: DurableDatabase) -> dict[str, str]:
    """The environment of the commands of a person of finance."""
    asyncio.run(add_demo_hospital(durable_database.owner_url))
    return _key(durable_database, "finance")


def _key(server: DurableDatabase, role: str) -> dict[str, str]:
    added = run(
        "key", "add", "--organization", "1", "--name", role, "--person", role, "--role", role,
        VIENPHI_OWNER_URL=server.owner_url,
    )  # fmt: skip
    assert added.returncode == 0, added.stderr
    return {"VIENPHI_DATABASE_URL": server.app_url, "VIENPHI_KEY": added.stdout.strip(), **SECRET}


def _file(folder: Path, name: str, content: bytes) -> str:
    (folder / name).write_bytes(content)
    return str(folder / name)


def test_statements_are_imported_listed_and_compared(finance: dict[str, str], tmp_path: Path) -> None:
    first = _file(tmp_path, "first.csv", statement_csv(Line(amount=350_000), Line(amount=-50_000)))
    later = statement_csv(Line(amount=1, day=DAY + timedelta(days=3)), opening=400_000)
    second = _file(tmp_path, "second.csv", later)
    cut = _file(tmp_path, "cut.csv", later[:-1])

    dry = run("statement", "import", "--dry-run", first, **finance)
    done = run("statement", "import", first, second, **finance)
    again = run("statement", "import", first, **finance)
    refused = run("statement", "import", cut, **finance)
    listed = run("statement", "list", **finance)
    breaks = run("statement", "breaks", **finance)
    none = run("statement", "breaks", "--to", "2026-10-01", **finance)

    assert "2 lines, 2 new" in dry.stdout, dry.stderr
    assert "dry run: nothing was written" in dry.stdout
    assert done.returncode == 0, done.stderr
    assert "second.csv: 1 lines, 1 new, 0 known before\ngap: account 0110000001" in done.stdout
    assert "imported before as" in again.stdout
    assert (refused.returncode, "statement_unreadable" in refused.stderr, "cut.csv" in refused.stderr) == (
        1,
        True,
        True,
    )
    assert [line.split()[3] for line in listed.stdout.splitlines() if "csv" in line] == ["refused", "active", "active"]
    assert (breaks.returncode, breaks.stdout.startswith("gap: account 0110000001")) == (1, True)
    assert (none.returncode, none.stdout) == (0, "no gap and no overlap\n")


def test_settlement_is_imported_and_listed(finance: dict[str, str], tmp_path: Path) -> None:
    file = _file(tmp_path, "report.csv", REPORT.encode())
    wrong = _file(tmp_path, "wrong.csv", REPORT.replace("100000", "1.5").encode())

    dry = run("settlement", "import", file, "--account", "sandbox", "--dry-run", **finance)
    done = run("settlement", "import", file, "--account", "sandbox", **finance)
    again = run("settlement", "import", file, "--account", "sandbox", **finance)
    refused = run("settlement", "import", wrong, "--account", "sandbox", **finance)
    unknown = run("settlement", "import", file, "--account", "other", **finance)
    listed = run("settlement", "list", **finance)

    assert "dry run: nothing was written" in dry.stdout, dry.stderr
    assert "1 lines, sum 100.000 đồng, fees 1.100 đồng" in done.stdout, done.stderr
    assert "1 new, 1 payouts became known" in done.stdout
    assert "imported before as" in again.stdout
    assert (refused.returncode, "line 2" in refused.stderr) == (1, True)
    assert (unknown.returncode, "not_found" in unknown.stderr) == (1, True)
    assert [line.split()[3] for line in listed.stdout.splitlines() if "csv" in line] == ["refused", "active"]


def test_import_needs_the_right_to_reconcile(
    finance: dict[str, str], durable_database: DurableDatabase, tmp_path: Path
) -> None:
    cashier = _key(durable_database, "cashier")
    file = _file(tmp_path, "other.csv", statement_csv(Line(amount=9)))

    rejected = run("statement", "import", file, **cashier)

    assert (rejected.returncode, "finance" in rejected.stderr) == (1, True)
    assert run("statement", "import", file, **finance).returncode == 0


def test_exceptions_and_traces_are_listed(finance: dict[str, str]) -> None:
    exceptions = run("exception", "list", "--reason", "no_reference", **finance)
    traces = run("exception", "list-traces", "--state", "open", **finance)

    assert (exceptions.returncode, exceptions.stdout, traces.returncode, traces.stdout) == (0, "", 0, "")

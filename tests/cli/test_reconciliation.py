"""`vienphi reconciliation` as finance uses it: real commands, a real database."""

import asyncio
from pathlib import Path

import pytest

from tests.builders import SANDBOX_SECRET, add_demo_hospital
from tests.cli.commands import run
from tests.cli.durable import DurableDatabase
from tests.reconciliation.statement_file import DAY, Line, statement_csv


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
    return {
        "VIENPHI_DATABASE_URL": server.app_url,
        "VIENPHI_KEY": added.stdout.strip(),
        "VIENPHI_SECRET_SANDBOX": SANDBOX_SECRET,
    }


def test_run_prints_its_counts_and_open_lines_are_listed(
    finance: dict[str, str], durable_database: DurableDatabase, tmp_path: Path
) -> None:
    file = tmp_path / "statement.csv"
    file.write_bytes(statement_csv(Line(amount=350_000, reference="FT1")))
    assert run("statement", "import", str(file), **finance).returncode == 0

    done = run("reconciliation", "run", **finance)
    again = run("reconciliation", "run", "--rematch-from", f"{DAY}", "--rematch-to", f"{DAY}", **finance)
    listed = run("reconciliation", "list-open", **finance)
    half = run("reconciliation", "run", "--rematch-from", f"{DAY}", **finance)
    cashier = run("reconciliation", "run", **_key(durable_database, "cashier"))

    assert "0 matches by rule set 1, 0 payments booked from lines, 0 matches superseded" in done.stdout, done.stderr
    assert again.returncode == 0, again.stderr
    assert f"{DAY}  350000  FT1" in listed.stdout
    assert (half.returncode, "no --import" in half.stderr) == (2, True)
    assert cashier.returncode == 1, cashier.stdout

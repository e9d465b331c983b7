"""`vienphi report` as finance uses it: real commands, a real database."""

import asyncio
from pathlib import Path

import pytest

from tests.builders import SANDBOX_SECRET, add_demo_hospital
from tests.cli.commands import run
from tests.cli.durable import DurableDatabase

DAYS = ("--from", "2026-07-01", "--to", "2026-07-31")


@pytest.fixture(scope="module")
def server(durable_database: DurableDatabase) -> DurableDatabase:
    asyncio.run(add_demo_hospital(durable_database.owner_url))
    return durable_database


def _environment(server: DurableDatabase, role: str) -> dict[str, str]:
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


def test_report_is_listed_and_exported(server: DurableDatabase, tmp_path: Path) -> None:
    finance, cashier = _environment(server, "finance"), _environment(server, "cashier")
    file = tmp_path / "journal.xlsx"

    listed = run("report", "list")
    printed = run("report", "export", "revenue", *DAYS, **finance)
    written = run("report", "export", "journal", *DAYS, "--format", "xlsx", "--output", str(file), **finance)
    unknown = run("report", "export", "nothing", *DAYS, **finance)
    reversed_days = run("report", "export", "revenue", "--from", "2026-07-02", "--to", "2026-07-01", **finance)
    refused = run("report", "export", "revenue", *DAYS, **cashier)

    assert "daily-collection  Bảng kê thu theo thu ngân và hình thức" in listed.stdout, listed.stderr
    assert printed.stdout.lstrip("\ufeff").splitlines() == ['"Nguồn chi trả","Khoa","Doanh thu"'], printed.stderr
    assert (written.returncode, written.stdout, file.read_bytes()[:2]) == (0, "", b"PK"), written.stderr
    assert unknown.returncode == 2, unknown.stderr
    assert (reversed_days.returncode, "ends before it begins" in reversed_days.stderr) == (1, True)
    assert (refused.returncode, refused.stdout) == (1, "")

"""Migrations that change what is there: organizations set up before get what new ones are set up with."""

import shutil
from pathlib import Path

import asyncpg

from billing.storage.migrator import migrate, migrations_directory
from tests.conftest import DatabaseAddress


def _up_to(number: str, folder: Path) -> Path:
    for file in sorted(migrations_directory().glob("*.sql")):
        if file.name <= f"{number}_~":
            shutil.copy(file, folder)
    return folder


async def test_organizations_of_before_get_a_receivable_of_private_insurers(
    empty_database: DatabaseAddress, tmp_path: Path
) -> None:
    await migrate(empty_database.owner_url, directory=_up_to("0014", tmp_path))
    owner = await asyncpg.connect(empty_database.owner_url)
    for number in (1, 2):
        await owner.execute(f"SET vienphi.organization = '{number}'")
        await owner.execute(
            "INSERT INTO organization (id, name, tax_code, created_at) VALUES ($1, 'x', $2, now())",
            number,
            f"010000000{number}",
        )

    await migrate(empty_database.owner_url)

    for number in (1, 2):
        await owner.execute(f"SET vienphi.organization = '{number}'")
        rows = await owner.fetch(
            "SELECT account.role, number.number FROM ledger_account AS account"
            " JOIN ledger_number AS number ON number.account_id = account.id"
        )
        assert [tuple(row) for row in rows] == [("receivable_private", "131")]
    await owner.close()

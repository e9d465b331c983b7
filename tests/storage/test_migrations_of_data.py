"""Migrations that change what is there: organizations set up before get what new ones are set up with."""

import shutil
from pathlib import Path
from uuid import UUID

import asyncpg
import structlog

from billing.db.migrator import migrate, migrations_directory
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


async def test_persons_added_twice_before_names_were_unique_stay_and_are_named(
    empty_database: DatabaseAddress, tmp_path: Path
) -> None:
    await migrate(empty_database.owner_url, directory=_up_to("0020", tmp_path))
    owner = await asyncpg.connect(empty_database.owner_url)
    ids = [UUID(int=number) for number in range(1, 5)]
    for number in (1, 2):
        await owner.execute(f"SET vienphi.organization = '{number}'")
        await owner.execute(
            "INSERT INTO organization (id, name, tax_code, created_at) VALUES ($1, 'x', $2, now())",
            number,
            f"010000000{number}",
        )
        for person_id, name in zip(ids, ("Lê A", "LÊ\u200b A", "Lê B", "lê  a"), strict=True):
            await owner.execute(
                "INSERT INTO person (organization_id, id, name) VALUES ($1, $2, $3)", number, person_id, name
            )

    with structlog.testing.capture_logs() as logs:
        await migrate(empty_database.owner_url)

    warned = [each["detail"] for each in logs if each["event"] == "migration_warned"]
    assert len(warned) == 4
    assert [f"organization {number}" in text for number, text in zip((1, 1, 2, 2), warned, strict=True)] == [True] * 4
    assert all("rename" in text and "Lê" not in text for text in warned)
    await owner.execute("SET vienphi.organization = '2'")
    rows = await owner.fetch("SELECT duplicate_of FROM person ORDER BY id")
    assert [row[0] for row in rows] == [None, ids[0], None, ids[0]]
    await owner.close()


async def test_bank_references_of_before_become_weak_names(empty_database: DatabaseAddress, tmp_path: Path) -> None:
    """The name that a reference was made into says nothing; a provider's own id stays the name of its payment."""
    await migrate(empty_database.owner_url, directory=_up_to("0015", tmp_path))
    owner = await asyncpg.connect(empty_database.owner_url)
    await owner.execute("SET vienphi.organization = '1'")
    await owner.execute(
        """
        INSERT INTO organization (id, name, tax_code, created_at) VALUES (1, 'x', '0100000001', now());
        INSERT INTO bank_account_owner VALUES ('970422', '0110', 1);
        INSERT INTO bank_account VALUES (1, vienphi_first_id('2026-01-09'), '970422', '0110', 'x');
        INSERT INTO provider_account (organization_id, id, name, provider, bank_account_id, settings)
        SELECT 1, vienphi_first_id(day), provider, provider, vienphi_first_id('2026-01-09'), '{}'
        FROM (VALUES (date '2026-01-01', 'sepay'), ('2026-01-02', 'vietqr')) AS t (day, provider);
        INSERT INTO payment (organization_id, id, provider_account_id, delivery_id, amount, provider_reference,
            bank_reference, occurred_at, recorded_at)
        SELECT 1, vienphi_first_id(day), vienphi_first_id(account), vienphi_first_id(day), 500, 'r', 'ft 1',
            '2026-01-01T17:30:00Z', now()
        FROM (VALUES (date '2026-02-01', date '2026-01-01'), ('2026-02-02', '2026-01-02')) AS t (day, account);
        INSERT INTO movement_key (organization_id, account_id, movement, key, movement_id, amount)
        SELECT 1, vienphi_first_id(account), 'received', key, vienphi_first_id(day), 500
        FROM (VALUES (date '2026-02-01', date '2026-01-01', 'transaction:77'),
            ('2026-02-01', '2026-01-09', 'bank:ft 1'), ('2026-02-02', '2026-01-02', 'transaction:FT2'),
            ('2026-02-02', '2026-01-09', 'bank:FT2')
        ) AS t (day, account, key);
        """
    )

    await migrate(empty_database.owner_url)

    rows = await owner.fetch(
        "SELECT reference, number, source, name, amount, booked_on::text, codes FROM bank_reference ORDER BY reference"
    )
    assert [tuple(row) for row in rows] == [
        ("FT1", 1, "", "transaction:77", 500, "2026-01-02", []),
        ("FT2", 1, "", "", 500, "2026-01-02", []),
    ]
    await owner.close()

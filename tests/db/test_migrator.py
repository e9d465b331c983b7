"""Migrations: each file once and whole, whoever starts and however many; what does not fit is refused by name."""

import asyncio
import sys
from pathlib import Path

import asyncpg
import pytest

from billing.db.connection_errors import DatabaseUnavailable
from billing.db.migrator import (
    DatabaseAhead,
    MigrationEdited,
    MigrationEndsTransaction,
    MigrationFailed,
    MigrationFilesInvalid,
    MigrationSkipped,
    migrate,
    migrations_directory,
    pending,
    read_migrations,
)
from tests.conftest import DatabaseAddress
from tests.db.connected import connected

INSTANCES = 6


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three files; the second is slow enough for racing starts to meet."""
    (tmp_path / "0001_first.sql").write_text("CREATE TABLE first (id int PRIMARY KEY);")
    (tmp_path / "0002_second.sql").write_text("SELECT pg_sleep(0.2);\nINSERT INTO first VALUES (1);")
    (tmp_path / "0003_third.sql").write_text("CREATE TABLE third (id int);")
    return tmp_path


async def test_missing_files_are_applied_in_order_and_recorded(empty_database: DatabaseAddress, folder: Path) -> None:
    first = await migrate(empty_database.owner_url, directory=folder)
    again = await migrate(empty_database.owner_url, directory=folder)

    assert first == ["0001_first.sql", "0002_second.sql", "0003_third.sql"]
    assert again == []


async def test_six_instances_started_at_once_apply_each_file_once(
    empty_database: DatabaseAddress, folder: Path
) -> None:
    results = await asyncio.gather(*(migrate(empty_database.owner_url, directory=folder) for _ in range(INSTANCES)))

    applied = [name for result in results for name in result]
    assert sorted(applied) == ["0001_first.sql", "0002_second.sql", "0003_third.sql"]
    async with connected(empty_database.owner_url) as connection:
        assert await connection.fetchval("SELECT count(*) FROM first") == 1


async def test_six_processes_started_at_once_apply_the_schema_once(empty_database: DatabaseAddress) -> None:
    code = "import asyncio, sys; from billing.db.migrator import migrate; print(len(asyncio.run(migrate(sys.argv[1]))))"
    root = Path(__file__).parents[2]
    starts = [
        asyncio.create_subprocess_exec(
            sys.executable, "-c", code, empty_database.owner_url, cwd=root, stdout=asyncio.subprocess.PIPE
        )
        for _ in range(INSTANCES)
    ]
    outputs = [await process.communicate() for process in await asyncio.gather(*starts)]

    counts = sorted(int(output) for output, _ in outputs)
    assert counts == [0] * (INSTANCES - 1) + [len(read_migrations(migrations_directory()))]


async def test_edited_file_is_refused_and_nothing_is_applied(empty_database: DatabaseAddress, folder: Path) -> None:
    await migrate(empty_database.owner_url, directory=folder)
    (folder / "0001_first.sql").write_text("CREATE TABLE first (id int PRIMARY KEY); -- edited")
    (folder / "0004_fourth.sql").write_text("CREATE TABLE fourth (id int);")

    with pytest.raises(MigrationEdited, match=r"0001_first\.sql"):
        await migrate(empty_database.owner_url, directory=folder)

    async with connected(empty_database.owner_url) as connection:
        assert await connection.fetchval("SELECT to_regclass('fourth')") is None


async def test_renamed_file_is_refused(empty_database: DatabaseAddress, folder: Path) -> None:
    await migrate(empty_database.owner_url, directory=folder)
    (folder / "0002_second.sql").rename(folder / "0002_other.sql")

    with pytest.raises(MigrationEdited, match=r"0002_second\.sql"):
        await migrate(empty_database.owner_url, directory=folder)


async def test_database_ahead_of_the_code_is_refused(empty_database: DatabaseAddress, folder: Path) -> None:
    await migrate(empty_database.owner_url, directory=folder)
    (folder / "0003_third.sql").unlink()

    with pytest.raises(DatabaseAhead, match=r"0003_third\.sql.*0002_second\.sql"):
        await migrate(empty_database.owner_url, directory=folder)
    with pytest.raises(DatabaseAhead):
        await pending(empty_database.app_url, directory=folder)


async def test_file_that_was_never_applied_below_applied_ones_is_refused(
    empty_database: DatabaseAddress, folder: Path
) -> None:
    await migrate(empty_database.owner_url, directory=folder)
    async with connected(empty_database.owner_url) as connection:
        await connection.execute("DELETE FROM schema_migration WHERE number = 2")

    with pytest.raises(MigrationSkipped, match=r"0002_second\.sql"):
        await migrate(empty_database.owner_url, directory=folder)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ([], "no migration"),
        (["0001_a.sql", "0003_c.sql"], "0002 is missing"),
        (["0002_b.sql"], "0001 is missing"),
        (["0001_a.sql", "0001_b.sql"], "0001 stands twice"),
        (["1_a.sql"], "not named"),
        (["0001_a.sql", "0002-b.sql"], "not named"),
    ],
)
def test_files_out_of_order_are_refused(tmp_path: Path, names: list[str], words: str) -> None:
    for name in names:
        (tmp_path / name).write_text("SELECT 1")

    with pytest.raises(MigrationFilesInvalid, match=words):
        read_migrations(tmp_path)


async def test_failing_file_leaves_nothing_of_itself_and_keeps_those_before(
    empty_database: DatabaseAddress, folder: Path
) -> None:
    (folder / "0002_second.sql").write_text("CREATE TABLE second (id int);\nINSERT INTO second VALUES (1);\nSELEC 1;")

    with pytest.raises(MigrationFailed, match=r"0002_second\.sql, line 3.*SELEC"):
        await migrate(empty_database.owner_url, directory=folder)

    async with connected(empty_database.owner_url) as connection:
        assert await connection.fetchval("SELECT to_regclass('second')") is None
        assert await connection.fetchval("SELECT array_agg(number) FROM schema_migration") == [1]


async def test_instance_killed_in_the_middle_of_a_file_leaves_nothing_of_it(
    empty_database: DatabaseAddress, folder: Path
) -> None:
    (folder / "0002_second.sql").write_text("CREATE TABLE second (id int); SELECT pg_sleep(60);")
    migrating = asyncio.create_task(migrate(empty_database.owner_url, directory=folder))
    async with connected(empty_database.owner_url) as connection:
        while not await connection.fetchval(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event = 'PgSleep'"
        ):
            await asyncio.sleep(0.02)

        with pytest.raises((MigrationFailed, asyncpg.PostgresError, asyncpg.InterfaceError)):
            await migrating

        assert await connection.fetchval("SELECT to_regclass('second')") is None
        assert await connection.fetchval("SELECT array_agg(number) FROM schema_migration") == [1]
    (folder / "0002_second.sql").write_text("CREATE TABLE second (id int);")
    assert await migrate(empty_database.owner_url, directory=folder) == ["0002_second.sql", "0003_third.sql"]


async def test_file_with_a_commit_of_its_own_is_refused(empty_database: DatabaseAddress, folder: Path) -> None:
    (folder / "0002_second.sql").write_text("CREATE TABLE second (id int); COMMIT; BEGIN;")

    with pytest.raises(MigrationEndsTransaction, match=r"0002_second\.sql"):
        await migrate(empty_database.owner_url, directory=folder)


async def test_app_role_reads_what_is_pending(empty_database: DatabaseAddress, folder: Path) -> None:
    before = await pending(empty_database.app_url, directory=folder)
    await migrate(empty_database.owner_url, directory=folder)
    (folder / "0004_fourth.sql").write_text("SELECT 1;")
    after = await pending(empty_database.app_url, directory=folder)

    assert before == ["0001_first.sql", "0002_second.sql", "0003_third.sql"]
    assert after == ["0004_fourth.sql"]


async def test_server_out_of_reach_is_reported_without_its_address(folder: Path) -> None:
    with pytest.raises(DatabaseUnavailable) as caught:
        await migrate("postgresql://owner:hidden@127.0.0.1:1/none", directory=folder)

    assert "hidden" not in str(caught.value)


async def test_package_and_checkout_hold_the_same_files(database: DatabaseAddress) -> None:
    checkout = Path(__file__).parents[2] / "migrations"

    assert read_migrations(migrations_directory()) == read_migrations(checkout)
    assert await pending(database.app_url) == []


async def test_migration_on_top_of_the_schema_is_applied_and_recorded(
    empty_database: DatabaseAddress, tmp_path: Path
) -> None:
    """A database at the newest schema gets one further file; the app role then reads the new column."""
    released = read_migrations(migrations_directory())
    for migration in released:
        (tmp_path / migration.name).write_text(migration.text)
    await migrate(empty_database.owner_url)
    newest = released[-1].number
    further = tmp_path / f"{newest + 1:04d}_further.sql"
    further.write_text(f"-- compatible-from: {newest:04d}\nALTER TABLE facility ADD COLUMN note text;")

    applied = await migrate(empty_database.owner_url, directory=tmp_path)

    assert applied == [further.name]
    assert await pending(empty_database.app_url) == [], "code without the file works on the schema after it"
    async with connected(empty_database.app_url) as connection:
        assert await connection.fetch("SELECT note FROM facility") == []


async def test_edited_file_of_the_schema_is_refused(empty_database: DatabaseAddress, tmp_path: Path) -> None:
    await migrate(empty_database.owner_url)
    for migration in read_migrations(migrations_directory()):
        (tmp_path / migration.name).write_text(migration.text)
    first = tmp_path / read_migrations(migrations_directory())[0].name
    first.write_text(first.read_text() + "-- edited\n")

    with pytest.raises(MigrationEdited, match=first.name):
        await migrate(empty_database.owner_url, directory=tmp_path)

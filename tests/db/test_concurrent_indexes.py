"""Migrations that build indexes while the service writes: writers do not wait, and an interrupted build is repeated."""

import asyncio
import re
from collections.abc import Callable, Coroutine
from pathlib import Path

import asyncpg
import pytest

from billing.db.migrator import (
    MigrationFailed,
    MigrationFilesInvalid,
    migrate,
    migrations_directory,
    read_migrations,
)
from tests.conftest import DatabaseAddress
from tests.db.connected import connected

LAST_EXEMPT = 82
"""Migrations up to this number were released before concurrent builds existed; they are not edited."""

_STATE = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('payer_by_name')"
_BUILDS = """
    SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'vienphi migrate'
        AND query LIKE 'CREATE%' AND wait_event_type = 'Lock'
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A table, its index without a transaction, and a file after it."""
    (tmp_path / "0001_payer.sql").write_text("CREATE TABLE payer (id int PRIMARY KEY, name text NOT NULL);")
    (tmp_path / "0002_index.sql").write_text(
        "-- Payers are found by name; by nothing else.\n-- without-transaction\n"
        "CREATE INDEX CONCURRENTLY payer_by_name ON payer (name);\n"
    )
    (tmp_path / "0003_after.sql").write_text("CREATE TABLE after (id int);")
    return tmp_path


def put_aside(folder: Path) -> Callable[[], None]:
    """Remove the files after the first one; the returned function puts them back."""
    texts = {path: path.read_text() for path in folder.iterdir() if not path.name.startswith("0001")}
    for path in texts:
        path.unlink()

    def put_back() -> None:
        for path, text in texts.items():
            path.write_text(text)

    return put_back


async def until(read: Callable[[], Coroutine[object, object, object]]) -> object:
    while not (found := await read()):
        await asyncio.sleep(0.02)
    return found


async def test_table_is_written_while_its_index_is_built(empty_database: DatabaseAddress, folder: Path) -> None:
    put_back = put_aside(folder)
    await migrate(empty_database.owner_url, directory=folder)
    put_back()
    async with connected(empty_database.owner_url) as early, connected(empty_database.owner_url) as writer:
        await early.execute("BEGIN; INSERT INTO payer VALUES (1, 'early')")
        migrating = asyncio.create_task(migrate(empty_database.owner_url, directory=folder))
        await until(lambda: writer.fetchval(_BUILDS))

        await writer.execute("SET lock_timeout = '5s'; INSERT INTO payer VALUES (2, 'meanwhile')")
        await early.execute("COMMIT")

        assert await migrating == ["0002_index.sql", "0003_after.sql"]
        assert await writer.fetchval(_STATE) is True
        await writer.execute("SET enable_seqscan = off")
        assert await writer.fetchval("SELECT count(*) FROM payer WHERE name IN ('early', 'meanwhile')") == 2


async def test_interrupted_build_is_dropped_and_built_again(empty_database: DatabaseAddress, folder: Path) -> None:
    put_back = put_aside(folder)
    await migrate(empty_database.owner_url, directory=folder)
    put_back()
    async with connected(empty_database.owner_url) as early, connected(empty_database.owner_url) as observer:
        await early.execute("BEGIN; INSERT INTO payer VALUES (1, 'early')")
        migrating = asyncio.create_task(migrate(empty_database.owner_url, directory=folder))
        pid = await until(lambda: observer.fetchval(_BUILDS))
        await observer.execute(f"SELECT pg_terminate_backend({pid})")
        with pytest.raises((MigrationFailed, asyncpg.PostgresError, asyncpg.InterfaceError)):
            await migrating
        await early.execute("COMMIT")
        left = await observer.fetchval(_STATE)

        applied = await migrate(empty_database.owner_url, directory=folder)

        assert left is False, "the interrupted build has left an invalid index"
        assert applied == ["0002_index.sql", "0003_after.sql"]
        assert await observer.fetchval(_STATE) is True


async def test_index_that_was_built_before_the_kill_is_kept(empty_database: DatabaseAddress, folder: Path) -> None:
    await migrate(empty_database.owner_url, directory=folder)
    async with connected(empty_database.owner_url) as connection:
        built = await connection.fetchval("SELECT to_regclass('payer_by_name')::oid")
        await connection.execute("DELETE FROM schema_migration WHERE number >= 2; DROP TABLE after")

        applied = await migrate(empty_database.owner_url, directory=folder)

        assert applied == ["0002_index.sql", "0003_after.sql"]
        assert await connection.fetchval("SELECT to_regclass('payer_by_name')::oid") == built


async def test_instances_started_at_once_build_the_index_once(empty_database: DatabaseAddress, folder: Path) -> None:
    """A build waits for older snapshots: an instance that waits for its turn must not hold one."""
    results = await asyncio.gather(*(migrate(empty_database.owner_url, directory=folder) for _ in range(4)))

    assert sorted(map(len, results)) == [0, 0, 0, 3]


async def test_unique_index_that_the_rows_contradict_leaves_nothing(
    empty_database: DatabaseAddress, folder: Path
) -> None:
    (folder / "0001_payer.sql").write_text(
        "CREATE TABLE payer (id int PRIMARY KEY, name text NOT NULL); INSERT INTO payer VALUES (1, 'An'), (2, 'An');"
    )
    (folder / "0002_index.sql").write_text(
        "-- without-transaction\nCREATE UNIQUE INDEX CONCURRENTLY payer_by_name ON payer (name);\n"
    )

    with pytest.raises(MigrationFailed, match=r"0002_index\.sql: could not create unique index"):
        await migrate(empty_database.owner_url, directory=folder)

    async with connected(empty_database.owner_url) as connection:
        assert await connection.fetchval("SELECT to_regclass('payer_by_name')") is None
        assert await connection.fetchval("SELECT max(number) FROM schema_migration") == 1


async def test_error_names_the_line_of_the_statement(empty_database: DatabaseAddress, folder: Path) -> None:
    (folder / "0002_index.sql").write_text(
        "-- without-transaction\nDROP INDEX CONCURRENTLY IF EXISTS payer_by_id; -- replaced; it was slow\n"
        "CREATE INDEX CONCURRENTLY payer_by_name ON payer\n    (name,);\n"
    )

    with pytest.raises(MigrationFailed, match=r"0002_index\.sql, line 4: syntax error at or near"):
        await migrate(empty_database.owner_url, directory=folder)


@pytest.mark.parametrize(
    "statements",
    [
        "",
        "CREATE TABLE other (id int);",
        "CREATE INDEX payer_by_name ON payer (name);",
        "CREATE INDEX CONCURRENTLY ON payer (name);",
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS payer_by_name ON payer (name);",
        "DROP INDEX CONCURRENTLY payer_by_name;",
        "CREATE INDEX CONCURRENTLY payer_by_name ON payer (name); UPDATE payer SET name = 'An';",
    ],
)
def test_file_without_a_transaction_holds_repeatable_statements_alone(folder: Path, statements: str) -> None:
    (folder / "0002_index.sql").write_text(f"-- without-transaction\n{statements}\n")

    with pytest.raises(MigrationFilesInvalid, match=r"0002_index\.sql: a file without a transaction holds"):
        read_migrations(folder)


_CREATED = re.compile(r"CREATE (?:UNLOGGED )?TABLE (?:public\.)?(\w+)")
_BLOCKING = (
    re.compile(r"CREATE (?:UNIQUE )?INDEX (?!CONCURRENTLY\b)(?:(?!ON\b)\w+ )?ON (?:ONLY )?(?:public\.)?(?P<table>\S+)"),
    re.compile(
        r"ALTER TABLE (?:ONLY )?(?:public\.)?(?P<table>\S+)(?=[^;]*\b(?:UNIQUE|PRIMARY KEY|EXCLUDE)\b)"
        r"(?![^;]*USING INDEX)[^;]*"
    ),
    re.compile(r"REINDEX (?!\w+ CONCURRENTLY\b)\w+ (?P<table>\S+)"),
)


def blocking_builds(text: str) -> list[str]:
    """The statements of a file that let writers of an earlier table wait while an index is built."""
    bare = " ".join(re.sub(r"--[^\n]*", " ", text).split())
    own = set(_CREATED.findall(bare))
    return [each.group() for form in _BLOCKING for each in form.finditer(bare) if each["table"] not in own]


def test_no_new_migration_blocks_writers_while_it_builds_an_index() -> None:
    """`-- without-transaction` and CREATE INDEX CONCURRENTLY, in a file of its own (docs/decisions/0027)."""
    migrations = read_migrations(migrations_directory())

    blocking = {each.name: found for each in migrations if (found := blocking_builds(each.text))}

    assert {name for name in blocking if int(name[:4]) <= LAST_EXEMPT} >= {
        "0074_moved_receipts.sql",
        "0078_entries_of_matches.sql",
        "0080_lines_of_references.sql",
    }, "the known ones are found"
    assert {name: found for name, found in blocking.items() if int(name[:4]) > LAST_EXEMPT} == {}


@pytest.mark.parametrize(
    ("statement", "is_blocking"),
    [
        ("CREATE INDEX ON payment (bank_reference);", True),
        ("CREATE UNIQUE INDEX one_payer ON ONLY payment (payer);", True),
        ("EXECUTE format('CREATE INDEX ON %I (id)', part);", True),
        ("ALTER TABLE payment ADD COLUMN number int UNIQUE;", True),
        ("ALTER TABLE payment ADD CONSTRAINT one_payer UNIQUE (payer);", True),
        ("REINDEX TABLE payment;", True),
        ("ALTER TABLE payment ADD CONSTRAINT one_payer UNIQUE USING INDEX payment_one_payer;", False),
        ("CREATE TABLE visitor (id int PRIMARY KEY); CREATE INDEX ON visitor (id);", False),
        ("CREATE INDEX CONCURRENTLY payment_by_payer ON payment (payer);", False),
        ("ALTER TABLE payment ADD COLUMN note text;", False),
    ],
)
def test_statements_that_block_writers_are_recognised(statement: str, is_blocking: bool) -> None:
    assert bool(blocking_builds(statement)) is is_blocking

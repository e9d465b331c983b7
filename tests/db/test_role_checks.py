"""Serving is refused to a role or a server that must not carry money; every reason is named at once."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from billing.db.database import Database
from billing.db.migrator import migrate
from billing.db.role_checks import DatabaseUnsafe, check_role
from tests.conftest import DatabaseAddress


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    database = await Database.open(url)
    try:
        yield database
    finally:
        await database.close()


async def run_as_owner(address: DatabaseAddress, statement: str) -> None:
    connection = await asyncpg.connect(address.owner_url)
    await connection.execute(statement)
    await connection.close()


async def problems_of(url: str, *, allow_unsafe_durability: bool = True) -> tuple[str, ...]:
    async with opened(url) as database:
        with pytest.raises(DatabaseUnsafe) as caught:
            await check_role(database, allow_unsafe_durability=allow_unsafe_durability)
    return caught.value.problems


async def test_app_role_on_a_migrated_database_may_serve(app_database: Database) -> None:
    await check_role(app_database, allow_unsafe_durability=True)


def test_text_of_many_problems_stays_readable() -> None:
    refused = DatabaseUnsafe(tuple(f"problem {number}" for number in range(1, 8)))

    assert str(refused.detail).endswith("problem 5; and 2 more")
    assert len(refused.problems) == 7
    assert DatabaseUnsafe(("a", "b")).detail == "a; b"


async def test_role_that_creates_temporary_tables_may_not_serve_until_the_next_migrate(
    database: DatabaseAddress,
) -> None:
    """As in a database that was restored or copied: neither carries the rights on it."""
    await run_as_owner(database, f"GRANT TEMPORARY ON DATABASE {database.name} TO PUBLIC")

    problems = await problems_of(database.app_url)
    await migrate(database.owner_url)

    assert problems == (
        "role vienphi_app may create temporary tables in this database: run `vienphi migrate` as its owner",
    )
    async with opened(database.app_url) as migrated:
        await check_role(migrated, allow_unsafe_durability=True)


async def test_owner_may_not_serve(database: DatabaseAddress) -> None:
    problems = await problems_of(database.owner_url)

    assert any("owns tables" in problem for problem in problems)
    assert "role vienphi_owner may TRUNCATE journal_entry" in problems


@pytest.mark.own_server
async def test_superuser_may_not_serve_and_every_reason_is_named(database: DatabaseAddress) -> None:
    assert database.superuser_url is not None

    problems = await problems_of(database.superuser_url)

    assert "role postgres is superuser, or may become one" in problems
    assert "role postgres has BYPASSRLS, or may become one that has" in problems
    assert any("owns tables" in problem for problem in problems)


@pytest.mark.parametrize("grant", ["UPDATE", "DELETE", "TRUNCATE", "UPDATE (organization_id)"])
@pytest.mark.parametrize("table", ["journal_entry", "posting"])
async def test_role_that_may_change_the_journal_may_not_serve(
    database: DatabaseAddress, grant: str, table: str
) -> None:
    await run_as_owner(database, f"GRANT {grant} ON {table} TO vienphi_app")

    problems = await problems_of(database.app_url)

    assert problems == (f"role vienphi_app may {grant.partition(' ')[0]} {table}",)


@pytest.mark.own_server
async def test_role_that_may_become_the_owner_may_not_serve(database: DatabaseAddress) -> None:
    assert database.superuser_url is not None
    connection = await asyncpg.connect(database.superuser_url)
    await connection.execute("CREATE ROLE vienphi_lodger LOGIN NOINHERIT; GRANT vienphi_owner TO vienphi_lodger")
    try:
        problems = await problems_of(database.app_url.replace("vienphi_app@", "vienphi_lodger@"))
    finally:
        await connection.execute("DROP ROLE vienphi_lodger")
        await connection.close()

    assert any("vienphi_lodger owns tables" in problem for problem in problems)


@pytest.mark.own_server
async def test_server_with_unsafe_durability_may_not_serve(database: DatabaseAddress) -> None:
    problems = await problems_of(database.app_url, allow_unsafe_durability=False)

    assert problems == ("fsync is off", "full_page_writes is off")


@pytest.mark.own_server
@pytest.mark.parametrize(("level", "allowed"), [("off", 0), ("local", 0), ("remote_write", 0), ("remote_apply", 1)])
async def test_commit_that_does_not_wait_may_not_serve(database: DatabaseAddress, level: str, allowed: int) -> None:
    assert database.superuser_url is not None
    connection = await asyncpg.connect(database.superuser_url)
    await connection.execute(f"ALTER DATABASE {database.name} SET synchronous_commit = {level}")
    await connection.close()

    problems = await problems_of(database.app_url, allow_unsafe_durability=False)

    assert (f"synchronous_commit is {level}, below on" in problems) is not bool(allowed)

"""After a dump is restored into another cluster: refused, then right after rebase."""

import os
import subprocess
from collections.abc import Iterator

import asyncpg
import pytest

from billing.core.ids import OrganizationId
from billing.db.context import Ids, utc_now
from billing.db.database import Database, DatabaseLimits
from billing.db.transaction_ids import ClusterMismatch, OtherSessionsConnected, check_transaction_ids, rebase
from billing.devserver.embedded import SUPERUSER, EmbeddedPostgres
from billing.ledger.service.balances import read_balances, snapshot_once
from billing.ledger.service.seal_rows import seal_once
from billing.ledger.store.journal import read_trial_balance
from tests.builders import DemoHospital, add_demo_hospital
from tests.conftest import DatabaseAddress, DatabaseServer, skip_by_name
from tests.flow import assert_books_are_right, find_mismatches, open_flow

pytestmark = pytest.mark.new_database  # every client that is connected is named, and prevents a rebase

LIMITS = DatabaseLimits(connections_max=2)


@pytest.fixture
def other_cluster() -> Iterator[EmbeddedPostgres]:
    """Another cluster, whose transaction numbers begin again."""
    with EmbeddedPostgres(durable=False) as own:
        yield own


async def use_up_numbers(url: str, number: int) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(
        f"DO $$ BEGIN FOR i IN 1..{number} LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$"
    )
    await connection.close()


async def rebased(owner_url: str) -> int | None:
    owner = await Database.open(owner_url, limits=DatabaseLimits(connections_max=1))
    try:
        async with owner.system_transaction(writing=True) as reader:
            return await rebase(reader, at=utc_now())
    finally:
        await owner.close()


def move(server: DatabaseServer, source: DatabaseAddress, target: EmbeddedPostgres) -> None:
    """Dump and restore with PostgreSQL's own programs, those of the running server's folder."""
    assert server.own is not None
    assert source.superuser_url is not None
    programs = server.own.programs.folder
    for name in ("pg_dump", "psql"):
        if not (programs / name).exists():
            skip_by_name(name, f"it is missing among the server's programs in {programs}")
    environment = {"PATH": os.defpath, "LC_ALL": "C.UTF-8"}
    dump = subprocess.run(
        [str(programs / "pg_dump"), f"--dbname={source.superuser_url}"],
        capture_output=True,
        check=True,
        env=environment,
    )
    subprocess.run(
        [str(programs / "psql"), "--quiet", "--set=ON_ERROR_STOP=1", f"--dbname={target.url(SUPERUSER)}"],
        input=dump.stdout,
        capture_output=True,
        check=True,
        env=environment,
    )


@pytest.mark.own_server
async def test_restored_dump_is_refused_and_right_after_rebase(
    database_server: DatabaseServer, database: DatabaseAddress, other_cluster: EmbeddedPostgres
) -> None:
    hospital = await add_demo_hospital(database.owner_url)
    await use_up_numbers(database.owner_url, 3_000)
    here = await Database.open(database.app_url, limits=LIMITS)
    before = await open_flow(here, hospital)
    started = await before.start_intent()
    await before.deliver(before.notice("T1", started.code, amount=100_000))
    await snapshot_once(before.context, hospital.organization_id)
    await seal_once(before.context, hospital.organization_id)
    await before.deliver(before.notice("T2", started.code, amount=1_000))  # under no snapshot and no seal yet
    held = await read_balances(before.context, hospital.organization_id)
    await here.close()
    move(database_server, database, other_cluster)
    there = await Database.open(other_cluster.app_url, limits=LIMITS)

    with pytest.raises(ClusterMismatch):
        await check_transaction_ids(there)
    with pytest.raises(OtherSessionsConnected):
        await rebased(other_cluster.owner_url)
    await there.close()
    assert await rebased(other_cluster.owner_url)
    assert await rebased(other_cluster.owner_url) is None

    there = await Database.open(other_cluster.app_url, limits=LIMITS)
    await check_transaction_ids(there)
    flow = await open_flow(there, hospital)
    assert await read_balances(flow.context, hospital.organization_id) == held
    await flow.deliver(flow.notice("T3", started.code, amount=35_000), flow.notice("T1", started.code, amount=100_000))
    after = {row.role: row.balance for row in await read_balances(flow.context, hospital.organization_id)}
    assert (after["clearing"], after["receivable_patient"]) == (136_000, 0)
    assert await snapshot_once(flow.context, hospital.organization_id) == 2  # T2 from before, T3 from after
    assert await seal_once(flow.context, hospital.organization_id) == 1
    async with there.transaction(hospital.organization_id) as tx:
        recomputed = await read_trial_balance(tx, on=utc_now().date())
    assert {row.role: row.balance for row in recomputed} == after
    await assert_books_are_right(there)
    await there.close()


@pytest.mark.own_server
async def test_serving_without_rebase_would_lose_money_from_the_balances_and_verify_would_report_it(
    database_server: DatabaseServer, database: DatabaseAddress, other_cluster: EmbeddedPostgres
) -> None:
    """Why it is refused: what a service writes all the same falls below watermarks that are long past."""
    hospital = await add_demo_hospital(database.owner_url)
    await use_up_numbers(database.owner_url, 3_000)
    here = await Database.open(database.app_url, limits=LIMITS)
    before = await open_flow(here, hospital)
    started = await before.start_intent()
    await snapshot_once(before.context, hospital.organization_id)
    await seal_once(before.context, hospital.organization_id)
    await here.close()
    move(database_server, database, other_cluster)
    there = await Database.open(other_cluster.app_url, limits=LIMITS)

    flow = await open_flow(there, hospital)
    await flow.deliver(flow.notice("T1", started.code, amount=100_000))

    lost = {row.role: row.balance for row in await read_balances(flow.context, hospital.organization_id)}
    assert lost["clearing"] == 0
    assert set(await find_mismatches(there)) == {"snapshots-equal-recomputation", "seals-hold-their-rows"}
    await there.close()


async def test_second_rebase_goes_beyond_the_first(database: DatabaseAddress) -> None:
    """Numbers stored beyond the server's, twice: as after a restore of what was restored."""
    hospital = await add_demo_hospital(database.owner_url)
    shifts = []
    for ahead in (10_000, 50_000):
        await store_ahead(database, hospital, ahead)
        app = await Database.open(database.app_url, limits=LIMITS)
        with pytest.raises(ClusterMismatch):
            await check_transaction_ids(app)
        await app.close()
        shifts.append(await rebased(database.owner_url))
        assert await rebased(database.owner_url) is None

    app = await Database.open(database.app_url, limits=LIMITS)
    await check_transaction_ids(app)
    async with app.system_transaction() as reader:
        kept = await reader.fetch("SELECT number, shift FROM transaction_rebase ORDER BY number")
    await app.close()
    assert [tuple(row) for row in kept] == list(enumerate(shifts, start=1))
    assert shifts[0] is not None
    assert shifts[1] is not None
    assert shifts[1] > shifts[0] > 9_000


async def store_ahead(database: DatabaseAddress, hospital: DemoHospital, ahead: int) -> None:
    owner = await Database.open(database.owner_url, limits=LIMITS)
    async with owner.transaction(hospital.organization_id) as tx:
        await tx.execute(
            "INSERT INTO outbox (organization_id, id, topic, payload, transaction_id) VALUES ($3, $1, 'x', '{}',"
            " (vienphi_next_transaction_id()::text::bigint + $2::bigint)::text::xid8)",
            Ids(utc_now).new(),
            ahead,
            hospital.organization_id,
        )
    await owner.close()


async def test_organization_that_arrives_goes_on_beyond_its_own_ids_and_others_are_not_shifted(
    database: DatabaseAddress,
) -> None:
    """Its shift moves with that of the whole database when a dump is restored into another cluster."""
    hospitals = [
        await add_demo_hospital(database.owner_url, organization=number, facility_code=f"{number:05d}")
        for number in (1, 2)
    ]
    await store_ahead(database, hospitals[0], 70_000)
    owner = await Database.open(database.owner_url, limits=LIMITS)

    async def look(organization_id: OrganizationId) -> tuple[int, int, int]:
        async with owner.transaction(organization_id) as tx:
            row = await tx.fetchrow(
                "SELECT vienphi_transaction_id()::text::bigint AS given,"
                " vienphi_watermark()::text::bigint AS watermark,"
                " vienphi_largest_transaction_id($1)::text::bigint AS largest",
                organization_id,
            )
        assert row is not None
        return row["given"], row["watermark"], row["largest"]

    before = await look(hospitals[1].organization_id)
    async with owner.transaction(hospitals[0].organization_id) as tx:
        largest = await tx.fetchval("SELECT vienphi_largest_transaction_id(1)::text::bigint")
        assert await tx.fetchval("SELECT vienphi_rebase_organization(1, $1, now())", largest)
    given, watermark, largest = await look(hospitals[0].organization_id)
    after = await look(hospitals[1].organization_id)

    assert given >= watermark > largest
    assert after[0] - before[0] < 10  # the ids of the server
    await check_transaction_ids(owner)
    await store_ahead(database, hospitals[1], 90_000)
    with pytest.raises(ClusterMismatch):
        await check_transaction_ids(owner)
    await owner.close()
    assert await rebased(database.owner_url)
    owner = await Database.open(database.owner_url, limits=LIMITS)
    await check_transaction_ids(owner)
    shifted = [await look(each.organization_id) for each in hospitals]
    await owner.close()
    assert all(given >= watermark > largest for given, watermark, largest in shifted)
    assert 60_000 < shifted[0][0] - shifted[1][0] < 80_000


async def test_app_role_may_not_rebase(app_database: Database) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with app_database.system_transaction(writing=True) as reader:
            await reader.fetchval("SELECT vienphi_rebase(now())")


async def test_every_stored_number_comes_from_one_function_and_is_found_by_an_index(database: DatabaseAddress) -> None:
    """A column that took the server's own number would be left behind by a rebase."""
    owner = await asyncpg.connect(database.owner_url)
    rows = await owner.fetch(
        """
        SELECT kept.relname AS name, pg_get_expr(given.adbin, given.adrelid) AS given,
            EXISTS (SELECT FROM pg_index i WHERE i.indrelid = kept.oid AND i.indkey[1] = found.attnum) AS is_indexed
        FROM pg_attribute AS found
        JOIN pg_class AS kept ON kept.oid = found.attrelid AND kept.relkind IN ('r', 'p') AND NOT kept.relispartition
        LEFT JOIN pg_attrdef AS given ON given.adrelid = kept.oid AND given.adnum = found.attnum
        WHERE kept.relnamespace = 'public'::regnamespace AND found.atttypid = 'xid8'::regtype
        """
    )
    await owner.close()

    one_row_each = {"balance_watermark", "webhook_cursor"}
    assert {row["given"] for row in rows} == {"vienphi_transaction_id()", None}
    assert {row["name"] for row in rows if row["given"] is None} == {"seal", *one_row_each}
    assert [row["name"] for row in rows if not row["is_indexed"] and row["name"] not in one_row_each] == ["seal"]

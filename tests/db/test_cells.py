"""Several cells behind one database: each organization is used where it is, also while it moves."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from billing.core.ids import OrganizationId
from billing.db.cells import CellDatabase, CellListing, map_cells, open_database
from billing.db.connection_errors import DatabaseBusy, OrganizationMoved
from billing.db.database import HOME, Database, DatabaseLimits
from billing.payments.service.intake import Intake, IntakeLimits
from providers.contract import Verdict
from tests.builders import DemoHospital, add_demo_hospital
from tests.conftest import DatabaseAddress, DatabaseServer
from tests.flow import open_flow

FIRST, SECOND = OrganizationId(1), OrganizationId(2)
LIMITS = DatabaseLimits(connections_max=3)
NORTH = "north"

_NAME = "SELECT name FROM organization WHERE id = $1"


@pytest.fixture
def north(database_server: DatabaseServer, migrated_template: str) -> Iterator[DatabaseAddress]:
    address = database_server.create(migrated_template)
    yield address
    database_server.drop(address.name)


@pytest.fixture
async def hospitals(database: DatabaseAddress, north: DatabaseAddress) -> tuple[DemoHospital, DemoHospital]:
    """The first at home, the second in the north."""
    return (
        await add_demo_hospital(database.owner_url, organization=1),
        await add_demo_hospital(north.owner_url, organization=2, facility_code="01002"),
    )


@pytest.fixture
async def cells(
    database: DatabaseAddress, north: DatabaseAddress, hospitals: tuple[DemoHospital, DemoHospital]
) -> AsyncIterator[CellDatabase]:
    opened = await open_database(database.app_url, {NORTH: north.app_url}, limits=LIMITS)
    assert isinstance(opened, CellDatabase)
    yield opened
    await opened.close()


async def state(address: DatabaseAddress, organization_id: int, other_cell: str, *states: str) -> None:
    connection = await asyncpg.connect(address.owner_url)
    for each in states:
        changed = await connection.execute(
            "UPDATE organization_move SET state = $2 WHERE organization_id = $1", organization_id, each
        )
        if changed == "UPDATE 0":
            await connection.execute(
                "INSERT INTO organization_move (organization_id, other_cell, state, changed_at)"
                " VALUES ($1, $2, $3, now())",
                organization_id,
                other_cell,
                each,
            )
    await connection.close()


@asynccontextmanager
async def moving(address: DatabaseAddress, organization_id: int) -> AsyncIterator[None]:
    connection = await asyncpg.connect(address.owner_url)
    await connection.execute("SELECT pg_advisory_lock(6, $1)", organization_id)
    try:
        yield
    finally:
        await connection.close()


async def test_without_further_cells_the_database_is_a_plain_one(database: DatabaseAddress) -> None:
    opened = await open_database(database.app_url, {}, limits=LIMITS)

    assert type(opened) is Database
    assert opened.cells == (opened,)
    await opened.close()


async def test_each_organization_is_used_in_its_cell(cells: CellDatabase) -> None:
    assert await cells.list_organizations() == [FIRST, SECOND]

    for organization_id in (FIRST, SECOND):
        async with cells.transaction(organization_id) as tx:
            assert await tx.fetchval(_NAME, organization_id) == f"Bệnh viện {organization_id}"
        assert await cells.single_reads(organization_id).fetchval(_NAME, organization_id) is not None
    requests = [(SECOND, (SECOND, 0)), (FIRST, (FIRST, 1))]
    rows = await cells.read_each(f"{_NAME} AND $2 >= 0".replace("name", "id AS number"), requests)
    assert {row["number"] for row in rows} == {FIRST, SECOND}
    called = await cells.run_each("SELECT set_config('vienphi.organization', ($1::int)::text, true) AS given", [
        (SECOND, ()), (FIRST, ()), (SECOND, ())])  # fmt: skip
    assert [row["given"] for row in called] == ["2", "1", "2"]


async def test_organization_that_has_left_is_refused_there_and_used_in_its_new_cell(
    cells: CellDatabase, database: DatabaseAddress, north: DatabaseAddress
) -> None:
    """The map still names the old cell: the refusal names the new one."""
    await add_demo_hospital(north.owner_url, organization=3, facility_code="01003")
    await add_demo_hospital(database.owner_url, organization=3, facility_code="01003")
    await state(north, 3, HOME, "arriving", "ready")
    assert await cells.list_organizations() == [1, 2, 3]
    assert await cells.name_of(OrganizationId(3)) == HOME
    await state(database, 3, NORTH, "leaving", "left")

    home, _ = cells.cells
    with pytest.raises(OrganizationMoved):
        async with home.transaction(OrganizationId(3)):
            pytest.fail("it has left")
    with pytest.raises(OrganizationMoved):
        await home.single_reads(OrganizationId(3)).fetch(_NAME, 3)
    with pytest.raises(OrganizationMoved):
        await home.run_single(OrganizationId(3), "SELECT $1::int AS given")
    async with cells.transaction(OrganizationId(3)):
        assert await cells.name_of(OrganizationId(3)) == NORTH
    called = await cells.run_each("SELECT $1::int AS given", [(FIRST, ()), (OrganizationId(3), ())])
    assert [row["given"] for row in called] == [1, 3]


async def test_transaction_waits_for_an_organization_that_moves_and_others_do_not(
    cells: CellDatabase, database: DatabaseAddress
) -> None:
    async def write() -> str:
        async with cells.transaction(FIRST, posting=True) as tx:
            return str(await tx.fetchval(_NAME, FIRST))

    async with moving(database, FIRST):
        waiting = [asyncio.create_task(write()) for _ in range(2 * LIMITS.connections_max)]
        await asyncio.sleep(0.05)
        async with cells.transaction(SECOND, posting=True) as tx:
            assert await tx.fetchval(_NAME, SECOND) == "Bệnh viện 2"
        async with cells.transaction(FIRST, read_only=True) as tx:
            assert await tx.fetchval(_NAME, FIRST) == "Bệnh viện 1"
        assert not any(each.done() for each in waiting)

    assert await asyncio.gather(*waiting) == ["Bệnh viện 1"] * len(waiting)


async def test_cell_that_does_not_answer_delays_no_other(cells: CellDatabase, north: DatabaseAddress) -> None:
    """The map is read again while the table of the north is locked; the home cell is used meanwhile."""
    connection = await asyncpg.connect(north.superuser_url)
    async with connection.transaction():
        await connection.execute("LOCK TABLE organization_move")
        cells._read_at = 0.0

        async with cells.transaction(FIRST) as tx:
            assert await tx.fetchval(_NAME, FIRST) == "Bệnh viện 1"

        assert cells._reading is not None
        assert not cells._reading.done()
        assert await cells.list_organizations() == [FIRST, SECOND]
    await connection.close()


async def test_move_waits_for_a_transaction_that_is_open(cells: CellDatabase, database: DatabaseAddress) -> None:
    connection = await asyncpg.connect(database.owner_url)
    async with cells.transaction(FIRST):
        assert not await connection.fetchval("SELECT pg_try_advisory_lock(6, 1)")

    assert await connection.fetchval("SELECT pg_try_advisory_lock(6, 1)")
    await connection.close()


async def test_organization_that_two_cells_serve_is_written_in_neither(
    cells: CellDatabase, north: DatabaseAddress
) -> None:
    await add_demo_hospital(north.owner_url, organization=1)
    await cells.list_organizations()

    with pytest.raises(DatabaseBusy):
        async with cells.transaction(FIRST):
            pytest.fail("it is in two cells")


async def test_deliveries_of_one_cell_do_not_wait_for_those_of_another(
    cells: CellDatabase, north: DatabaseAddress, hospitals: tuple[DemoHospital, DemoHospital]
) -> None:
    flow, stalled = [await open_flow(cells, each) for each in hospitals]
    blocker = await asyncpg.connect(north.owner_url)
    async with Intake(flow.context, IntakeLimits(queues=1)) as intake:
        async with blocker.transaction():
            await blocker.execute("LOCK TABLE organization_move")
            waiting = asyncio.create_task(intake.submit(stalled.delivery(stalled.notice("T1", "no code"))))
            while not await blocker.fetchval("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"):
                await asyncio.sleep(0.01)
            answer = await intake.submit(flow.delivery(flow.notice("T1", "no code")))
            assert not waiting.done()
        assert (answer.verdict, (await waiting).verdict) == (Verdict.UNKNOWN_REFERENCE,) * 2
    await blocker.close()


def test_map_follows_a_move_in_every_state() -> None:
    one, nothing = frozenset({FIRST}), frozenset[OrganizationId]()

    def cell_of(home: CellListing, north: CellListing) -> str | None:
        return map_cells({HOME: home, NORTH: north}).get(FIRST)

    empty, serving = CellListing(nothing, {}, {}, {}), CellListing(one, {}, {}, {})
    left, ready = CellListing(nothing, {}, {}, {FIRST: NORTH}), CellListing(nothing, {FIRST: HOME}, {}, {})
    assert cell_of(serving, empty) == HOME
    assert cell_of(serving, ready) == HOME
    assert cell_of(left, ready) == NORTH
    assert cell_of(serving, CellListing(one, {}, {FIRST: HOME}, {})) == NORTH  # the first is older
    assert cell_of(serving, serving) == ""
    assert cell_of(empty, ready) == ""  # home was read before it had the organization: it may still serve it
    assert map_cells({NORTH: ready}) == {FIRST: ""}  # home has not been read yet

"""A move of one organization between two clusters, without load: complete, compared, reversible until its flip."""

import asyncio
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from billing.core.ids import OrganizationId
from billing.db.cells import open_database
from billing.db.connection_errors import DatabaseBusy, OrganizationMoved
from billing.db.database import Database, DatabaseLimits
from billing.db.move_states import MoveState, read_move, subscribe
from billing.db.move_tables import Part, connect_admin, read_contents, read_moved_tables
from billing.devserver.embedded import SUPERUSER
from billing.ledger.service.balances import read_balances, snapshot_once
from billing.ledger.service.seal_rows import seal_once
from billing.ops import organization_move
from billing.ops.move_sides import MoveIncomplete, MoveRefused
from billing.ops.organization_move import cancel_move, move_organization
from tests.builders import add_demo_hospital
from tests.db.test_transaction_ids import use_up_numbers
from tests.flow import PaymentFlow, assert_books_are_right, open_flow
from tests.move.clusters import HOME, Clusters

pytestmark = pytest.mark.own_server

LIMITS = DatabaseLimits(connections_max=3)
MOVED, STAYS, OTHER = OrganizationId(1), OrganizationId(2), OrganizationId(3)


def ignore(_line: str) -> None:
    """No report."""


async def pay(flow: PaymentFlow, name: str) -> None:
    started = await flow.start_intent(f"LK{name}")
    await flow.deliver(flow.notice(name, started.code))


async def test_organization_moves_with_every_row_and_goes_on_in_its_new_cell(clusters: Clusters) -> None:
    """The source has given far more transaction ids than the target, so the ids are shifted for this organization."""
    moved = await add_demo_hospital(clusters.home.owner_url, organization=1)
    await add_demo_hospital(clusters.home.owner_url, organization=2, facility_code="00002")
    there = await add_demo_hospital(clusters.north.owner_url, organization=3, facility_code="00003")
    await use_up_numbers(clusters.home.owner_url, 5_000)
    await add_old_audit(clusters)
    cells = await open_database(clusters.home.app_url, clusters.cells, limits=LIMITS)
    flow = await open_flow(cells, moved)
    await pay(flow, "T1")
    await snapshot_once(flow.context, MOVED)
    await seal_once(flow.context, MOVED)
    await pay(flow, "T2")  # neither in a snapshot nor under a seal
    held = await read_balances(flow.context, MOVED)

    result = await move_organization(MOVED, *clusters.sides, report=ignore)

    assert result.shift is not None
    assert (result.rows > 100, result.seal_number, result.standstill_s is not None) == (True, 1, True)
    assert await read_balances(flow.context, MOVED) == held
    await pay(flow, "T3")
    await pay(await open_flow(cells, there), "T9")
    await snapshot_once(flow.context, MOVED)
    assert await seal_once(flow.context, MOVED) == 1
    assert await cells.list_organizations() == [MOVED, STAYS, OTHER]
    await cells.close()
    for cluster, organizations in ((clusters.home, [STAYS]), (clusters.north, [MOVED, OTHER])):
        database = await Database.open(cluster.app_url, limits=LIMITS)
        assert await database.list_organizations() == organizations
        await assert_books_are_right(database)
        await database.close()
    again = await move_organization(MOVED, *clusters.sides, report=ignore)
    assert again.standstill_s is None
    await assert_no_way_back(clusters)


async def add_old_audit(clusters: Clusters) -> None:
    """A row of 500 days ago, whose month the target has no partition for."""
    home = await connect_admin(clusters.sides[0].url)
    await home.execute("SELECT vienphi_make_partitions_from(current_date - 500)")
    await home.execute(
        "INSERT INTO audit (organization_id, id, recorded_at, actor_kind, action, subject_kind, subject_id) VALUES"
        " (1, vienphi_first_id(current_date - 500), now() - interval '500 days', 'system', 'x', 'x', gen_random_uuid())"
    )
    await home.close()


async def assert_no_way_back(clusters: Clusters) -> None:
    """A move back and its cancellation change nothing, while the old cell still has its rows."""
    home, north = clusters.sides
    with pytest.raises(MoveRefused, match="delete them first: vienphi organization clear 1 --cell home"):
        await move_organization(MOVED, north, home, report=ignore)
    with pytest.raises(MoveRefused, match="not moving"):
        await cancel_move(MOVED, north, home, report=ignore)
    for side, state in ((home, MoveState.LEFT), (north, MoveState.ARRIVED)):
        connection = await connect_admin(side.url)
        stored = await read_move(connection, MOVED)
        assert stored is not None
        assert stored.state is state
        assert await connection.fetchval("SELECT count(*) FROM payment WHERE organization_id = 1") >= 2
        await connection.close()


async def test_old_cell_refuses_an_organization_that_has_left_to_every_role(clusters: Clusters) -> None:
    """Also to a program that knows no cells, as one that was started before."""
    hospitals = [
        await add_demo_hospital(clusters.home.owner_url, organization=number, facility_code=f"{number:05d}")
        for number in (1, 2)
    ]
    await move_organization(MOVED, *clusters.sides, report=ignore)

    for url in (clusters.home.app_url, clusters.home.owner_url):
        old = await Database.open(url, limits=LIMITS)
        with pytest.raises(OrganizationMoved):
            async with old.transaction(MOVED) as tx:
                await tx.fetch("SELECT id FROM person")
        with pytest.raises(DatabaseBusy):
            async with old.transaction(MOVED) as tx:
                await tx.execute(
                    "INSERT INTO audit (organization_id, id, recorded_at, actor_kind, action, subject_kind, subject_id)"
                    " VALUES (1, vienphi_first_id(current_date), now(), 'system', 'x', 'x', gen_random_uuid())"
                )
        async with old.transaction(STAYS) as tx:
            assert await tx.fetch("SELECT id FROM person")
        await old.close()
    stays = await Database.open(clusters.home.app_url, limits=LIMITS)
    await pay(await open_flow(stays, hospitals[1]), "T1")
    await stays.close()


async def test_move_that_finds_a_difference_is_refused_and_can_be_cancelled(clusters: Clusters) -> None:
    """A row that the target lacks is found; afterwards the source goes on and the organization can move."""
    hospital = await add_demo_hospital(clusters.home.owner_url, organization=1)
    source, target = clusters.sides
    north = await connect_admin(target.url)
    await north.execute(
        "CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
        " CREATE TRIGGER lose BEFORE INSERT ON ledger_account FOR EACH ROW WHEN (NEW.role = 'revenue')"
        " EXECUTE FUNCTION lose(); ALTER TABLE ledger_account ENABLE ALWAYS TRIGGER lose"
    )
    with pytest.raises(MoveRefused, match="ledger_account"):
        await move_organization(MOVED, source, target, report=ignore)
    home = await Database.open(clusters.home.app_url, limits=LIMITS, application_name="vienphi (cells)")
    await pay(await open_flow(home, hospital), "T1")
    await cancel_move(MOVED, source, target, report=ignore)

    contents = await read_contents(north, await read_moved_tables(north), MOVED, Part(is_older=False, watermark=0))
    assert sum(content.rows for content in contents.values()) == 0
    assert await read_move(north, MOVED) is None
    await north.execute("DROP TRIGGER lose ON ledger_account; DROP FUNCTION lose()")
    await move_organization(MOVED, source, target, report=ignore)
    arrived = await read_move(north, MOVED)
    assert arrived is not None
    assert (arrived.state, arrived.other_cell) == (MoveState.ARRIVED, HOME)
    with pytest.raises(MoveRefused):
        await cancel_move(MOVED, source, target, report=ignore)
    await home.close()
    await north.close()


async def test_comparison_that_would_last_too_long_is_given_up_and_the_old_cell_goes_on(
    clusters: Clusters, monkeypatch: pytest.MonkeyPatch
) -> None:
    hospital = await add_demo_hospital(clusters.home.owner_url, organization=1)
    source, target = clusters.sides

    async def never_end(*_: object) -> int:
        await asyncio.Event().wait()
        return 0

    with monkeypatch.context() as patch:
        patch.setattr(organization_move, "_compare_newer", never_end)
        patch.setattr(organization_move, "_OVERRUN_PAUSE_S", 0.0)
        with pytest.raises(MoveIncomplete, match="--standstill"):
            await move_organization(MOVED, source, target, report=ignore, standstill_max_s=1.0)

    assert await read_commits_of_the_copy(target.url) == ["on"]
    cells = await open_database(clusters.home.app_url, clusters.cells, limits=LIMITS)
    assert await cells.list_organizations() == [MOVED]
    await pay(await open_flow(cells, hospital), "T1")
    await cells.close()
    await move_organization(MOVED, source, target, report=ignore)


async def test_copy_begins_again_where_a_crash_left_a_table_without_its_slot(
    clusters: Clusters, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state that a crash of the target leaves between the drop of the slot and the commit of the worker."""
    await add_demo_hospital(clusters.home.owner_url, organization=1)
    real, lines = organization_move.count_copied, []

    async def lose_one(connection: Any, organization_id: OrganizationId) -> tuple[int, int]:
        copied, tables = await real(connection, organization_id)
        if copied == tables and not any("begins again" in line for line in lines):
            await connection.execute(
                "UPDATE pg_subscription_rel SET srsubstate = 'f', srsublsn = '0/1'"
                " WHERE srrelid = 'ledger_account'::regclass"
            )
            return copied - 1, tables
        return copied, tables

    monkeypatch.setattr(organization_move, "count_copied", lose_one)
    monkeypatch.setattr(organization_move, "_LOST_LOOKS", 2)

    result = await move_organization(MOVED, *clusters.sides, report=lines.append)

    assert [line for line in lines if "begins again" in line] != []
    assert result.standstill_s is not None


async def read_commits_of_the_copy(url: str) -> list[str]:
    """Whether the commits of a subscription last: else a crash of the target leaves a table that waits for ever."""
    connection = await connect_admin(url)
    rows = await connection.fetch(
        "SELECT subsynccommit FROM pg_subscription JOIN pg_database AS held ON held.oid = subdbid"
        " WHERE held.datname = current_database()"
    )
    await connection.close()
    return [row["subsynccommit"] for row in rows]


async def test_move_is_refused_before_anything_changes(clusters: Clusters) -> None:
    await add_demo_hospital(clusters.home.owner_url, organization=1)
    source, target = clusters.sides
    without_cells = await asyncpg.connect(clusters.home.app_url)

    with pytest.raises(MoveRefused, match="without the setting cells"):
        await move_organization(MOVED, source, target, report=ignore)
    await without_cells.close()
    with pytest.raises(MoveRefused, match="no organization 7"):
        await move_organization(OrganizationId(7), source, target, report=ignore)
    admin = await asyncpg.connect(clusters.north.url(SUPERUSER))
    await add_demo_hospital(clusters.north.owner_url, organization=4, facility_code="00004")
    await admin.execute("ALTER TABLE organization_prefix DISABLE TRIGGER USER")
    home = await asyncpg.connect(clusters.home.url(SUPERUSER))
    prefix = await home.fetchval("SELECT prefix FROM organization_prefix WHERE organization_id = 1")
    await admin.execute("UPDATE organization_prefix SET prefix = $1 WHERE organization_id = 4", prefix)
    with pytest.raises(MoveRefused, match="prefix"):
        await move_organization(MOVED, source, target, report=ignore)
    for connection in (home, admin):
        assert await connection.fetch("SELECT FROM organization_move") == []
        await connection.close()


async def test_program_without_cells_that_comes_later_ends_the_move_without_a_flip(
    clusters: Clusters, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The owner's too: it would write in the old cell while both are compared, and its rows would be lost."""
    monkeypatch.setattr(organization_move, "_ATTEMPTS_MAX", 3)
    await add_demo_hospital(clusters.home.owner_url, organization=1)
    source, target = clusters.sides
    for url in (clusters.home.app_url, clusters.home.owner_url):
        opening: list[asyncio.Task[asyncpg.Connection[asyncpg.Record]]] = []

        async def connect(url: str = url) -> "asyncpg.Connection[asyncpg.Record]":
            return await asyncpg.connect(url)

        def report(line: str, opening: list[asyncio.Task[Any]] = opening, connect: Any = connect) -> None:
            if line.startswith("copying"):
                opening.append(asyncio.create_task(connect()))

        with pytest.raises(MoveRefused, match="without the setting cells"):
            await move_organization(MOVED, source, target, report=report)
        assert len(opening) == 1
        await (await opening[0]).close()
    await move_organization(MOVED, source, target, report=ignore)


async def test_log_of_the_target_shows_no_password_of_the_source(clusters: Clusters) -> None:
    """Also where the subscription fails, which the server logs with its statement otherwise."""
    north = await connect_admin(clusters.sides[1].url)
    server = await north.fetchval("SELECT pg_backend_pid()")

    with pytest.raises(asyncpg.PostgresError):
        await subscribe(north, MOVED, "postgresql://postgres:secret-word@127.0.0.1:1/vienphi")
    with pytest.raises(asyncpg.PostgresError):
        await north.execute("SELECT logged_again")

    logged = await asyncio.to_thread(Path(f"/proc/{server}/fd/2").read_text)
    assert "logged_again" in logged
    assert "secret-word" not in logged
    await north.close()

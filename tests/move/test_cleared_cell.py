"""The rows that an organization leaves behind: unreachable, deleted on request, and then it may come back."""

import asyncio
from collections.abc import Mapping

import pytest
from click.testing import Result

from billing.core.ids import OrganizationId
from billing.db.cells import open_database
from billing.db.database import Database, DatabaseLimits
from billing.db.move_states import MoveState, StoredMove, read_move
from billing.db.move_tables import Content, Part, connect_admin, find_rows, read_contents, read_moved_tables
from billing.devserver.embedded import SUPERUSER
from billing.ledger.service.balances import read_balances, snapshot_once
from billing.ledger.service.seal_rows import seal_once
from billing.ops import organization_clear
from billing.ops.move_sides import MoveRefused
from billing.ops.organization_clear import clear_organization
from billing.ops.organization_move import move_organization
from tests.builders import add_demo_hospital
from tests.cli.commands import call
from tests.db.test_transaction_ids import use_up_numbers
from tests.flow import PaymentFlow, assert_books_are_right, open_flow
from tests.move.clusters import HOME, NORTH, Cell, Clusters
from tests.move.move_checks import find_open_rows, find_reachable_rows

pytestmark = pytest.mark.own_server

LIMITS = DatabaseLimits(connections_max=3)
MOVED, STAYS = OrganizationId(1), OrganizationId(2)


def ignore(_line: str) -> None:
    """No report."""


async def pay(flow: PaymentFlow, name: str) -> None:
    started = await flow.start_intent(f"LK{name}")
    await flow.deliver(flow.notice(name, started.code))


async def seal(flow: PaymentFlow) -> None:
    await snapshot_once(flow.context, MOVED)
    await seal_once(flow.context, MOVED)


async def clear(clusters: Clusters, *arguments: str, cell: str = HOME, typed: str = "") -> Result:
    """Run the command as an operator does."""
    (home, north), cells = clusters.sides, f"VIENPHI_CELLS__{NORTH.upper()}__"
    addresses = {
        "VIENPHI_DATABASE_URL": clusters.home.app_url,
        "VIENPHI_ADMIN_URL": home.url,
        f"{cells}DATABASE_URL": clusters.north.app_url,
        f"{cells}ADMIN_URL": north.url,
    }
    words = ("organization", "clear", str(MOVED), "--cell", cell, *arguments)
    return await asyncio.to_thread(call, *words, typed=typed, **addresses)


async def contents(cell: Cell, organization_id: OrganizationId) -> Mapping[str, Content]:
    connection = await connect_admin(cell.url(SUPERUSER))
    part = Part(is_older=False, watermark=0)
    found = await read_contents(connection, await read_moved_tables(connection), organization_id, part)
    await connection.close()
    return found


async def state(cell: Cell) -> tuple[StoredMove | None, list[str]]:
    """The statement of a cell about the organization, and its tables with rows of it."""
    connection = await connect_admin(cell.url(SUPERUSER))
    stored = await read_move(connection, MOVED)
    found = await find_rows(connection, await read_moved_tables(connection), MOVED)
    await connection.close()
    return stored, found


async def test_organization_comes_back_after_the_rows_that_it_left_are_cleared(clusters: Clusters) -> None:
    """From home to north, where ids are higher, back to home, and to north again."""
    moved = await add_demo_hospital(clusters.home.owner_url, organization=1)
    await add_demo_hospital(clusters.home.owner_url, organization=2, facility_code="00002")
    cells = await open_database(clusters.home.app_url, clusters.cells, limits=LIMITS)
    flow = await open_flow(cells, moved)
    await pay(flow, "T1")
    await seal(flow)
    await pay(flow, "T2")
    home, north = clusters.sides
    await move_organization(MOVED, home, north, report=ignore)
    await use_up_numbers(clusters.north.owner_url, 3_000)
    await pay(flow, "T3")
    await seal(flow)
    others = await contents(clusters.home, STAYS)

    assert await find_reachable_rows(clusters.home, MOVED) == []
    with pytest.raises(MoveRefused, match="still has the rows that the organization left there; delete them first"):
        await move_organization(MOVED, north, home, report=ignore)
    unconfirmed = await clear(clusters, typed="2\n")
    assert (unconfirmed.exit_code, "nothing was deleted" in unconfirmed.output) == (1, True)
    assert "north does not serve" not in unconfirmed.output
    refused = await clear(clusters, "--confirm", "1", cell=NORTH)
    assert (refused.exit_code, "has not left north" in refused.output) == (1, True)

    cleared = await clear(clusters, typed="1\n")

    assert cleared.exit_code == 0, cleared.output
    assert "north has all of them" in cleared.output
    assert await state(clusters.home) == (StoredMove(MoveState.LEFT, NORTH, is_cleared=True), [])
    assert await contents(clusters.home, STAYS) == others
    assert "0 rows deleted" in (await clear(clusters, "--confirm", "1")).output
    async with cells.transaction(MOVED) as tx:
        actions = "SELECT action FROM audit WHERE subject_kind = 'cell' ORDER BY id"
        assert [row["action"] for row in await tx.fetch(actions)] == ["cell_clearing_begun", "cell_cleared"]
    held = await read_balances(flow.context, MOVED)

    back = await move_organization(MOVED, north, home, report=ignore)

    assert back.shift is not None
    assert await read_balances(flow.context, MOVED) == held
    await pay(flow, "T4")
    await seal(flow)
    assert [await cells.name_of(each) for each in await cells.list_organizations()] == [HOME, HOME]
    served = await clear(clusters, "--confirm", "1")
    assert (served.exit_code, "or has moved back" in served.output) == (1, True)
    assert (await clear(clusters, "--confirm", "1", cell=NORTH)).exit_code == 0
    await move_organization(MOVED, home, north, report=ignore)
    await pay(flow, "T5")
    await seal(flow)
    async with cells.transaction(MOVED) as tx:
        assert await tx.fetchval("SELECT count(*) FROM payment") == 5
    await cells.close()
    assert await find_reachable_rows(clusters.home, MOVED) == []
    assert await find_open_rows(clusters.home, [STAYS], is_durable=False) == []
    assert await find_open_rows(clusters.north, [MOVED], is_durable=False) == []


async def test_rows_that_the_new_cell_lacks_are_not_deleted(clusters: Clusters) -> None:
    """But for those whose retention is over there."""
    moved = await add_demo_hospital(clusters.home.owner_url, organization=1)
    home = await Database.open(clusters.home.app_url, limits=LIMITS, application_name="vienphi (cells)")
    await pay(await open_flow(home, moved), "T1")
    await home.close()
    await move_organization(MOVED, *clusters.sides, report=ignore)
    north = await connect_admin(clusters.north.url(SUPERUSER))
    await north.execute("SET session_replication_role = replica")
    await north.execute("DELETE FROM delivery_body WHERE organization_id = 1")
    before = await contents(clusters.home, MOVED)

    past = await clear(clusters, typed="2\n")
    await north.execute("UPDATE posting SET amount = amount + 1 WHERE organization_id = 1")
    await north.execute("DELETE FROM intent WHERE organization_id = 1")
    lost = await clear(clusters, "--confirm", "1")

    assert "1 rows are past their retention in north" in past.output
    assert "not confirmed" in past.output
    assert lost.exit_code == 1
    assert "north lacks rows that home has: 1 of intent, 3 of posting; nothing was deleted" in lost.output
    assert await contents(clusters.home, MOVED) == before
    await north.close()


async def test_interrupted_deletion_goes_on(clusters: Clusters, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the two runs the organization is served, and the rest of its rows is unreachable."""
    moved = await add_demo_hospital(clusters.home.owner_url, organization=1)
    await move_organization(MOVED, *clusters.sides, report=ignore)
    cells = await open_database(clusters.home.app_url, clusters.cells, limits=LIMITS)
    batches = 0
    real = organization_clear.delete_batch

    async def end_after_some(*arguments: object) -> int:
        nonlocal batches
        batches += 1
        if batches > 5:
            raise OSError("killed")
        return await real(*arguments)  # type: ignore[arg-type]

    async def note(_action: str) -> None:
        """Nothing."""

    async def run() -> int:
        return await clear_organization(MOVED, *clusters.sides, report=ignore, confirm=lambda _: True, note=note)

    monkeypatch.setattr("billing.db.move_clearing.BATCH_ROWS", 3)
    with monkeypatch.context() as patch:
        patch.setattr(organization_clear, "delete_batch", end_after_some)
        with pytest.raises(OSError, match="killed"):
            await run()
    assert await find_reachable_rows(clusters.home, MOVED) == []
    await pay(await open_flow(cells, moved), "T1")
    _, left = await state(clusters.home)
    assert left
    with pytest.raises(MoveRefused, match="delete them first"):
        await move_organization(MOVED, *reversed(clusters.sides), report=ignore)

    assert await run() > 30

    assert (await state(clusters.home))[1] == []
    await assert_books_are_right(cells)
    await cells.close()

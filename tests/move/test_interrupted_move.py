"""A move that is interrupted at any of its steps: the organization is in one cell, and a second run ends it."""

from typing import Any

import pytest

from billing.core.ids import OrganizationId
from billing.db.cells import CellDatabase, open_database
from billing.db.database import DatabaseLimits
from billing.ops import organization_move
from billing.ops.organization_move import move_organization
from tests.builders import DemoHospital, add_demo_hospital
from tests.flow import assert_books_are_right, open_flow
from tests.move.clusters import Clusters

pytestmark = [pytest.mark.own_server, pytest.mark.slow]

STEPS = (
    ("add_move", 1),
    ("add_move", 2),
    ("publish", 1),
    ("subscribe", 1),
    ("lock_organization", 1),
    ("rebase_organization", 1),
    ("change_move", 1),  # ready in the target
    ("change_move", 2),  # left in the source
    ("unsubscribe", 1),
    ("unpublish", 1),
    ("close_tables", 1),
    ("change_move", 3),  # arrived in the target
)
"""The steps that change something, with the number of their call."""


class Killed(Exception):
    """The process ends here."""


def end_at(patch: pytest.MonkeyPatch, name: str, number: int, *, is_after: bool) -> None:
    """Let the call of that number end the run before or after its effect."""
    step = getattr(organization_move, name)
    calls = 0

    async def run(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == number and not is_after:
            raise Killed
        result = await step(*arguments, **options)
        if calls == number:
            raise Killed
        return result

    patch.setattr(organization_move, name, run)


async def pay(cells: CellDatabase, hospital: DemoHospital, name: str) -> None:
    flow = await open_flow(cells, hospital)
    started = await flow.start_intent(f"LK{name}")
    await flow.deliver(flow.notice(name, started.code))


async def test_move_that_is_interrupted_at_any_step_goes_on(
    clusters: Clusters, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the interruption the organization is paid, before the second run as well as after it."""
    cells = await open_database(clusters.home.app_url, clusters.cells, limits=DatabaseLimits(connections_max=3))
    assert isinstance(cells, CellDatabase)
    interruptions = [(*step, is_after) for step in STEPS for is_after in (False, True)]
    for position, (name, number, is_after) in enumerate(interruptions, start=1):
        hospital = await add_demo_hospital(
            clusters.home.owner_url, organization=position, facility_code=f"{position:05d}"
        )
        await cells.list_organizations()
        await pay(cells, hospital, "T1")
        with monkeypatch.context() as patch:
            end_at(patch, name, number, is_after=is_after)
            with pytest.raises(Killed):
                await move_organization(OrganizationId(position), *clusters.sides, report=lambda _: None)
        await pay(cells, hospital, "T2")

        await move_organization(OrganizationId(position), *clusters.sides, report=lambda _: None)

        await pay(cells, hospital, "T3")
        async with cells.transaction(OrganizationId(position)) as tx:
            assert await tx.fetchval("SELECT count(*) FROM payment") == 3, (name, number, is_after)
    await assert_books_are_right(cells)
    assert [await cells.name_of(each) for each in await cells.list_organizations()] == ["north"] * len(interruptions)
    await cells.close()

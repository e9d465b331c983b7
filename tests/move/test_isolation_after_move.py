"""Every operation of an organization that has moved, repeated with keys of organizations of both cells."""

from dataclasses import replace

import pytest

from billing.core.ids import OrganizationId
from billing.db.cells import open_database
from billing.db.database import DatabaseLimits
from billing.devserver.embedded import SUPERUSER
from billing.ops.organization_move import move_organization
from tests.builders import add_demo_hospital
from tests.database_server import DatabaseAddress
from tests.move.clusters import Cell, Clusters
from tests.move.isolation import find_failed_isolation
from tests.move.move_checks import find_reachable_rows
from tests.web.conftest import serving_site
from tests.web.test_isolation import assert_finds_and_changes_nothing, spend_day

pytestmark = [pytest.mark.own_server, pytest.mark.slow]

MOVED, STAYS, OTHER = OrganizationId(1), OrganizationId(2), OrganizationId(3)


def address(cell: Cell) -> DatabaseAddress:
    return DatabaseAddress(cell.name, cell.owner_url, cell.app_url, cell.url(SUPERUSER))


async def test_organization_that_has_moved_is_found_and_changed_by_its_own_keys_only(clusters: Clusters) -> None:
    moved = await add_demo_hospital(clusters.home.owner_url, organization=1)
    others = (
        await add_demo_hospital(clusters.home.owner_url, organization=2, facility_code="02001"),
        await add_demo_hospital(clusters.north.owner_url, organization=3, facility_code="03001"),
    )
    cells = await open_database(clusters.home.app_url, clusters.cells, limits=DatabaseLimits(connections_max=8))
    async with serving_site(moved, address(clusters.home), cells) as site:
        day = await spend_day(site)

        await move_organization(MOVED, *clusters.sides, report=lambda _: None)

        moved_site = replace(site, database=address(clusters.north))
        for other in others:
            await assert_finds_and_changes_nothing(moved_site, day, other.authorization)
        assert (await site.client.get("/v1/visits")).json()["items"]
    await cells.close()
    assert await find_reachable_rows(clusters.home, MOVED) == []
    assert await find_failed_isolation(clusters.home, MOVED, has_left=True) == []
    assert await find_failed_isolation(clusters.north, MOVED) == []

"""The roll-up of all cells: each message once, also after its organization has moved on."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from billing.cli import main as vienphi
from billing.core.clock import business_date
from billing.core.ids import OrganizationId
from billing.db.cells import open_database
from billing.db.context import utc_now
from billing.db.database import DatabaseLimits
from billing.ops.roll_up import roll_up
from tests.builders import add_demo_hospital
from tests.conftest import DatabaseAddress, DatabaseServer
from tests.flow import open_flow

FIRST, SECOND = OrganizationId(1), OrganizationId(2)


@pytest.fixture
def north(database_server: DatabaseServer, migrated_template: str) -> Iterator[DatabaseAddress]:
    address = database_server.create(migrated_template)
    yield address
    database_server.drop(address.name)


async def test_messages_of_every_cell_are_summed_once(database: DatabaseAddress, north: DatabaseAddress) -> None:
    hospitals = (
        await add_demo_hospital(database.owner_url, organization=1),
        await add_demo_hospital(north.owner_url, organization=2, facility_code="01002"),
    )
    cells = await open_database(database.app_url, {"north": north.app_url}, limits=DatabaseLimits(connections_max=2))
    flows = [await open_flow(cells, each) for each in hospitals]
    for flow, amounts in zip(flows, ((100_000, 36_000), (50_000,)), strict=True):
        started = await flow.start_intent()
        await flow.deliver(*(flow.notice(f"T{each}", started.code, amount=each) for each in amounts))

    found, cursor = await roll_up(cells, {})
    nothing, again = await roll_up(cells, cursor)
    await flows[1].deliver(flows[1].notice("T9", "", amount=7_000))
    later, _ = await roll_up(cells, cursor)
    await cells.close()

    today = business_date(utc_now())
    received = {
        each.organization_id: (summed.day, summed.messages, summed.amount)
        for each in found
        for summed in each.sums
        if summed.topic == "payment.received"
    }
    assert received == {FIRST: (today, 2, 136_000), SECOND: (today, 1, 50_000)}
    assert (nothing, again) == ([], cursor)
    assert [(each.organization_id, [(s.topic, s.amount) for s in each.sums if s.amount]) for each in later] == [
        (SECOND, [("payment.received", 7_000)])
    ]


def test_broken_cursor_file_is_refused(tmp_path: Path, database: DatabaseAddress) -> None:
    file = tmp_path / "cursor.json"
    file.write_text("[1]")

    result = CliRunner().invoke(
        vienphi,
        ["organization", "roll-up", "--cursor", str(file)],
        env={"VIENPHI_DATABASE_URL": database.app_url},
    )

    assert result.exit_code == 1
    assert "is no cursor of a roll-up" in result.output
    assert file.read_text() == "[1]"

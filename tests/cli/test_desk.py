"""`vienphi desk`: desks and cash settings, set up by the owner."""

from tests.builders import DemoHospital
from tests.cli.commands import call, called
from tests.conftest import DatabaseAddress


def test_desks_and_cash_settings(hospital: DemoHospital, database: DatabaseAddress) -> None:
    owner = {"VIENPHI_OWNER_URL": database.owner_url}
    place = ("--organization", "1", "--facility-code", hospital.facility_code)

    added = called("desk", "add", *place, "--name", "Quầy 1", **owner)
    again = call("desk", "add", *place, "--name", "Quầy 1", **owner)
    unknown = call("desk", "add", *place[:-1], "99999", "--name", "Quầy 1", **owner)
    called("desk", "set-cash", *place, "--rounding", "500", "--hide-expected", **owner)
    listed = called("desk", "list", "--organization", "1", **owner)

    assert added.split()[0] in listed
    assert "rounded to 500 đồng, expected cash hidden" in listed
    assert (again.exit_code, unknown.exit_code) == (1, 1)
    assert "desk of this name" in again.stderr
    assert "99999" in unknown.stderr

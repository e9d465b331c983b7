"""`vienphi organization set-refund-limit`: proposed by one person, approved by another."""

from tests.builders import DemoHospital
from tests.cli.commands import call, called
from tests.conftest import DatabaseAddress


def test_refund_limit_is_proposed_by_one_person_and_approved_by_another(
    hospital: DemoHospital, database: DatabaseAddress
) -> None:
    assert hospital.organization_id == 1
    owner = {"VIENPHI_OWNER_URL": database.owner_url}
    person = ("key", "add", "--organization", "1", "--role", "finance")
    first = called(*person, "--name", "a", "--person", "An", **owner).strip()
    second = called(*person, "--name", "b", "--person", "Bình", **owner).strip()
    as_first = {"VIENPHI_DATABASE_URL": database.app_url, "VIENPHI_KEY": first}
    as_second = {**as_first, "VIENPHI_KEY": second}

    proposed = called("organization", "set-refund-limit", "--amount", "500000", **as_first)
    proposal_id = proposed.split()[1]
    alone = call("organization", "approve-refund-limit", proposal_id, **as_first)
    approved = called("organization", "approve-refund-limit", proposal_id, **as_second)

    assert (alone.exit_code, "another person" in alone.stderr) == (1, True)
    assert approved == "refunds above 500000 đồng are approved by a second person\n"
    again = call("organization", "approve-refund-limit", proposal_id, **as_second)
    assert again.exit_code == 1


def test_proposal_of_another_kind_is_not_approved_as_a_refund_limit(
    hospital: DemoHospital, database: DatabaseAddress
) -> None:
    assert hospital.organization_id == 1
    person = ("key", "add", "--organization", "1", "--role", "finance", "--name")
    first = called(*person, "a", "--person", "An", VIENPHI_OWNER_URL=database.owner_url).strip()
    second = called(*person, "b", "--person", "Bình", VIENPHI_OWNER_URL=database.owner_url).strip()
    account = ("--role", "safe", "--number", "1118", "--name", "Tiền mặt", "--from", "2099-01-01")
    database_url = {"VIENPHI_DATABASE_URL": database.app_url}
    proposal_id = called("chart", "set", *account, **database_url, VIENPHI_KEY=first).split()[1]

    refused = call("organization", "approve-refund-limit", proposal_id, **database_url, VIENPHI_KEY=second)
    approved = called("chart", "approve", proposal_id, **database_url, VIENPHI_KEY=second)

    assert (refused.exit_code, "its kind is chart" in refused.stderr) == (1, True)
    assert approved == "approved\n"

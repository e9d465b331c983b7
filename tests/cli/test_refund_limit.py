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
    other_kind = call("organization", "approve-refund-limit", proposal_id, **as_second)
    assert other_kind.exit_code == 1

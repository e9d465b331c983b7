"""`vienphi ledger opening-balances`: proposed by one person, approved and posted by another, once."""

from pathlib import Path

from billing.core.clock import business_date
from billing.db.context import utc_now
from tests.builders import DemoHospital
from tests.cli.commands import call, called
from tests.conftest import DatabaseAddress


def test_opening_balances_are_posted_when_another_person_approves(
    hospital: DemoHospital, database: DatabaseAddress, tmp_path: Path
) -> None:
    assert hospital.organization_id == 1
    owner = {"VIENPHI_OWNER_URL": database.owner_url}
    person = ("key", "add", "--organization", "1", "--role", "finance")
    first = called(*person, "--name", "a", "--person", "An", **owner).strip()
    second = called(*person, "--name", "b", "--person", "Bình", **owner).strip()
    as_first = {"VIENPHI_DATABASE_URL": database.app_url, "VIENPHI_KEY": first}
    as_second = {**as_first, "VIENPHI_KEY": second}
    path = tmp_path / "opening.csv"
    propose = ("ledger", "opening-balances", str(path), "--first-day", business_date(utc_now()).isoformat())
    path.write_text("role,subject,number,amount\nsafe,,,5\nrevenue,,,-4\n")
    unbalanced = call(*propose, **as_first)
    path.write_text("role,subject,number,amount\nsafe,,,5\nrevenue,,,-5\n")

    proposed = called(*propose, **as_first)
    proposal_id = proposed.split()[1].rstrip(":")
    alone = call("ledger", "approve-opening-balances", proposal_id, **as_first)
    approved = called("ledger", "approve-opening-balances", proposal_id, **as_second)
    again = call("ledger", "approve-opening-balances", proposal_id, **as_second)
    twice = call(*propose, **as_first)

    assert (unbalanced.exit_code, "debits less credits are 1 đồng" in unbalanced.stderr) == (1, True)
    assert proposed.startswith("proposed ")
    assert "2 accounts" in proposed
    assert (alone.exit_code, "another person" in alone.stderr) == (1, True)
    assert approved == "posted\n"
    assert (again.exit_code, twice.exit_code) == (1, 1)
    assert "books_have_begun" in twice.stderr
    balances = called("ledger", "balances", "--organization", "1", VIENPHI_DATABASE_URL=database.app_url)
    assert balances.splitlines()[-1].split() == ["5", "5"]

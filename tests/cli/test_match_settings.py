"""`vienphi reconciliation set-contract` and `set-rules`: proposed by one person, approved by another."""

from tests.builders import ACCOUNT_NAME, DemoHospital
from tests.cli.commands import call, called
from tests.conftest import DatabaseAddress


def test_contract_and_rules_are_proposed_by_one_person_and_approved_by_another(
    hospital: DemoHospital, database: DatabaseAddress
) -> None:
    assert hospital.organization_id == 1
    owner = {"VIENPHI_OWNER_URL": database.owner_url}
    person = ("key", "add", "--organization", "1", "--role", "finance")
    first = called(*person, "--name", "a", "--person", "An", **owner).strip()
    second = called(*person, "--name", "b", "--person", "Bình", **owner).strip()
    as_first = {"VIENPHI_DATABASE_URL": database.app_url, "VIENPHI_KEY": first}
    as_second = {**as_first, "VIENPHI_KEY": second}
    contract = ("set-contract", "--account", ACCOUNT_NAME, "--from", "2026-01-01", "--pays-out")
    fee = ("--fee-basis-points", "50", "--fee-fixed", "1000")

    proposed = called("reconciliation", *contract, *fee, **as_first).split()[1]
    alone = call("reconciliation", "approve-contract", proposed, **as_first)
    other_kind = call("reconciliation", "approve-rules", proposed, **as_second)
    called("reconciliation", "approve-contract", proposed, **as_second)
    rules = ("set-rules", "--tolerance", "500", "--term", "payout", "3", "--cut-off", "16:30")
    proposed_rules = called("reconciliation", *rules, **as_first).split()[1]
    called("reconciliation", "approve-rules", proposed_rules, **as_second)

    assert (alone.exit_code, "another person" in alone.stderr) == (1, True)
    assert (other_kind.exit_code, "not of the kind match_rules" in other_kind.stderr) == (1, True)
    listed = called("reconciliation", "list-contracts", **as_first)
    assert listed == f"{ACCOUNT_NAME}  from 2026-01-01  pays out batches  50 basis points + 1000 đồng\n"
    newest, first_version = called("reconciliation", "list-rules", **as_first).splitlines()
    assert newest.startswith("version 2  ")
    assert all(text in newest for text in ("tolerance 500", "cut_off 16:30", "payout 3 days"))
    assert first_version.startswith("version 1  ")

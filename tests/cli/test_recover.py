"""`vienphi recover`: polls the providers after a restore and prints the next steps."""

from tests.builders import ACCOUNT_NAME, DemoHospital
from tests.cli.commands import call, called
from tests.conftest import DatabaseAddress


def test_recovery_prints_what_it_did_and_the_next_steps(hospital: DemoHospital, database: DatabaseAddress) -> None:
    settings = {
        "VIENPHI_DATABASE_URL": database.app_url,
        "VIENPHI_SECRET_SANDBOX": hospital.settings.secret.get_secret_value(),
    }

    printed = called("recover", "--organization", "1", "--since", "2026-07-31T14:00", **settings).splitlines()
    future = call("recover", "--organization", "1", "--since", "2199-01-01", **settings)

    assert printed[0] == "polled providers about 0 of 0 intents"
    assert f"import again: statements of bank account {hospital.settings.account_number} from 2026-07-31" in printed
    assert f"request redelivery: callbacks of {ACCOUNT_NAME} since 2026-07-31T14:00+07:00" in printed
    assert (future.exit_code, "in the future" in future.stderr) == (1, True)

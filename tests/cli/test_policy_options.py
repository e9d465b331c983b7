"""`vienphi policy`, and policy options tried without a database."""

import json
from pathlib import Path

from click.testing import CliRunner

from billing.cli import main
from tests.builders import FACILITY_CODE
from tests.cli.commands import run
from tests.cli.test_tariff import Persons, persons

__all__ = ["persons"]

CASES = Path(__file__).parents[1] / "cases" / "bhyt"


def test_policy_is_set_by_two_persons(persons: Persons) -> None:
    proposed = run(
        "policy", "set", "--facility", FACILITY_CODE, "--from", "2026-07-01", "copay_crossing=cap", **persons.a
    )
    policy_id = proposed.stdout.split()[1]
    again = run("policy", "approve", policy_id, **persons.also_a)
    approved = run("policy", "approve", policy_id, **persons.b)
    shown = run("policy", "show", "--facility", FACILITY_CODE, **persons.a)

    assert "vienphi policy approve" in proposed.stdout
    assert (again.returncode, "second_person_required" in again.stderr) == (1, True)
    assert approved.stdout == "approved\n"
    assert "approved (A/B)  copay_crossing=cap" in shown.stdout


def test_every_option_is_listed_with_its_open_question() -> None:
    options = CliRunner().invoke(main, ["policy", "list", "--lang", "en"], env={"COLUMNS": "200"}).output

    assert "line: the whole line at the card's level (default)" in options
    assert "No text states how this line is split." in options


def test_reading_is_tried_without_a_database() -> None:
    # 300 000 off line below 15 %: 50 % of all, or of the card's 80 %.
    def patient_pays(*options: str) -> int:
        result = CliRunner().invoke(main, ["quote", *options, str(CASES / "bhyt-030.json")])
        amount: int = json.loads(result.output)["visits"][0]["patient_pays"]
        return amount

    assert patient_pays() == 150_000
    assert patient_pays("--policy", "out_of_route_small_visit_at_full_rate=False") == 180_000


def test_reading_that_cannot_be_is_refused_by_name() -> None:
    case = str(CASES / "bhyt-030.json")
    for options in ("copay_crossing", "copay_crossing=half", "no=1", "stent_ceiling_percents="):
        result = CliRunner().invoke(main, ["quote", "--policy", options, case])
        assert result.exit_code == 2
        assert "vienphi policy list" in result.output
    twice = ["--policy", "copay_crossing=cap", "--policy", "copay_crossing=line"]
    assert "each name once" in CliRunner().invoke(main, ["claim", "check", *twice, case]).output

"""Commands where there are several cells: each finds that of its organization, and none leaves one out silently."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result

from tests.builders import add_demo_hospital
from tests.cli.commands import call, called
from tests.conftest import DatabaseAddress, DatabaseServer

CLI = Path(__file__).parents[2] / "billing" / "cli"
NOWHERE = "postgresql://nobody@127.0.0.1:1/nowhere"
AWAY = {"VIENPHI_CELLS__NORTH__DATABASE_URL": NOWHERE, "VIENPHI_CELLS__NORTH__OWNER_URL": NOWHERE}
OF_AN_ORGANIZATION = [
    ("key", "list"),
    ("organization", "list-exceptions"),
    ("ledger", "balances"),
    ("reprice", "--workers", "1"),
]
"""One for each way to open a database."""
_OPENED = re.compile(r"\b(Database\.open|open_service|open_database|require_migrated)\(")
_MAY_OPEN = {
    "cells.py",  # for every command
    "startup.py",  # `serve`, `worker` and `integration`: all cells
    "backup.py",  # one cell after the other
    "ledger.py",  # a restored cluster, which is no cell
    "demo.py",
    "demo_hospital.py",
    "run.py",
}


@pytest.fixture
def north(database_server: DatabaseServer, migrated_template: str) -> Iterator[DatabaseAddress]:
    address = database_server.create(migrated_template)
    yield address
    database_server.drop(address.name)


@pytest.fixture
def addresses(database_server: DatabaseServer, database: DatabaseAddress, north: DatabaseAddress) -> dict[str, str]:
    """The first organization is at home, the second in the north."""
    database_server.run(add_demo_hospital(database.owner_url, organization=1))
    database_server.run(add_demo_hospital(north.owner_url, organization=2, facility_code="01002"))
    return {
        "VIENPHI_DATABASE_URL": database.app_url,
        "VIENPHI_OWNER_URL": database.owner_url,
        "VIENPHI_CELLS__NORTH__DATABASE_URL": north.app_url,
        "VIENPHI_CELLS__NORTH__OWNER_URL": north.owner_url,
    }


def refusal(result: Result) -> str:
    """The message of a command that is refused: one sentence."""
    assert result.exit_code == 1, result.output
    assert result.stderr.count("\n") == 1, result.stderr
    return result.stderr


def test_command_about_an_organization_reaches_its_cell(addresses: dict[str, str]) -> None:
    for command in OF_AN_ORGANIZATION:
        called(*command, "--organization", "2", **addresses)


def test_cell_that_is_away_stops_the_commands_about_its_organizations_only(addresses: dict[str, str]) -> None:
    for command in OF_AN_ORGANIZATION:
        called(*command, "--organization", "1", **addresses | AWAY)
        words = refusal(call(*command, "--organization", "2", **addresses | AWAY))
        assert "cells do not answer, and an organization may be there (north: " in words, command


def test_commands_about_all_organizations_do_every_cell_and_name_it(addresses: dict[str, str]) -> None:
    assert "organizations 2, cells home, north" in called("ledger", "verify", **addresses)
    assert "organizations 1, cells north" in called("ledger", "verify", "--cell", "north", **addresses)
    listed = called("organization", "list", **addresses).splitlines()
    assert [(line.split()[0], line.split()[-1]) for line in listed] == [("1", "home"), ("2", "north")]
    assert called("migrate", **addresses).splitlines() == [
        "cell home: nothing to apply",
        "cell north: nothing to apply",
    ]
    assert called("migrate", "--cell", "north", **addresses) == "cell north: nothing to apply\n"
    assert "cell north: 0 partitions detached" in called("privacy", "detach-partitions", **addresses)
    assert "there is no cell south" in refusal(call("migrate", "--cell", "south", **addresses))


def test_commands_about_all_organizations_end_with_a_refusal_where_a_cell_is_away(
    addresses: dict[str, str],
) -> None:
    for command, done in (
        (("ledger", "verify"), "the books hold"),
        (("reprice", "--workers", "1"), "0 "),
        (("organization", "list"), "cell home"),
        (("migrate",), "cell home: nothing to apply"),
        (("privacy", "detach-partitions"), "cell home: 0 partitions"),
    ):
        result = call(*command, **addresses | AWAY)
        assert done in result.stdout, command
        assert "these cells were left out; repeat the command when they answer (north: " in refusal(result), command
    without_home = {**addresses, "VIENPHI_DATABASE_URL": NOWHERE}
    assert "organizations 1, cells north" in call("ledger", "verify", **without_home).stdout
    assert "(home: " in refusal(call("ledger", "verify", **without_home))
    assert "(home: " in refusal(call("ledger", "balances", "--organization", "1", **without_home))


def test_new_organization_has_a_number_that_no_cell_has(addresses: dict[str, str]) -> None:
    unit = ("--name", "N", "--tax-code", "0100000009", "--facility-code", "01009")

    taken = call("organization", "add", "--id", "2", *unit, **addresses)
    unsure = call("organization", "add", "--id", "3", *unit, **addresses | AWAY)
    added = called("organization", "add", "--id", "3", *unit, "--cell", "north", **addresses)

    assert "organization 2 is in the cell north" in refusal(taken)
    assert "an organization may be there (north: " in refusal(unsure)
    assert added.startswith("cell north: organization 3 added")
    assert "  3  N" in called("organization", "list", **addresses)


def test_rebase_names_the_cell_that_was_restored(addresses: dict[str, str]) -> None:
    unnamed = call("ledger", "rebase", **addresses)

    assert (unnamed.exit_code, "--cell" in unnamed.stderr) == (2, True)
    assert called("ledger", "rebase", "--cell", "north", **addresses) == "cell north: nothing to do\n"


def test_backups_of_every_cell_are_checked(addresses: dict[str, str], tmp_path: Path) -> None:
    """Without barman: each cell has its problem, under the name of its server."""
    program = {"VIENPHI_BACKUP__PROGRAM": str(tmp_path / "no-barman")}

    result = call("backup", "check", **addresses, **program)
    one = call("backup", "check", "--cell", "north", **addresses, **program)
    anchored = call("backup", "check", "--anchor", f"2026-07-31:{'0' * 64}", **addresses, **program)

    assert (result.exit_code, one.exit_code, anchored.exit_code) == (1, 1, 2)
    assert [line for line in result.stdout.splitlines() if line.endswith("1 PROBLEMS")] == [
        "cell home: 1 PROBLEMS",
        "cell north: 1 PROBLEMS",
    ]
    assert "cell home" not in one.stdout


def test_no_command_opens_a_database_past_the_cells() -> None:
    opening = {
        path.name for path in CLI.glob("*.py") if _OPENED.search(path.read_text("utf-8")) and path.name not in _MAY_OPEN
    }

    assert opening == set()

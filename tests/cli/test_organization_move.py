"""`vienphi organization move`: what it refuses before it connects, in one sentence."""

import pytest
from click.testing import CliRunner

from billing.cli import main as vienphi

ADDRESS = "postgresql://postgres@127.0.0.1:1/vienphi"


def run(*arguments: str, **cells: str) -> str:
    environment = {"VIENPHI_ADMIN_URL": ADDRESS, **{f"VIENPHI_CELLS__{name}": value for name, value in cells.items()}}
    result = CliRunner().invoke(vienphi, ["organization", "move", *arguments], env=environment)
    assert result.exit_code == 1
    return result.output


def test_cell_that_is_not_in_the_settings_is_refused() -> None:
    words = run("1", "--to", "south", NORTH__DATABASE_URL=ADDRESS, NORTH__ADMIN_URL=ADDRESS)

    assert "there is no cell south; the setting cells has home, north" in words


def test_cell_without_the_address_of_its_superuser_is_refused() -> None:
    assert "admin_url of the cell north is missing" in run("1", "--to", "north", NORTH__DATABASE_URL=ADDRESS)


def test_cell_that_does_not_answer_leaves_the_command_to_be_repeated() -> None:
    words = run("1", "--to", "north", NORTH__DATABASE_URL=ADDRESS, NORTH__ADMIN_URL=ADDRESS)

    assert "a connection was lost" in words
    assert "repeat the command" in words


@pytest.mark.parametrize("name", ["home", "Süd", "9"])
def test_name_of_a_cell_is_checked(name: str) -> None:
    words = run("1", "--to", name, **{f"{name.upper()}__DATABASE_URL": ADDRESS})

    assert "cells" in words

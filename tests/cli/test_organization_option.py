"""The option --organization is one for every command, and a list of an unknown organization is refused, not empty."""

from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from billing.__main__ import main
from billing.cli.numbers import ORGANIZATION_NUMBER
from tests.cli.commands import call
from tests.cli.test_operations import assert_one_line
from tests.conftest import DatabaseAddress

UNKNOWN = ("--organization", "77")
LISTS = [
    ("account", "list"),
    ("key", "list"),
    ("person", "list"),
    ("webhook", "list"),
    ("webhook", "list-dead"),
    ("organization", "list-exceptions"),
    ("ledger", "balances"),
]


def options(command: click.Command, path: str) -> Iterator[tuple[str, click.Parameter]]:
    """Every --organization below a command, with the command's name."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from options(inner, f"{path} {name}")
    for parameter in command.params:
        if "--organization" in parameter.opts:
            yield path, parameter


def test_option_takes_the_same_numbers_everywhere() -> None:
    found = list(options(main, "vienphi"))

    assert len(found) > 20
    assert [path for path, parameter in found if parameter.type is not ORGANIZATION_NUMBER] == []


@pytest.mark.parametrize("command", LISTS, ids=" ".join)
def test_list_of_an_unknown_organization_is_refused(database: DatabaseAddress, command: tuple[str, ...]) -> None:
    addresses = {"VIENPHI_OWNER_URL": database.owner_url, "VIENPHI_DATABASE_URL": database.app_url}

    refused = call(*command, *UNKNOWN, **addresses)

    assert refused.exit_code == 1
    assert_one_line(refused.stderr, "no such organization")


def test_account_of_an_unknown_organization_is_refused_as_such(database: DatabaseAddress, tmp_path: Path) -> None:
    addresses = {"VIENPHI_OWNER_URL": database.owner_url, "VIENPHI_DATABASE_URL": database.app_url}
    settings = tmp_path / "settings.json"
    settings.write_text('{"merchant_id": "m"}')
    account = ("--settings", str(settings), "--name", "b", "--provider", "sandbox")
    bank = ("--bank-bin", "970422", "--account-number", "1", "--holder", "X")

    refused = call("account", "add", *UNKNOWN, *account, *bank, **addresses, VIENPHI_SECRET_B="s" * 32)

    assert refused.exit_code == 1
    assert_one_line(refused.stderr, "no such organization")


def test_argument_that_is_no_utf8_is_one_sentence(database: DatabaseAddress) -> None:
    written = b"Vi\xe9n".decode("utf-8", "surrogateescape")  # as Python reads the byte of a Latin-1 terminal
    addresses = {"VIENPHI_OWNER_URL": database.owner_url, "VIENPHI_DATABASE_URL": database.app_url}
    unit = ("--id", "1", "--tax-code", "0100000001", "--facility-code", "01001", "--facility-name", "F")

    refused = call("organization", "add", "--name", written, *unit, "--technical-level", "basic", **addresses)

    assert refused.exit_code == 1
    assert_one_line(refused.stderr, "UTF-8")

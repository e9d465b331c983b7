"""The option `--policy NAME=VALUE`: policy options, tried without a database or proposed for a facility."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

from billing.core.errors import InvalidValue
from billing.coverage.domain.policy import Policy
from billing.coverage.formats.policy_json import read_policy_options

Command = TypeVar("Command", bound=Callable[..., Any])


def parse_policy_options(pairs: Iterable[str]) -> dict[str, str]:
    """Policy options by name from `NAME=VALUE`. Raises BadParameter for an unknown, repeated or invalid option."""
    options: dict[str, str] = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign or name in options:
            raise click.BadParameter(f"{pair}: NAME=VALUE is expected, each name once; see: vienphi policy list")
        options[name] = value
    try:
        read_policy_options(options)
    except InvalidValue as refusal:
        raise click.BadParameter(f"{refusal.field}: {refusal.detail}; see: vienphi policy list") from refusal
    return options


def policy_option(command: Command) -> Command:
    """Add the option to a command, which receives the facility policy as `policy`."""
    return click.option(
        "--policy",
        "policy",
        multiple=True,
        metavar="NAME=VALUE",
        callback=_policy,
        help="A policy option of the facility; may be repeated. See: vienphi policy list",
    )(command)


def _policy(_context: click.Context, _parameter: click.Parameter, pairs: tuple[str, ...]) -> Policy:
    return read_policy_options(parse_policy_options(pairs))

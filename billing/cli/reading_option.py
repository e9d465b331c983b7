"""The option `--reading NAME=VALUE`: a facility's readings, tried without a database or proposed for one."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

from billing.core.errors import InvalidValue
from billing.coverage.domain.policy import Policy
from billing.coverage.formats.policy_json import read_readings

Command = TypeVar("Command", bound=Callable[..., Any])


def parse_policy_options(pairs: Iterable[str]) -> dict[str, str]:
    """Readings by name from `NAME=VALUE`. Raises BadParameter for one that is none, is told twice or cannot be."""
    readings: dict[str, str] = {}
    for pair in pairs:
        name, mark, value = pair.partition("=")
        if not mark or name in readings:
            raise click.BadParameter(f"{pair}: NAME=VALUE is expected, each name once; see: vienphi readings list")
        readings[name] = value
    try:
        read_readings(readings)
    except InvalidValue as refusal:
        raise click.BadParameter(f"{refusal.field}: {refusal.detail}; see: vienphi readings list") from refusal
    return readings


def reading_option(command: Command) -> Command:
    """Give a command the option; it gets the readings as `policy`."""
    return click.option(
        "--reading",
        "policy",
        multiple=True,
        metavar="NAME=VALUE",
        callback=_policy,
        help="How the facility reads what the law leaves open; may be repeated. See: vienphi readings list",
    )(command)


def _policy(_context: click.Context, _parameter: click.Parameter, pairs: tuple[str, ...]) -> Policy:
    return read_readings(parse_policy_options(pairs))

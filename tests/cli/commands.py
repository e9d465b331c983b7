"""Runs commands in this process, as an operator types them, with an environment that holds what the test gives."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from click.testing import CliRunner, Result

from billing.cli import main


@contextmanager
def environment(given: Mapping[str, str]) -> Iterator[None]:
    """Of what vienphi reads from the environment, only what is given."""
    before = dict(os.environ)
    for name in before:
        if name.startswith("VIENPHI_"):
            del os.environ[name]
    os.environ.update(given)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def call(*arguments: str, **given: str) -> Result:
    """Run one command; `stdout`, `stderr` and `exit_code` are those of the process it would be."""
    with environment(given):
        return CliRunner().invoke(main, [str(each) for each in arguments], prog_name="vienphi")


def called(*arguments: str, **given: str) -> str:
    """Run one command that must succeed, and give what it prints."""
    result = call(*arguments, **given)
    assert result.exit_code == 0, result.output
    return result.stdout

"""Runs commands in this process, as an operator types them, with an environment that holds what the test gives."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from subprocess import CompletedProcess

from click.testing import CliRunner, Result

from billing.cli import main

TIME_LIMIT_S = 120


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


def call(*arguments: str, typed: str = "", **given: str) -> Result:
    """Run one command, to which `typed` is typed; `stdout`, `stderr` and `exit_code` are as of a process."""
    with environment(given):
        return CliRunner().invoke(main, [str(each) for each in arguments], prog_name="vienphi", input=typed)


def called(*arguments: str, **given: str) -> str:
    """Run one command that must succeed, and give what it prints."""
    result = call(*arguments, **given)
    assert result.exit_code == 0, result.output
    return result.stdout


def run(*arguments: str, **given: str) -> CompletedProcess[str]:
    """Run one command in this process; the result is that of `run_process`.

    An exception that no command may let out fails the test as itself.
    """
    result = call(*arguments, **{"LANG": "C.UTF-8", **given})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return CompletedProcess([*arguments], result.exit_code, result.stdout, result.stderr)


def run_process(*arguments: str, **given: str) -> CompletedProcess[str]:
    """Run one command as an operator does, in a process of its own, which takes seconds to start."""
    return subprocess.run(
        [sys.executable, "-m", "billing", *arguments],
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT_S,
        check=False,
        env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", **given},
    )

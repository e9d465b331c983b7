"""A provider of somebody else's: installed as any package, found by its name, and held to the same promises."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "piggybank"

_FIND = """
from providers.registry import installed_providers, provider_class
from providers.contract import Callbacks, Queries
found = provider_class("piggybank")
print(",".join(installed_providers()), found.__module__, issubclass(found, Callbacks), issubclass(found, Queries))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = tmp_path_factory.mktemp("source") / "piggybank"
    shutil.copytree(EXAMPLE, source)  # a build writes into its source directory
    target = tmp_path_factory.mktemp("target")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
    offline = ["--no-deps", "--no-build-isolation", "--no-index", "--target", str(target)]
    done = subprocess.run([*pip, *offline, str(source)], check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return target


def python(installed: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(installed), str(ROOT)])}
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=120, cwd=installed, env=environment
    )


def test_installed_provider_is_found_by_its_entry_point(installed: Path) -> None:
    found = python(installed, "-c", _FIND)

    assert found.returncode == 0, found.stderr
    names, module, takes_callbacks, can_be_queried = found.stdout.split()
    assert {"piggybank", "sandbox"} <= set(names.split(","))
    assert (module, takes_callbacks, can_be_queried) == ("piggybank", "True", "True")


def test_its_own_test_runs_the_suite_and_holds(installed: Path) -> None:
    tests = EXAMPLE / "tests" / "test_piggybank.py"

    done = python(installed, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(installed), str(tests))

    assert done.returncode == 0, done.stdout + done.stderr
    assert "failed" not in done.stdout

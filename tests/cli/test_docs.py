"""The commands, settings and metrics that README and docs name are those of the program."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from pydantic import BaseModel

from billing.settings import Settings
from tests.cli.test_run import Running, running  # noqa: F401 - the fixture

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
OPERATIONS = (ROOT / "docs" / "operations.md").read_text("utf-8")


def calls_of_readme() -> list[str]:
    section = README.split("\n## Connect a hospital", 1)[1].split("\n## ", 1)[0]
    lines = "".join(line[4:] + "\n" for line in section.splitlines() if line.startswith("    "))
    return re.findall(r"^curl (?:.*\\\n)*.*$", lines, re.MULTILINE)


def test_five_calls_of_the_readme_end_in_a_paid_invoice(running: Running) -> None:  # noqa: F811
    key = re.findall(r"key (vp_\S+):", running.printed)[0]
    service = re.findall(r"(http://127\.0\.0\.1:\d+)/docs", running.printed)[0]
    known = {"KEY": key}
    calls = calls_of_readme()
    assert len(calls) == 5
    answer = ""
    for call in calls:
        command = call.replace("http://127.0.0.1:8080", service).replace("http://127.0.0.1:8081", running.bank)
        done = subprocess.run(
            command.replace("curl ", "curl --silent --show-error --fail-with-body ", 1),
            shell=True,
            cwd=ROOT,
            env={"PATH": os.defpath, **known},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, (call, done.stdout, done.stderr)
        answer = done.stdout
        for name, path in re.findall(r"# (\w+) = (\S+)", call):
            value = json.loads(answer)
            for step in re.findall(r"\w+", path):
                value = value[int(step)] if step.isdecimal() else value[step]
            known[name] = value
    invoice = json.loads(answer)
    assert (invoice["owed"], invoice["shares"]["patient"] > 0) == (0, True)


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_every_setting_is_in_the_table_of_operations(name: str) -> None:
    section = OPERATIONS.split("\n## Settings\n", 1)[1].split("\n## ", 1)[0]
    row = next((row for row in section.splitlines() if row.startswith("|") and f"`{name}`" in row.split("|")[1]), None)
    assert row is not None
    default = Settings.model_fields[name].default
    if isinstance(default, BaseModel):
        for field, value in default.model_dump().items():
            shown = {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
            assert f"`{field}` {shown}" in row


def test_every_metric_is_in_the_table_of_operations() -> None:
    written = (ROOT / "billing" / "web" / "metrics.py").read_text("utf-8")
    metrics = set(re.findall(r'"(vienphi_\w+)"', written))
    assert len(metrics) > 5
    assert metrics - set(re.findall(r"`(vienphi_\w+)`", OPERATIONS)) == set()

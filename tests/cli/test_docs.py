"""The settings and metrics that docs name are those of the program."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from billing.settings import Settings

ROOT = Path(__file__).parents[2]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text("utf-8")


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
    files = ("web/metrics.py", "worker/metrics.py", "ops/process_metrics.py")
    written = "".join((ROOT / "billing" / name).read_text("utf-8") for name in files)
    metrics = set(re.findall(r'"(vienphi_\w+)"', written))
    assert len(metrics) > 30
    assert metrics - set(re.findall(r"`(vienphi_\w+)`", OPERATIONS)) == set()

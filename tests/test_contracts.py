"""The contract of independent use cases names every module of a service but the steps of docs/design.md §3.1."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_service_module_is_a_use_case_a_step_or_a_context() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    [independent] = [each["modules"] for each in contracts if each["type"] == "independence"]
    design = (ROOT / "docs" / "design.md").read_text("utf-8")
    listed = design.partition("Steps: ")[2].partition("Planned steps:")[0]
    steps = {f"billing.{name}" for name in re.findall(r"`(\w+\.service\.\w+)`", listed)}

    modules = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in (ROOT / "billing").glob("*/service/*.py")
        if path.stem not in ("__init__", "context")
    }

    assert steps.isdisjoint(independent)
    assert modules == {*independent, *steps}

"""Alert rules and dashboard name metrics that the processes expose on their ports, and sections that exist."""

import asyncio
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.builders import add_demo_hospital
from tests.cli.durable import DurableDatabase

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docker" / "monitoring"
OPERATIONS = (ROOT / "docs" / "operations.md").read_text("utf-8")
ALERTS: dict[str, Any] = yaml.safe_load((FOLDER / "alerts.yaml").read_text("utf-8"))
RULES: list[dict[str, Any]] = [rule for group in ALERTS["groups"] for rule in group["rules"]]
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "dashboard.json").read_text("utf-8"))
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
EXPRESSIONS = [
    *(rule["expr"] for rule in RULES),
    *(target["expr"] for panel in PANELS for target in panel["targets"]),
]
_HISTOGRAM_PARTS = ("_bucket", "_sum", "_count")


@contextmanager
def process(command: str, event: str, **environment: str) -> Iterator[str]:
    """A running `vienphi serve` or `worker`; gives the address that the log line of its port states."""
    running = subprocess.Popen(
        [sys.executable, "-m", "billing", command],
        stderr=subprocess.PIPE,
        text=True,
        env={"PATH": "/usr/bin:/bin", "VIENPHI_LOG_FORMAT": "json", **environment},
    )
    try:
        assert running.stderr is not None
        line = next(line for line in running.stderr if event in line)
        yield json.loads(line)["at"]
    finally:
        running.kill()
        running.wait()


def read(address: str) -> dict[str, set[str]]:
    """The metrics of a port, by name, each with the labels that its samples have."""
    text = httpx.get(f"{address}/metrics", trust_env=False).raise_for_status().text
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        names = {family.name, f"{family.name}_total"} if family.type == "counter" else {family.name}
        if family.type == "histogram":
            names = {family.name + part for part in _HISTOGRAM_PARTS}
        for name in names:
            found[name] = {label for sample in family.samples for label in sample.labels}
    return found


@pytest.fixture(scope="module")
def exposed(durable_database: DurableDatabase) -> dict[str, set[str]]:
    """Every metric of both processes; the worker has measured once."""
    asyncio.run(add_demo_hospital(durable_database.owner_url))
    url = {"VIENPHI_DATABASE_URL": durable_database.app_url, "VIENPHI_PORT": "0"}
    port = {"VIENPHI_WORKER_HTTP__PORT": "0", "VIENPHI_WORKER__MEASURE_S": "1"}
    with (
        process("serve", "serving_started", **url) as web,
        process("worker", "worker_port_opened", **url, **port) as worker,
    ):
        assert httpx.get(f"{worker}/healthz", trust_env=False).json() == {"status": "ok"}
        ready = httpx.get(f"{worker}/readyz", trust_env=False)
        assert (ready.status_code, ready.json()["status"]) == (200, "ready")
        while "vienphi_organizations 1.0" not in httpx.get(f"{worker}/metrics", trust_env=False).text:
            time.sleep(0.1)
        return read(web) | read(worker)


def metrics_of(expression: str) -> set[str]:
    return set(re.findall(r"\bvienphi_\w+", expression))


def test_every_metric_of_rules_and_dashboard_is_exposed(exposed: dict[str, set[str]]) -> None:
    named = {metric for expression in EXPRESSIONS for metric in metrics_of(expression)}

    assert len(named) > 25
    assert named - exposed.keys() == set()


def test_every_exposed_metric_is_on_the_dashboard(exposed: dict[str, set[str]]) -> None:
    shown = {metric for panel in PANELS for target in panel["targets"] for metric in metrics_of(target["expr"])}
    shown = {re.sub("_(bucket|sum|count|total)$", "", name) for name in shown}

    ours = {re.sub("_(bucket|sum|count|total)$", "", name) for name in exposed if name.startswith("vienphi_")}
    assert {name for name in ours - shown if not name.endswith("_created")} == set()


def test_labels_that_rules_select_or_group_by_are_those_of_the_metric(exposed: dict[str, set[str]]) -> None:
    """A metric without a sample yet states no label, so only those with samples are compared."""
    wrong = []
    for expression in EXPRESSIONS:
        grouped = {name for group in re.findall(r"\bby \(([^)]*)\)", expression) for name in re.split(r",\s*", group)}
        known = {label for name in metrics_of(expression) for label in exposed[name]}
        if known and not grouped <= known | {"le"}:
            wrong.append((expression, grouped - known))

    assert wrong == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_a_rule_states_its_wait_its_severity_and_a_section_of_the_runbook(rule: dict[str, Any]) -> None:
    page, _, anchor = rule["annotations"]["runbook"].partition("#")
    headings = [line.removeprefix("### ").lower() for line in OPERATIONS.splitlines() if line.startswith("### ")]

    assert page == "docs/operations.md"
    assert anchor in headings
    assert anchor == rule["alert"].lower()
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert re.fullmatch(r"\d+[mh]", rule["for"])
    assert rule["annotations"]["summary"]


def test_alarms_of_the_runbook_have_a_rule() -> None:
    section = OPERATIONS.split("\n## Alarms\n", 1)[1].split("\n## ", 1)[0]

    assert set(re.findall(r"^### (\w+)$", section, re.M)) == {rule["alert"] for rule in RULES}


def test_scrape_configuration_reads_the_rules_and_the_ports_of_compose() -> None:
    configuration = yaml.safe_load((FOLDER / "prometheus.yaml").read_text("utf-8"))
    compose = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text("utf-8"))
    targets = [each["static_configs"][0]["targets"][0] for each in configuration["scrape_configs"]]

    assert [(FOLDER / name).is_file() for name in configuration["rule_files"]] == [True]
    assert targets[1] == f"worker:{compose['services']['worker']['environment']['VIENPHI_WORKER_HTTP__PORT']}"
    assert targets[0].split(":")[0] in compose["services"]


def test_panels_do_not_overlap_and_have_a_title() -> None:
    places = [
        (x, y)
        for panel in PANELS
        for grid in [panel["gridPos"]]
        for x in range(grid["x"], grid["x"] + grid["w"])
        for y in range(grid["y"], grid["y"] + grid["h"])
    ]

    assert len(places) == len(set(places))
    assert len({panel["title"] for panel in PANELS}) == len({panel["id"] for panel in PANELS}) == len(PANELS)

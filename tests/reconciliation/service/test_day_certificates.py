"""Certificates of closed days, checked by the program of a third party: the good one passes, every altered one is
refused.
"""

import asyncio
import copy
import hashlib
import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from billing.core.clock import business_date
from billing.core.errors import NotFound
from billing.db.database import Database
from billing.ledger.service.seal_rows import find_head_of_day, seal_once
from billing.reconciliation.service.close_day import find_certificate
from billing.reconciliation.service.day_certificates import DayNotSealed
from tests.builders import ACCOUNT_NAME, add_demo_hospital, build_context
from tests.clock import StandingClock
from tests.conftest import DatabaseAddress, DatabaseServer
from tests.flow import OWED, PaymentFlow, assert_books_are_right
from tests.reconciliation.service.days.days import DAY, close, fetch, match, pay, state
from tests.reconciliation.statement_file import Line

VERIFIER = Path(__file__).parents[3] / "docs" / "verify_day.py"


def _load_verifier() -> ModuleType:
    spec = importlib.util.spec_from_file_location("verify_day", VERIFIER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


verify_day = _load_verifier()


async def _close_a_day(flow: PaymentFlow, clock: StandingClock) -> tuple[bytes, str]:
    """A day with a matched line, a line without a match and a payment that is held; its certificate and head."""
    await pay(flow, "T1")
    await pay(flow, "T2", "LK2")
    day = business_date(clock())
    await state(flow, Line(amount=OWED, day=day), Line(amount=-300, day=day), opening=50)
    [line] = await fetch(flow, f"SELECT id FROM statement_line WHERE amount = {OWED}")
    payment, _ = await fetch(flow, "SELECT id FROM payment ORDER BY id")
    await match(flow, line, payment)
    clock.forward(DAY)
    await close(flow, day)
    organization_id = flow.hospital.organization_id
    with pytest.raises(DayNotSealed):
        await find_certificate(flow.context, organization_id, day)
    await seal_once(flow.context, organization_id)
    head = await find_head_of_day(flow.context, organization_id, day)
    assert head is not None
    await assert_books_are_right(flow.context.database)
    return await find_certificate(flow.context, organization_id, day), head.hash.hex()


async def _certify(address: DatabaseAddress) -> tuple[bytes, str]:
    clock = StandingClock()
    hospital = await add_demo_hospital(address.owner_url, clock=clock)
    database = await Database.open(address.app_url)
    try:
        context = build_context(database, clock=clock)
        account = await context.accounts.find(hospital.organization_id, ACCOUNT_NAME)
        assert account is not None
        return await _close_a_day(PaymentFlow(context, hospital, account), clock)
    finally:
        await database.close()


@pytest.fixture(scope="module")
def certified(database_server: DatabaseServer, migrated_template: str) -> Iterator[tuple[bytes, str]]:
    """The certificate of a closed day, and the hash on its closing paper."""
    address = database_server.create(migrated_template)
    yield asyncio.run(_certify(address))
    database_server.drop(address.name)


def test_certificate_passes_the_program_of_a_third_party(certified: tuple[bytes, str], tmp_path: Path) -> None:
    certificate, head = certified
    path = tmp_path / "day.json"
    path.write_bytes(certificate)

    # Isolated from this installation: no path, no packages of ours.
    run = [sys.executable, "-I", "-S", str(VERIFIER), str(path), "--head"]
    passed = subprocess.run([*run, head], capture_output=True, text=True, cwd=tmp_path, check=False)
    other = subprocess.run([*run, "0" * 64], capture_output=True, text=True, cwd=tmp_path, check=False)

    assert passed.returncode == 0, passed.stdout + passed.stderr
    lines = passed.stdout.splitlines()
    assert lines[0].endswith(f"holds: 5 entries, {1_200_000 + 3 * OWED} đồng")
    assert [line.partition(": ")[2] for line in lines[1:3]] == [
        "breaks, residual 0",
        "reconciled_with_pending, residual 0",
    ]
    assert lines[3].endswith(head)
    assert (other.returncode, other.stdout) == (1, "REFUSED: the seal is not the one on the closing paper\n")


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every leaf of a document, empty lists and objects included."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = False
    for key, child in children:
        found = True
        yield from _paths(child, (*path, key))
    if not found:
        yield path


def _altered(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, str):
        return ("1" if value[:1] != "1" else "2") + value[1:]
    return 1 if value is None else [1]


def _set(document: Any, path: tuple[Any, ...], change: Callable[[Any], Any]) -> None:
    for key in path[:-1]:
        document = document[key]
    document[path[-1]] = change(document[path[-1]])


def _is_refused(document: Any) -> bool:
    try:
        verify_day.check(json.dumps(document))
    except verify_day.Refused:
        return True
    return False


def test_every_altered_field_is_refused(certified: tuple[bytes, str]) -> None:
    good = json.loads(certified[0])
    paths = list(_paths(good))
    assert not _is_refused(good)
    assert len(paths) > 120

    accepted = []
    for path in paths:
        altered = copy.deepcopy(good)
        _set(altered, path, _altered)
        if not _is_refused(altered):
            accepted.append(path)

    assert accepted == []


def test_every_removed_or_added_field_is_refused(certified: tuple[bytes, str]) -> None:
    good = json.loads(certified[0])
    accepted = []
    for path in _paths(good):
        removed = copy.deepcopy(good)
        parent = removed
        for key in path[:-1]:
            parent = parent[key]
        del parent[path[-1]]
        added = copy.deepcopy(good)
        parent = added
        for key in path[:-1]:
            parent = parent[key]
        if isinstance(parent, dict):
            parent["another"] = 1
        else:
            parent.append(1)
        accepted += [path for each in (removed, added) if not _is_refused(each)]

    assert accepted == []


def _sealed_again(document: Any) -> Any:
    """The certificate as somebody who owns the database would seal it: every hash fits the changed content."""
    content = hashlib.sha256(verify_day.canonical(document["content"], sort_keys=True)).hexdigest()
    for row in document["sealed_rows"]["day_certificate"]:
        row[2] = content
    for row in document["sealed_rows"]["closing"]:
        row[6:8] = [document["content"]["entries"], document["content"]["amount"]]
    seal = document["seal"]
    for kind, rows in document["sealed_rows"].items():
        lines = b"".join(verify_day.canonical(row) + b"\n" for row in rows)
        seal["parts"][kind] = [len(rows), hashlib.sha256(lines).hexdigest()]
    parts = [[kind, *seal["parts"][kind]] for kind in sorted(seal["parts"])]
    names = ("organization_id", "number", "previous_hash", "covers_from", "covers_until", "sealed_at")
    block = ["vienphi-seal-1", *(seal[name] for name in names), parts]
    seal["hash"] = hashlib.sha256(verify_day.canonical(block)).hexdigest()
    return document


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        (("entries",), None),  # consistent with the closing: only the paper refuses it
        (("amount",), "the debits differ in total"),
        (("balances", 0, "debit"), "the debits differ in total"),
        (("balances", 0, "closing"), "does not close"),
        (("statements", 0, "import_id"), "has no source file"),
        (("statements", 0, "closing"), "do not sum"),
        (("statements", 0, "lines"), "are missing"),
        (("lines", 0, "amount"), "do not sum"),
        (("matches", 0, "items", 0, "amount"), None),
        (("matches", 0, "items", 1, "amount"), "is matched with another amount"),
        (("results", 0, "statement_closing"), "another balance"),
        (("results", 0, "ledger_balance"), "another balance in the ledger"),
        (("results", 0, "residual"), "does not sum"),
        (("results", 0, "items", 0, "amount"), "does not sum"),
        (("results", 1, "items", 0, "amount"), "does not sum"),
        (("results", 0, "open_exceptions"), None),
    ],
)
def test_books_that_were_sealed_again_are_refused_by_their_arithmetic_or_by_the_paper(
    certified: tuple[bytes, str], path: tuple[Any, ...], problem: str | None
) -> None:
    altered = json.loads(certified[0])
    _set(altered["content"], path, _altered)
    text = json.dumps(_sealed_again(altered))

    if problem is None:
        verify_day.check(text)
    else:
        with pytest.raises(verify_day.Refused, match=problem):
            verify_day.check(text)
    with pytest.raises(verify_day.Refused):
        verify_day.check(text, certified[1])


@pytest.mark.parametrize("result", ["reconciled", "reconciled_with_pending", "incomplete"])
def test_result_that_does_not_follow_from_the_bridge_is_refused(certified: tuple[bytes, str], result: str) -> None:
    altered = json.loads(certified[0])
    altered["content"]["results"][0]["result"] = result

    with pytest.raises(verify_day.Refused, match="is breaks"):
        verify_day.check(json.dumps(_sealed_again(altered)))


def test_item_that_is_matched_twice_is_refused(certified: tuple[bytes, str]) -> None:
    altered = json.loads(certified[0])
    altered["content"]["matches"].append({**altered["content"]["matches"][0], "id": "another"})

    with pytest.raises(verify_day.Refused, match="in two matches"):
        verify_day.check(json.dumps(_sealed_again(altered)))


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"format": 1, "format": 2}', "x" * 10])
def test_file_that_is_no_certificate_is_refused(text: str) -> None:
    with pytest.raises(verify_day.Refused):
        verify_day.check(text)


async def test_open_day_and_other_organization_have_no_certificate(
    flow: PaymentFlow, database: DatabaseAddress
) -> None:
    other = await add_demo_hospital(database.owner_url, organization=2, facility_code="79002")

    for organization_id in (flow.hospital.organization_id, other.organization_id):
        with pytest.raises(NotFound):
            await find_certificate(flow.context, organization_id, date(2026, 1, 1))

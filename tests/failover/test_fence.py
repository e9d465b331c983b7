"""The rule of docker/ha/fence.py: in etcd's transactions, and in what etcd and Patroni make of it."""

import json
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from runpy import run_path
from typing import Any

import pytest

from billing.devserver.server_programs import ServerUser
from tests.conftest import skip_by_name
from tests.failover.cluster import HA
from tests.failover.processes import Process, free_ports
from tests.failover.programs import Programs, ProgramsMissing, find_programs
from tests.ports import answers_on

RULE = run_path(str(HA / "fence.py"))
KEYS = {"leader_key": "bGVhZGVy", "sync_key": "c3luYw=="}
IS_ABSENT = {"key": "bGVhZGVy", "target": "CREATE", "create_revision": "0"}
IS_MINE = {"key": "bGVhZGVy", "target": "VALUE", "value": "bWU="}
PUT = {"request_put": {"key": "bGVhZGVy", "value": "bWU=", "lease": "7"}}


def fenced(transaction: dict[str, Any], *, may_lead: bool = True, sync_revision: str | None = "41") -> dict[str, Any]:
    rule = RULE["Fence"](**KEYS, may_lead=may_lead, sync_revision=sync_revision)
    return dict(RULE["fenced"](transaction, rule))


def test_the_leaders_key_is_created_only_while_sync_is_as_it_was_read() -> None:
    create = {"compare": [IS_ABSENT], "success": [PUT]}

    is_unchanged = {"key": "c3luYw==", "target": "MOD", "mod_revision": "41"}
    assert fenced(create) == {"compare": [IS_ABSENT, is_unchanged], "success": [PUT]}
    still_absent = {"key": "c3luYw==", "target": "CREATE", "create_revision": "0"}
    assert fenced(create, sync_revision=None)["compare"] == [IS_ABSENT, still_absent]
    assert create == {"compare": [IS_ABSENT], "success": [PUT]}


def test_a_node_that_sync_does_not_name_creates_it_never() -> None:
    [_, condition] = fenced({"compare": [IS_ABSENT], "success": [PUT]}, may_lead=False)["compare"]

    assert condition == {"key": "bGVhZGVy", "target": "VERSION", "version": "-1"}


def test_a_lease_is_renewed_without_the_rule_and_the_key_created_within_with_it() -> None:
    create = {"compare": [IS_ABSENT], "success": [PUT]}
    update = {"compare": [IS_MINE], "success": [PUT], "failure": [{"request_txn": create}]}

    assert fenced(update) == {**update, "failure": [{"request_txn": fenced(create)}]}


def test_other_transactions_are_left_alone() -> None:
    sync = {"compare": [{"key": "c3luYw==", "target": "MOD", "mod_revision": "3"}], "success": [PUT]}
    initialize = {"compare": [{**IS_ABSENT, "key": "aW5pdGlhbGl6ZQ=="}], "success": [PUT], "failure": [PUT]}

    assert fenced(sync, may_lead=False) == sync
    assert fenced(initialize, may_lead=False) == initialize


@pytest.fixture
def programs() -> Programs:
    try:
        return find_programs()
    except ProgramsMissing as missing:
        skip_by_name("failover", str(missing))


@pytest.fixture
async def etcd(programs: Programs, tmp_path: Path) -> AsyncIterator[int]:
    client, peer = free_ports(2)
    addresses = f"http://127.0.0.1:{client}", f"http://127.0.0.1:{peer}"
    words = [str(programs.etcd), "--name=etcd", f"--data-dir={tmp_path}/etcd", f"--initial-cluster=etcd={addresses[1]}"]
    for name, address in zip(("client", "peer"), addresses, strict=True):
        words += [f"--listen-{name}-urls={address}"]
    words += [f"--advertise-client-urls={addresses[0]}", f"--initial-advertise-peer-urls={addresses[1]}"]
    process = Process("etcd", words, folder=tmp_path, user=ServerUser(None, None))
    process.start()
    try:
        await answers_on(client, timeout_s=30)
        yield client
    finally:
        process.kill()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["fenced", "plain"])
def test_a_former_primary_is_not_given_the_key_that_the_new_one_lost(programs: Programs, etcd: int, kind: str) -> None:
    """Patroni without the rule gives it, so the test can fail."""
    words = [str(programs.python), str(Path(__file__).with_name("fence_steps.py")), f"127.0.0.1:{etcd}", kind]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)

    assert json.loads(done.stdout) == {
        "the first": True,
        "the primary, whose lease ended": True,
        "the standby": True,
        "the former primary, by what it read before": kind == "plain",
        "the former primary, by what it reads now": kind == "plain",
        "the new primary": True,
        "a node that the operator names": True,
    }

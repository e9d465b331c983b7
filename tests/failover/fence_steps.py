"""Run by Patroni's own Python: three nodes and one etcd, where keys of the leader end although their node is there.

Arguments: the address of etcd, and `fenced` or `plain`. One JSON object on stdout: who was given the leader's key.
"""

import json
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from patroni.dcs import get_dcs
from patroni.dcs.etcd3 import LeaseNotFound

HA = Path(__file__).parents[2] / "docker/ha"
TIMES = {"ttl": 20, "loop_wait": 2, "retry_timeout": 5}


def node(name: str) -> Any:
    """The connection of one node's Patroni to etcd."""
    etcd = {"host": sys.argv[1]}
    dcs = get_dcs({"scope": "vienphi", "namespace": "/vienphi/", "name": name, "etcd3": etcd, **TIMES})
    dcs._client._kv_cache = None  # each `get_cluster` then reads what etcd has now
    return dcs


def end_lease(dcs: Any) -> None:
    """The node's lease ends, and its keys with it, as a leader of etcd before 3.5.13 does when it goes on."""
    with suppress(LeaseNotFound):
        dcs._client.call_rpc("/lease/revoke", {"ID": dcs._lease}, None)


def promote(dcs: Any) -> bool:
    """Take the key; if it was given, state in /sync that nobody else has the commits from here on."""
    cluster = dcs.get_cluster()
    if not dcs.acquire_leader_lock():
        return False
    return bool(dcs.write_sync_state(dcs._name, None, 0, version=cluster.sync.version))


def main() -> None:
    if sys.argv[2] == "fenced":
        sys.path.insert(0, str(HA))
        import_module("patroni_fenced")
    old, new, third = node("old"), node("new"), node("third")
    got = {"the first": promote(old)}
    old.write_sync_state("old", ["new"], 0, version=old.get_cluster().sync.version)

    cluster = old.get_cluster()
    end_lease(old)
    got["the primary, whose lease ended"] = old.update_leader(cluster, None)

    before = old.get_cluster()
    end_lease(old)
    got["the standby"] = promote(new)
    end_lease(new)
    got["the former primary, by what it read before"] = old.update_leader(before, None)
    end_lease(old)
    old.get_cluster()
    got["the former primary, by what it reads now"] = old.acquire_leader_lock()
    end_lease(old)
    new.get_cluster()
    got["the new primary"] = new.acquire_leader_lock()

    end_lease(new)
    new.manual_failover("", "third")
    got["a node that the operator names"] = promote(third)
    print(json.dumps({what: bool(each) for what, each in got.items()}))


main()

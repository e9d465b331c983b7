"""The rule by which a node may create the leader's key: only while /sync is as the node last read it, and names it.

A primary whose key has ended creates it again from what it read before, however old that is, and looks at no timeline
(Patroni 4.1.5, dcs/etcd3.py, `_update_leader`). A machine that hung goes on with what it knew before it hung. Where the
new primary's key is missing then, which etcd before 3.5.13 can bring about (etcd issue 15247), the old
primary would be the primary again and the others would be rewound to it: acknowledged commits would be lost.

A new primary writes its name into /sync before it is promoted, and /sync ends with no lease. So etcd compares /sync in
the very transaction that creates the key. `patronictl failover` to a node by its name stays possible.
"""

from dataclasses import dataclass
from typing import Any

_NEVER = {"target": "VERSION", "version": "-1"}


@dataclass(frozen=True, slots=True)
class Fence:
    """What a node read last. The keys are in base64, as in etcd's JSON; without /sync its revision is None."""

    leader_key: str
    sync_key: str
    may_lead: bool
    sync_revision: str | None


def fenced(transaction: dict[str, Any], fence: Fence) -> dict[str, Any]:
    """A transaction of etcd's JSON, with the condition on /sync wherever it creates the leader's key."""
    creates = any(
        each["key"] == fence.leader_key and each["target"] == "CREATE" and int(each["create_revision"]) == 0
        for each in transaction["compare"]
    )
    if creates:
        return {**transaction, "compare": [*transaction["compare"], _condition(fence)]}
    if "failure" not in transaction:
        return transaction
    failure = [
        {"request_txn": fenced(each["request_txn"], fence)} if "request_txn" in each else each
        for each in transaction["failure"]
    ]
    return {**transaction, "failure": failure}


def _condition(fence: Fence) -> dict[str, str]:
    if not fence.may_lead:
        return {"key": fence.leader_key, **_NEVER}
    if fence.sync_revision is None:
        return {"key": fence.sync_key, "target": "CREATE", "create_revision": "0"}
    return {"key": fence.sync_key, "target": "MOD", "mod_revision": fence.sync_revision}

"""Patroni with the rule of fence.py. Its arguments are Patroni's; it runs in Patroni's own environment."""

from typing import Any

from fence import Fence, fenced
from patroni.__main__ import main
from patroni.dcs.etcd3 import Etcd3, PatroniEtcd3Client, base64_encode


def install() -> None:
    """Apply the rule to each transaction of this process. Raises AttributeError where Patroni has changed too much."""
    call_rpc = PatroniEtcd3Client.call_rpc

    def call_fenced(self: PatroniEtcd3Client, method: str, fields: dict[str, Any], retry: Any = None) -> dict[str, Any]:
        if method == "/kv/txn":
            fields = fenced(fields, _fence_of(self._etcd3))
        return call_rpc(self, method, fields, retry)

    PatroniEtcd3Client.call_rpc = call_fenced


def _fence_of(etcd3: Etcd3) -> Fence:
    """From what the node read at the beginning of its turn; after `ttl` that counts as nothing."""
    leader_key, sync_key = base64_encode(etcd3.leader_path), base64_encode(etcd3.sync_path)
    cluster = etcd3.cluster
    if cluster is None:
        return Fence(leader_key, sync_key, may_lead=False, sync_revision=None)
    sync, failover, name = cluster.sync, cluster.failover, etcd3._name
    return Fence(
        leader_key,
        sync_key,
        may_lead=sync.is_empty or sync.matches(name, True) or (failover is not None and failover.candidate == name),
        sync_revision=None if sync.version is None else str(sync.version),
    )


# Not below: as the first process of a container Patroni starts a second process, which may import this file anew.
install()

if __name__ == "__main__":
    main()

"""Requests of a run to etcd itself, by its JSON gateway."""

import asyncio
import json
import time
import urllib.request
from collections.abc import Collection
from typing import Any

_PAUSE_S = 0.02


async def lead(member: int, ports: Collection[int], *, timeout_s: float) -> None:
    """Make the member at a port the leader. Raises TimeoutError."""
    async with asyncio.timeout(timeout_s):
        while True:
            states = {port: await asyncio.to_thread(_request, port, "maintenance/status") for port in ports}
            ids = {port: state["header"]["member_id"] for port, state in states.items() if state}
            leader = next((state["leader"] for state in states.values() if state.get("leader", "0") != "0"), None)
            if member in ids and leader == ids[member]:
                return
            for port, id_ in ids.items():
                if member in ids and id_ == leader:
                    await asyncio.to_thread(_request, port, "maintenance/transfer-leadership", targetID=ids[member])
            await asyncio.sleep(0.2)


async def end_leases(port: int, *, for_s: float) -> int:
    """End every lease again and again for a time; how many ended. The keys that hang on them end too.

    An etcd before 3.5.13 does so when its former leader goes on (issue 15247), once in a while.
    """
    until, ended = time.monotonic() + for_s, 0
    while time.monotonic() < until:
        for lease in (await asyncio.to_thread(_request, port, "lease/leases")).get("leases", []):
            ended += bool(await asyncio.to_thread(_request, port, "lease/revoke", ID=lease["ID"]))
        await asyncio.sleep(_PAUSE_S)
    return ended


def _request(port: int, operation: str, **fields: str) -> dict[str, Any]:
    """The answer; empty where there is none, or a refusal."""
    message = urllib.request.Request(f"http://127.0.0.1:{port}/v3/{operation}", json.dumps(fields).encode())
    try:
        with urllib.request.urlopen(message, timeout=2) as answer:
            return dict(json.load(answer))
    except OSError:
        return {}

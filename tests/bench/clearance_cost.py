"""`make bench-clearance-cost`: processor time of one clearance, of the service and of PostgreSQL apart.

One connection sends a request as soon as the one before is answered (closed loop). Processor time is counted and not
elapsed time, so the results are right on a machine that does other work too; they exclude the sender. Every round takes
requests of each kind in turn; the last line is one JSON object of the medians of the rounds, in milliseconds a request.
"""

import argparse
import asyncio
import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from itertools import islice
from statistics import median

from billing.db.migrator import migrate
from billing.devserver.embedded import EmbeddedPostgres
from tests.bench.open_orders import make_open_visits, order_addresses, visit_addresses
from tests.bench.processor import ProcessorTime, find_postmaster, read_processor_time
from tests.bench.sender import Load, Sender
from tests.bench.service import Served
from tests.builders import FACILITY_CODE, add_demo_hospital

_TIMEOUT_S = 300.0
_PARTS = ("service_ms", "postgres_ms", "total_ms")


async def measure(*, visits: int, rounds: int, requests: int, profile: str | None) -> dict[str, float]:
    """The medians of the rounds by kind of request and part; a first round warms up and is not counted."""
    times: dict[str, list[float]] = defaultdict(list)
    unexpected = 0
    with EmbeddedPostgres(durable=False) as server:
        await migrate(server.owner_url)
        hospital = await add_demo_hospital(server.owner_url)
        await make_open_visits(server, visits)
        postmaster = await find_postmaster(server)
        kinds = {
            "order": order_addresses(visits, FACILITY_CODE, seed=1),
            "discharge": visit_addresses(visits, seed=2),
        }
        with Sender() as sender, Served("ours", server.app_url, profile=profile) as served:
            for number in range(rounds + 1):
                for kind, addresses in kinds.items():
                    used, failed = await _send(
                        sender, served, postmaster, _requests(served, hospital.key, addresses, requests)
                    )
                    unexpected += failed
                    if number == 0:
                        continue
                    for part in _PARTS:
                        times[f"{kind}_{part}"].append(getattr(used, part))
                    words = f"{kind:9} service {used.service_ms:.3f} ms, PostgreSQL {used.postgres_ms:.3f} ms"
                    print(words, file=sys.stderr, flush=True)
    return {name: round(median(values), 3) for name, values in times.items()} | {"unexpected": unexpected}


async def _send(sender: Sender, served: Served, postmaster: int, requests: list[bytes]) -> tuple[ProcessorTime, int]:
    load = Load(host=served.host, port=served.port, orders=(), requests=requests, connections=1, duration_s=_TIMEOUT_S)
    before = read_processor_time(service=served.process_id, postmaster=postmaster)
    sent = await asyncio.to_thread(sender.send, load)
    after = read_processor_time(service=served.process_id, postmaster=postmaster)
    return after.per_request(sent.deliveries, since=before), len(requests) - sent.accepted


def _requests(served: Served, key: str, addresses: Iterator[str], count: int) -> list[bytes]:
    head = f"HTTP/1.1\r\nHost: {served.host}:{served.port}\r\nAuthorization: Bearer {key}\r\n\r\n"
    return [f"GET {address} {head}".encode() for address in islice(addresses, count)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--visits", type=int, default=2_000, help="open visits, each with ten orders")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=1_500, help="of each kind in each round")
    parser.add_argument("--profile", help="write a cProfile of the service to this file")
    given = parser.parse_args()
    result = asyncio.run(
        measure(visits=given.visits, rounds=given.rounds, requests=given.requests, profile=given.profile)
    )
    print(json.dumps(result), flush=True)
    return 1 if result["unexpected"] else 0


if __name__ == "__main__":
    sys.exit(main())

"""`make bench-flood`: callbacks while anonymous clients flood the service.

In each round callbacks arrive at a steady rate, first alone and then under each flood; a flood is many connections of
one process that send the next request after each answer. The rounds are warm: a first one is not counted. Callbacks and
flood come from one address. Nothing that is acknowledged may be missing afterwards.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import secrets
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection
from statistics import median
from time import monotonic

from providers.sandbox.message import SIGNATURE_HEADER
from tests.bench.callbacks import find_lost_and_doubled, prove_books
from tests.bench.sender import Load, Sender, Sent
from tests.bench.service import Served
from tests.bench.stock import Stock, durable_stock
from tests.builders import ACCOUNT_NAME

_ANSWER_TIMEOUT_S = 30.0
_SENDER_CONNECTIONS = 40
_FORGED = b'{"a":"' + b"x" * 60_000 + b'"}'


def _get(path: str, header: str = "") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n{header}\r\n".encode()


def _post(path: str, body: bytes, header: str = "") -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\n{header}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


FLOODS: Mapping[str, Callable[[], bytes]] = {
    "page": lambda: _get(f"/pay/1-{secrets.token_hex(16)}"),
    "key": lambda: _get("/v1/visits", f"Authorization: Bearer vp_1_{secrets.token_hex(16)}\r\n"),
    "account": lambda: _post(f"/callbacks/1/{secrets.token_hex(8)}", b"{}"),
    "signature": lambda: _post(f"/callbacks/1/{ACCOUNT_NAME}", _FORGED, f"{SIGNATURE_HEADER}: t=1,v1={'0' * 64}\r\n"),
    "health": lambda: _get("/healthz"),
    "readiness": lambda: _get("/readyz"),
    "reference": lambda: _get("/openapi.json"),
    "nowhere": lambda: _get(f"/{secrets.token_hex(8)}"),
}
"""The requests of a flood, all without a key. The first four are those of the goal."""


class Flood:
    """A process of its own that floods. A context manager; `answers` counts its answers by status, after its end."""

    def __init__(self, kind: str, host: str, port: int, *, connections: int) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._ours, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_run, args=(kind, host, port, connections, theirs), daemon=True)
        self.answers: dict[str, int] = {}

    def __enter__(self) -> "Flood":
        self._process.start()
        self._ours.recv()  # it has its connections
        return self

    def __exit__(self, *_: object) -> None:
        self._ours.send("stop")
        self.answers = self._ours.recv()
        self._process.join(10)


def _run(kind: str, host: str, port: int, connections: int, control: Connection) -> None:
    os.nice(10)  # it shares the machine with what it floods
    asyncio.run(_flood(FLOODS[kind], host, port, connections, control))


async def _flood(request_of: Callable[[], bytes], host: str, port: int, connections: int, control: Connection) -> None:
    answers: Counter[str] = Counter()
    clients = [asyncio.create_task(_retry(request_of, host, port, answers)) for _ in range(connections)]
    control.send("flooding")
    await asyncio.to_thread(control.recv)
    for client in clients:
        client.cancel()
    await asyncio.gather(*clients, return_exceptions=True)
    control.send(dict(answers))


async def _retry(request_of: Callable[[], bytes], host: str, port: int, answers: Counter[str]) -> None:
    writer: asyncio.StreamWriter | None = None
    while True:
        try:
            if writer is None:
                reader, writer = await asyncio.open_connection(host, port)
            writer.write(request_of())
            answers[await _read_answer(reader)] += 1
        except (OSError, EOFError, TimeoutError) as error:
            answers[type(error).__name__] += 1
            if writer is not None:
                writer.close()
            writer = None


async def _read_answer(reader: asyncio.StreamReader) -> str:
    """The status of one answer, read to its end."""
    async with asyncio.timeout(_ANSWER_TIMEOUT_S):
        head = await reader.readuntil(b"\r\n\r\n")
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        await reader.readexactly(int(lengths[0].split(b":")[1]))
    return head[9:12].decode()


class Rounds:
    """Callbacks at one rate, alone and under floods, on one service."""

    def __init__(self, stock: Stock, sender: Sender, served: Served, *, callbacks: int, rate: float) -> None:
        self._stock = stock
        self._sender = sender
        self._served = served
        self._callbacks = callbacks
        self._rate = rate
        self.acknowledged: set[int] = set()

    async def send(self) -> Sent:
        """Send one measurement's callbacks."""
        load = Load(
            host=self._served.host,
            port=self._served.port,
            orders=await self._stock.make((1, 2), self._callbacks),
            connections=_SENDER_CONNECTIONS,
            duration_s=10 * self._callbacks / self._rate,
            rate=self._rate,
        )
        sent = await asyncio.to_thread(self._sender.send, load)
        self.acknowledged |= sent.acknowledged
        return sent

    async def send_under(self, kind: str, *, connections: int) -> tuple[Sent, dict[str, int], float]:
        """The same under a flood: what became of the callbacks and of the flood, and how many a second that was."""
        with Flood(kind, self._served.host, self._served.port, connections=connections) as flood:
            began = monotonic()
            sent = await self.send()
            elapsed_s = monotonic() - began
        return sent, flood.answers, sum(flood.answers.values()) / elapsed_s


def _summary(alone: Sequence[Sent], under: Sequence[Sent]) -> dict[str, object]:
    """Medians over the rounds; the ratio is taken within each round."""
    ratios = [each.percentile_ms(0.99) / of.percentile_ms(0.99) for of, each in zip(alone, under, strict=True)]
    return {
        "p50_ms": round(median(sent.percentile_ms(0.50) for sent in under), 1),
        "p99_ms": round(median(sent.percentile_ms(0.99) for sent in under), 1),
        "p99_ratio": round(median(ratios), 2),
        "accepted": sum(sent.accepted for sent in under),
        "refused": sum(sent.refused for sent in under),
        "other": sum(sent.unexpected + sent.unanswered for sent in under),
    }


async def measure(kinds: Sequence[str], *, rounds: int, callbacks: int, rate: float, connections: int) -> int:
    """Run, print, and return the exit status: 1 where anything was lost, doubled, or neither accepted nor refused."""
    alone: list[Sent] = []
    under: dict[str, list[Sent]] = {kind: [] for kind in kinds}
    answers: dict[str, Counter[str]] = {kind: Counter() for kind in kinds}
    paces: dict[str, list[float]] = {kind: [] for kind in kinds}
    async with durable_stock(organizations=2) as stock:
        with Sender() as sender, Served("ours", stock.server.app_url) as served:
            measured = Rounds(stock, sender, served, callbacks=callbacks, rate=rate)
            await measured.send()  # warms up
            for _ in range(rounds):
                alone.append(await measured.send())
                for kind in kinds:
                    sent, answered, pace = await measured.send_under(kind, connections=connections)
                    under[kind].append(sent)
                    answers[kind].update(answered)
                    paces[kind].append(pace)
        lost, doubled = await find_lost_and_doubled(stock, measured.acknowledged)
        mismatches = await prove_books(stock)
    result = {
        "alone": _summary(alone, alone),
        **{
            kind: {**_summary(alone, sent), "flood_per_s": round(median(paces[kind])), "flood": dict(answers[kind])}
            for kind, sent in under.items()
        },
        "lost": lost,
        "doubled": doubled,
        "mismatches": sum(mismatches.values()),
    }
    print(json.dumps(result), flush=True)
    other = sum(sent.unexpected + sent.unanswered for each in (alone, *under.values()) for sent in each)
    return 1 if lost or doubled or mismatches or other else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--callbacks", type=int, default=1_000, help="of each measurement")
    parser.add_argument("--rate", type=float, default=40.0, help="callbacks a second")
    parser.add_argument("--connections", type=int, default=100, help="of each flood")
    parser.add_argument("--floods", default="page,key,account,signature", help="some of " + ",".join(FLOODS))
    given = parser.parse_args()
    return asyncio.run(
        measure(
            given.floods.split(","),
            rounds=given.rounds,
            callbacks=given.callbacks,
            rate=given.rate,
            connections=given.connections,
        )
    )


if __name__ == "__main__":
    sys.exit(main())

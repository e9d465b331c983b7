"""The load: signed callbacks over many keep-alive connections, from a process of its own, measured where a bank stands.

Everything is built and signed before the clock starts. One thread waits for all sockets at once, since two cores are
shared with the service and PostgreSQL. In the open loop a callback's time counts from its due time, whether
or not a connection was free then, so that a slow service cannot hide its own queue.
"""

import multiprocessing
import select
import socket
import time
from array import array
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from multiprocessing.connection import Connection
from random import Random
from types import TracebackType
from typing import Self

from billing.db.context import utc_now
from providers.sandbox.message import SIGNATURE_HEADER, signature_header
from tests.bench.stock import AMOUNT, Order, vietnam_now
from tests.builders import ACCOUNT_NAME, BANK_BIN, SANDBOX_SECRET

DUPLICATES = 0.05
"""The share of deliveries that repeat an earlier delivery."""

_DUPLICATE_LATER_MAX = 400
_ANSWER_TIMEOUT_S = 30.0
_READ_BYTES = 4096
_REST_S = 0.1
"""The pause of a connection of the closed loop after a TRY_LATER reply."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What to send. Without `rate` each connection sends again as soon as it was answered, for `duration_s`;

    with it, deliveries fall due at random times, `rate` of them a second on average, until none is left. `requests`
    are whole requests to send instead of the callbacks of orders.
    """

    host: str
    port: int
    orders: Sequence[Order]
    connections: int
    duration_s: float
    rate: float | None = None
    seed: int = 1
    requests: Sequence[bytes] = ()


@dataclass(slots=True)
class Sent:
    """What became of a load. `acknowledged` are the numbers of orders that were answered 200, each named once;

    `unanswered` counts deliveries whose connection was closed before an answer came.
    """

    deliveries: int = 0
    orders: int = 0
    accepted: int = 0
    refused: int = 0
    unexpected: int = 0
    unanswered: int = 0
    elapsed_s: float = 0.0
    latencies_ms: "array[float]" = field(default_factory=lambda: array("d"))  # of the accepted
    acknowledged: set[int] = field(default_factory=set)

    @property
    def per_s(self) -> float:
        """Accepted callbacks a second."""
        return self.accepted / self.elapsed_s if self.elapsed_s else 0.0

    def percentile_ms(self, share: float) -> float:
        """The latency that this share of the accepted did not exceed."""
        ordered = sorted(self.latencies_ms)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


class Sender:
    """The process that sends. A context manager; `send` blocks until the load is answered."""

    def __init__(self) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._ours, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_serve, args=(theirs,), daemon=True)

    def __enter__(self) -> Self:
        self._process.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ours.send(None)
        self._process.join(10)

    def send(self, load: Load) -> Sent:
        """Send a load. Raises RuntimeError with the process's words where it failed."""
        self._ours.send(load)
        answer = self._ours.recv()
        if isinstance(answer, Sent):
            return answer
        raise RuntimeError(f"the sender failed: {answer}")


def _serve(connection: Connection) -> None:
    while (load := connection.recv()) is not None:
        try:
            connection.send(_Sending(load).run())
        except Exception as error:  # noqa: BLE001 - reported to the calling process
            connection.send(repr(error))


def build_deliveries(load: Load) -> tuple[list[int], list[bytes]]:
    """The order's place and the whole request of each delivery; DUPLICATES of them repeat one of shortly before."""
    if load.requests:
        return list(range(len(load.requests))), list(load.requests)
    random = Random(load.seed)
    places: list[int] = []
    later: dict[int, list[int]] = {}
    for place in range(len(load.orders)):
        places += later.pop(len(places), ())
        if random.random() < DUPLICATES / (1 - DUPLICATES):
            later.setdefault(len(places) + 1 + random.randrange(_DUPLICATE_LATER_MAX), []).append(place)
        places.append(place)
    requests = [request_of(order, f"{load.host}:{load.port}") for order in load.orders]
    return places, [requests[place] for place in places]


def request_of(order: Order, host: str) -> bytes:
    """One signed callback as it goes over the wire."""
    now = utc_now()
    occurred_at = vietnam_now(now - timedelta(seconds=2))
    body = (
        f'{{"transaction_id":"{order.transaction_id}","bank_reference":"FT{order.number:011d}",'
        f'"merchant_id":"hospital-{order.organization}","account_number":"0110{order.organization:06d}",'
        f'"amount":{AMOUNT},"currency":"VND","status":"SUCCEEDED","direction":"credit",'
        f'"content":"{order.code} VIEN PHI","reference":null,"occurred_at":"{occurred_at}",'
        f'"payer":{{"name":"NGUYEN VAN THU","account":"{order.number:010d}"}}}}'
    ).encode()
    head = (
        f"POST /callbacks/{order.organization}/{ACCOUNT_NAME} HTTP/1.1\r\nHost: {host}\r\n"
        f"Content-Type: application/json\r\nUser-Agent: sandbox-bank/{BANK_BIN}\r\n"
        f"{SIGNATURE_HEADER}: {signature_header(SANDBOX_SECRET.encode(), now, body)}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class _Line:
    """One connection: what it is waiting for an answer to, and the part of the answer that came."""

    __slots__ = ("begun_at", "delivery", "is_waiting", "received", "socket")

    def __init__(self, load: Load) -> None:
        self.delivery = -1
        self.begun_at = 0.0
        self.is_waiting = False
        self.open(load)

    def open(self, load: Load) -> None:
        self.socket = socket.create_connection((load.host, load.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = b""


class _Sending:
    """One load under way."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._places, self._requests = build_deliveries(load)
        self._sent = Sent()
        self._poll = select.epoll()
        self._lines: dict[int, _Line] = {}
        for _ in range(load.connections):
            line = _Line(load)
            self._lines[line.socket.fileno()] = line
            self._poll.register(line.socket.fileno(), select.EPOLLIN)
        self._idle = deque(self._lines.values())
        self._resting: deque[tuple[float, _Line]] = deque()
        self._next = 0

    def run(self) -> Sent:
        try:
            if self._load.rate is None:
                self._closed_loop()
            else:
                self._open_loop(self._load.rate)
            return self._sent
        finally:
            for line in self._lines.values():
                line.socket.close()
            self._poll.close()

    def _closed_loop(self) -> None:
        total = len(self._requests)
        started = time.perf_counter()
        ends = started + self._load.duration_s
        while True:
            now = time.perf_counter()
            while self._resting and (self._resting[0][0] <= now or now >= ends):
                self._idle.append(self._resting.popleft()[1])
            while self._idle and self._next < total and now < ends:
                self._begin(self._idle.popleft(), now)
            if len(self._idle) == len(self._lines):
                break
            self._listen(_REST_S if self._resting else _ANSWER_TIMEOUT_S, is_patient=not self._resting)
        self._finish(started)

    def _open_loop(self, rate: float) -> None:
        random = Random(self._load.seed + 1)
        started = time.perf_counter()
        due = [started]
        while len(due) < len(self._requests) and due[-1] < started + self._load.duration_s:
            due.append(due[-1] + random.expovariate(rate))
        while True:
            now = time.perf_counter()
            while self._idle and self._next < len(due) and due[self._next] <= now:
                self._begin(self._idle.popleft(), due[self._next])
            if self._next == len(due):
                if len(self._idle) == len(self._lines):
                    break
                self._listen(_ANSWER_TIMEOUT_S)
            elif self._idle:
                # epoll counts whole milliseconds; select waits more finely.
                wait_s = max(0.0, due[self._next] - time.perf_counter())
                if wait_s and not select.select([self._poll.fileno()], [], [], wait_s)[0]:
                    continue
                self._listen(0)
            else:
                self._listen(_ANSWER_TIMEOUT_S)
        self._finish(started)

    def _begin(self, line: _Line, counted_from: float) -> None:
        line.delivery, line.begun_at, line.is_waiting = self._next, counted_from, True
        with suppress(ConnectionError):  # a connection closed meanwhile is noticed as its end is read
            line.socket.sendall(self._requests[self._next])
        self._next += 1

    def _listen(self, timeout_s: float, *, is_patient: bool = True) -> None:
        ready = self._poll.poll(timeout_s)
        if not ready and timeout_s and is_patient:
            raise TimeoutError(f"no answer within {timeout_s} s")
        for number, _ in ready:
            line = self._lines[number]
            data = _receive(line.socket)
            if not data:
                self._replace(line)
                continue
            line.received += data
            if _is_whole(line.received):
                self._take(line)

    def _replace(self, line: _Line) -> None:
        """The service closed a connection: open another in its place, as a bank's client would."""
        self._poll.unregister(line.socket.fileno())
        del self._lines[line.socket.fileno()]
        line.socket.close()
        line.open(self._load)
        self._lines[line.socket.fileno()] = line
        self._poll.register(line.socket.fileno(), select.EPOLLIN)
        if line.is_waiting:
            self._sent.unanswered += 1
            line.is_waiting = False
            self._idle.append(line)

    def _take(self, line: _Line) -> None:
        status = line.received[9:12]
        if status == b"200":
            self._sent.accepted += 1
            self._sent.latencies_ms.append((time.perf_counter() - line.begun_at) * 1000)
            if self._load.orders:
                self._sent.acknowledged.add(self._load.orders[self._places[line.delivery]].number)
        elif status == b"503":
            self._sent.refused += 1
        else:
            self._sent.unexpected += 1
        line.received = b""
        line.is_waiting = False
        if status == b"503" and self._load.rate is None:
            self._resting.append((time.perf_counter() + _REST_S, line))
        else:
            self._idle.append(line)

    def _finish(self, started: float) -> None:
        self._sent.elapsed_s = time.perf_counter() - started
        self._sent.deliveries = self._next
        self._sent.orders = max(self._places[: self._next], default=-1) + 1


def _receive(line: socket.socket) -> bytes:
    """What has come; nothing where the other side is gone."""
    try:
        return line.recv(_READ_BYTES)
    except ConnectionError:
        return b""


def _is_whole(answer: bytes) -> bool:
    head, separator, body = answer.partition(b"\r\n\r\n")
    if not separator:
        return False
    at = head.lower().find(b"content-length:")
    assert at >= 0, "every answer states its length"
    return len(body) >= int(head[at + 15 :].split(b"\r\n", 1)[0])

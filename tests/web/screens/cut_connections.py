"""A gate before the service that cuts connections at random points of a form, and a cashier who sends the form again.

The cashier does what the page does: the form is sent again with its key until it is answered. What was meant is written
down once for each form and compared with what was recorded.
"""

import asyncio
import re
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from itertools import count
from random import Random

import httpx

from billing.core.ids import VisitId
from tests.connections import CHUNK_BYTES_MAX, ConnectionServer
from tests.web.screens.desk_day import DeskDay, hidden, panel_state

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_ATTEMPTS_MAX = 200
_RUNNING_PAUSE_S = 0.02


class Cut(StrEnum):
    """The point of a form at which its connection is cut."""

    BEFORE = "before"  # nothing has reached the service
    IN_BODY = "in_body"
    AT_ONCE = "at_once"  # the service has the form, and works
    UNANSWERED = "unanswered"  # the service has answered, the client has nothing
    IN_ANSWER = "in_answer"


class CuttingGate(ConnectionServer):
    """Passes everything on to the service, and cuts `share` of the posted forms until `cuts_max` were cut."""

    def __init__(self, address: str, random: Random, *, share: float, cuts_max: int) -> None:
        super().__init__()
        self._service = httpx.URL(address)
        self._random = random
        self.share = share
        self.kinds = list(Cut)
        self.last_words = b""  # where an answer that has them is cut
        self._cuts_max = cuts_max
        self.cuts: Counter[Cut] = Counter()

    @property
    def address(self) -> str:
        """Where the clients go."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def is_done(self) -> bool:
        """Whether all cuts were made."""
        return self.cuts.total() >= self._cuts_max

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection; it ends for both sides as soon as either ends it, or as soon as it is cut."""
        with suppress(OSError):
            answers, requests = await asyncio.open_connection(self._service.host, self._service.port)
            answering = asyncio.create_task(_pass(answers, writer))
            try:
                while data := await reader.read(CHUNK_BYTES_MAX):
                    if data.startswith(b"POST ") and not self.is_done and self._random.random() < self.share:
                        answering.cancel()
                        await asyncio.gather(answering, return_exceptions=True)
                        await self._cut(await _whole(data, reader), answers, requests, writer)
                        break
                    requests.write(data)
                    await requests.drain()
            finally:
                answering.cancel()
                await asyncio.gather(answering, return_exceptions=True)
                for each in (writer, requests):
                    # An end and a reset: the service notices the one after it has read everything, the other at once.
                    each.close() if self._random.random() < 0.5 else each.transport.abort()

    async def _cut(
        self,
        form: bytes,
        answers: asyncio.StreamReader,
        requests: asyncio.StreamWriter,
        writer: asyncio.StreamWriter,
    ) -> None:
        cut = self._random.choice(self.kinds)
        self.cuts[cut] += 1
        if cut is Cut.BEFORE:
            return
        requests.write(form[: self._random.randrange(1, len(form))] if cut is Cut.IN_BODY else form)
        await requests.drain()
        if cut is Cut.AT_ONCE:
            await asyncio.sleep(self._random.choice([0.0, 0.001, 0.01]))
        elif cut in (Cut.UNANSWERED, Cut.IN_ANSWER):
            answer = await answers.read(CHUNK_BYTES_MAX)
            if cut is Cut.IN_ANSWER and answer:
                # Half of them in the head, which a browser may take for an empty answer.
                head = answer.find(b"\r\n\r\n") + 3
                end = self._random.choice([head, len(answer)])
                part = answer[: self._random.randrange(1, max(2, end))]
                if self.last_words and self.last_words in answer:
                    part = answer[: answer.index(self.last_words) + len(self.last_words)]
                writer.write(part)
                await writer.drain()


async def _whole(data: bytes, reader: asyncio.StreamReader) -> bytes:
    """A form with all of its body."""
    while b"\r\n\r\n" not in data:
        data += await reader.read(CHUNK_BYTES_MAX)
    head, _, body = data.partition(b"\r\n\r\n")
    found = _LENGTH.search(head + b"\r\n")
    missing = (int(found[1]) if found else 0) - len(body)
    return data + (await reader.readexactly(missing) if missing > 0 else b"")


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(CHUNK_BYTES_MAX):
            writer.write(data)
            await writer.drain()
        writer.close()


@dataclass(frozen=True, slots=True)
class Taken:
    """A receipt that a cashier meant to issue."""

    visit_id: str
    method: str
    amount: int


@dataclass(slots=True)
class Cashier:
    """A cashier at a desk behind the gate, and what the cashier meant. `answers` counts what came back."""

    day: DeskDay
    client: httpx.AsyncClient
    random: Random
    terminal_id: str
    taken: list[Taken] = field(default_factory=list)
    slips: dict[str, int] = field(default_factory=dict)
    answers: Counter[str] = field(default_factory=Counter)
    _numbers: "count[int]" = field(default_factory=lambda: count(1))

    async def collect(self, visit_id: VisitId, line: str) -> None:
        """Collect one line of a visit, in cash or by card."""
        method = self.random.choice(["cash", "card"])
        address = f"/desk/visits/{visit_id}"
        page = await self._get(f"{address}/pay?chosen=1&line={line}&method={method}")
        amount = int(hidden(page, "due"))
        fields = {"method": method, "line": line, "due": str(amount)}
        if method == "card":
            approval_code = f"{self.day.desk_id.hex[-6:]}{next(self._numbers)}"
            fields |= {"terminal_id": self.terminal_id, "approval_code": approval_code}
            self.slips[approval_code] = amount
        else:
            fields["given"] = str(amount)
        self.taken.append(Taken(str(visit_id), method, amount))
        await self._send(f"{address}/collect", hidden(page, "idempotency_key"), fields)

    async def take_advance(self, visit_id: VisitId) -> None:
        """Take an advance in cash."""
        address = f"/desk/visits/{visit_id}"
        page = await self._get(f"{address}/deposit")
        amount = self.random.randrange(1, 500) * 1_000
        self.taken.append(Taken(str(visit_id), "cash", amount))
        fields = {"method": "cash", "amount": str(amount), "given": str(amount)}
        await self._send(f"{address}/advance", hidden(page, "idempotency_key"), fields)

    async def _get(self, path: str) -> str:
        while True:
            with suppress(httpx.TransportError):
                answer = await self.client.get(path, headers={"HX-Request": "true"})
                assert answer.status_code == HTTPStatus.OK, answer.text
                return answer.text

    async def _send(self, path: str, key: str, fields: dict[str, str]) -> None:
        """Send the form until it is answered, by the script of the page or without it."""
        form = {"csrf_token": self.day.staff.token, "idempotency_key": key, **fields}
        for _ in range(_ATTEMPTS_MAX):
            headers = self.random.choice([{"HX-Request": "true"}, {}])
            try:
                answer = await self.client.post(path, data=form, headers=headers)
            except httpx.TransportError:
                self.answers["none"] += 1
                continue
            self.answers[str(answer.status_code)] += 1
            if answer.status_code == HTTPStatus.CONFLICT:  # the first press is still running, or ended meanwhile
                if 'id="pay-form"' not in answer.text:
                    return
                assert hidden(answer.text, "idempotency_key") == key
                await asyncio.sleep(_RUNNING_PAUSE_S)
                continue
            if answer.status_code == HTTPStatus.SEE_OTHER:
                assert "receipt=" in answer.headers["Location"]
            else:
                assert answer.status_code == HTTPStatus.OK, answer.text
                assert panel_state(answer.text) == "issued"
            return
        raise AssertionError(f"{path} was never answered: {self.answers}")

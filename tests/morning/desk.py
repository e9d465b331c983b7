"""A desk whose cashier works with the pages alone: scan, method, money. What htmx would do by itself is done.

Source: docs/ux.md, Cashier. `desk_shift.py` opens and closes the shift.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import quote

import aiohttp

from billing.web.screens.texts import ScreenLanguage, translate
from tests.morning.browser import Answer, Browser, Refused
from tests.morning.page import Element, Page
from tests.morning.plan import Patient
from tests.morning.record import Record

NOTES = (10_000, 20_000, 50_000, 100_000, 200_000, 500_000)
_POLL_S = 15.0
_CHANGE = translate(ScreenLanguage.VIETNAMESE, "desk.change")


class Desk(Browser):
    """A desk with its cashier; `drawer` is the cash in it, in đồng, as the cashier's hands know it."""

    def __init__(self, address: str, record: Record, name: str) -> None:
        super().__init__(address, record)
        self.name = name
        self.drawer = 0
        self._lock = asyncio.Lock()
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._stream: asyncio.Task[None] | None = None

    async def __aexit__(self, *_: object) -> None:
        await self.stop_listening()
        await super().__aexit__()

    def listen(self) -> None:
        """Do what the open page does at each message of its event stream, and every 15 s without one."""
        self._tasks.append(asyncio.create_task(self._refresh()))

    async def stop_listening(self) -> None:
        """Close the page."""
        tasks = [*self._tasks, *([self._stream] if self._stream else [])]
        self._tasks, self._stream = [], None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def open_desk(self) -> None:
        """Open the page of the desk."""
        async with self._lock:
            await self.go("/desk")
            await self._shown()

    async def scan(self, text: str) -> str:
        """Scan a card; returns the id of the visit that is opened."""
        async with self._lock:
            answer = await self._fragment_of_work("GET", f"/desk/find?q={quote(text)}")
            await self._show(answer)
            return self.path.partition("/desk/visits/")[2].partition("?")[0]

    async def choose(self, method: str) -> None:
        """Press a method's key: the pay panel is replaced."""
        async with self._lock:
            lines = [value for name, value in self.page.pay_form.fields if name == "line"]
            fields = {"chosen": ["1"], "line": lines, "method": [method], "given": [""]}
            answer = await self._fragment_of_work("GET", f"{self.visit_path}/pay", fields)
            self.page = self.page.with_pay(answer.text)

    async def press(self, times: int = 1, **values: str) -> None:
        """Press Enter: the form of the pay panel is sent, as often as it was pressed."""
        async with self._lock:
            form = self.page.pay_form
            fields = form.with_values(**values)
            answers = await asyncio.gather(*(self.fragment("POST", form.action, fields) for _ in range(times)))
            good = [each for each in answers if each.status < 400]
            if not good:
                self._refused(answers[0], form.action)
            await self._show(good[-1])

    async def give(self, amount: int) -> None:
        """Type the cash that was given: the page states the change."""
        async with self._lock:
            due = next(each for each in self.page.elements if each.address.startswith("/desk/change")).address
            await self._fragment_of_work("GET", f"{due}&given={amount}")

    async def print_receipt(self) -> None:
        """Print the receipt that the page has just shown."""
        async with self._lock:
            form = next(each for each in self.page.forms if each.attributes.get("id") == "print-form")
            await self._request("POST", form.action, form.with_values())

    async def print_paid(self, strip: Page) -> None:
        """Print the receipts of codes that were paid while other patients were served."""
        async with self._lock:
            for form in strip.forms_to("/copies/80mm"):
                await self._request("POST", form.action, form.with_values())

    async def send_form(self, ending: str) -> None:
        """Press the button of another form of the page; htmx replaces the content of the page."""
        async with self._lock:
            form = self.page.form_to(ending)
            await self._show(await self._fragment_of_work("POST", form.action, form.with_values()))

    @asynccontextmanager
    async def full_page(self) -> AsyncIterator[None]:
        """Leave the desk's page for others; the desk is opened again afterwards."""
        async with self._lock:
            yield
            await self.go("/desk")
            await self._shown()

    @property
    def visit_path(self) -> str:
        return self.path.partition("?")[0]

    @property
    def due(self) -> int:
        """What the page requests in all, before cash is rounded."""
        return int(dict(self.page.pay_form.fields)["due"])

    @property
    def change(self) -> int:
        """The change that the page shows after cash was taken."""
        return self.page.amounts().get(_CHANGE, 0)

    async def _fragment_of_work(self, method: str, path: str, fields: dict[str, list[str]] | None = None) -> Answer:
        answer = await self.fragment(method, path, fields)
        if answer.status >= 400:
            self._refused(answer, path)
        return answer

    def _refused(self, answer: Answer, path: str) -> None:
        self.record.refusals[f"{path.rpartition('/')[2].partition('?')[0]} {answer.status}"] += 1
        page = Page(answer.text)
        raise Refused(f"{self.name}, {path}: {answer.status}, state {page.state}: {answer.text[:300]!r}")

    async def _show(self, answer: Answer) -> None:
        """The fragment replaces the content of the page."""
        self.page = Page(answer.text)
        self.path = answer.headers.get("HX-Push-Url") or answer.path
        await self._shown()

    async def _shown(self) -> None:
        """Open the event stream of the page, and request what it requests as soon as it is shown."""
        if self._stream is not None:
            self._stream.cancel()
        self._stream = asyncio.create_task(self._read(self.page.stream)) if self.page.stream else None
        for element in list(self.page.loading()):
            answer = await self._request_of(element)
            if element.target == "#work" and answer.status < 400:
                await self._show(answer)
                return

    async def _request_of(self, element: Element) -> Answer:
        fields: dict[str, list[str]] = {}
        if element.tag == "form":
            fields = self.page.form_to(element.address).with_values()
        elif "hx-vals" in element.attributes:
            values: dict[str, Any] = json.loads(element.attributes["hx-vals"])
            fields = {name: [str(value)] for name, value in values.items()}
        answer = await self.fragment(element.method, element.address, fields or None)
        if answer.status >= 400:
            self.record.refusals[f"by itself: {element.address.rpartition('/')[2]} {answer.status}"] += 1
        return answer

    async def _read(self, address: str) -> None:
        """The event stream of the open page: each message states that something has changed."""
        with suppress(aiohttp.ClientError, TimeoutError):
            endless = aiohttp.ClientTimeout(total=None)
            async with self.session.get(address, headers={"Accept": "text/event-stream"}, timeout=endless) as answer:
                async for line in answer.content:
                    if line.startswith(b"data:"):
                        self._changed.set()

    async def _refresh(self) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), _POLL_S)
            self._changed.clear()
            async with self._lock:
                await self._follow()

    async def _follow(self) -> None:
        """What the page requests at a message: the strip of waiting codes, and the panel of the code it shows."""
        for element in list(self.page.awaiting()):
            answer = await self.fragment("GET", element.address)
            if answer.status >= 400:
                self.record.refusals[f"by itself: {element.address.rpartition('/')[2]} {answer.status}"] += 1
            elif answer.headers.get("HX-Retarget") == "#work":
                path = self.path
                await self._show(answer)
                self.path = path
            elif "/pay?" in element.address:
                self.page = self.page.with_pay(answer.text)
            else:
                strip = Page(answer.text)
                for each in strip.loading():
                    await self._request_of(each)


def card_of(patient: Patient) -> str:
    """What a scanner reads from a citizen card."""
    born = f"{patient.born[6:8]}{patient.born[4:6]}{patient.born[:4]}"
    return f"{patient.citizen}|0|{patient.name}|{born}|{'Nam' if patient.sex == '1' else 'Nữ'}|x|01012022"


def cash_of(due: int, patient: Patient) -> int:
    """What a patient gives for an amount: exactly, or rounded up to a note."""
    note = NOTES[2 + patient.number % 4]
    return due if patient.number % 3 == 0 else -(-due // note) * note

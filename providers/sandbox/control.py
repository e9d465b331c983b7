"""The bank simulator's page: every requested code, and a button for each behaviour of the bank.

For the demonstration and for training; it listens on the loopback address and moves no real money. It also answers the
provider's queries (`query.py`). The caller supplies the codes.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from html import escape
from http import HTTPStatus

import httpx
from aiohttp import web

from providers.sandbox.bank_day import UNREPORTED, FileFault, FileTerms
from providers.sandbox.bank_simulator import VIETNAM_TIME, BankSimulator, Behaviour, ScanRefused
from providers.sandbox.control_files import ControlFiles
from providers.sandbox.control_messages import MESSAGES
from providers.sandbox.message import SIGNATURE_HEADER

OFFERED = (
    Behaviour.EXACT,
    Behaviour.SHORT,
    Behaviour.OVER,
    Behaviour.TWICE,
    Behaviour.SPLIT,
    Behaviour.WRAPPED,
    Behaviour.LATE,
    Behaviour.NEVER,
    Behaviour.FORGED,
)
QUERY_PATH = "/queries"
_LOG_LINES_MAX = 12
_RELOAD_S = 5
_STYLE = """
body{font:1rem/1.5 system-ui,"DejaVu Sans",sans-serif;margin:0 auto;max-width:60rem;padding:1rem;color:#14202b}
section{border:1px solid #8a97a3;border-radius:.5rem;padding:.75rem 1rem;margin:1rem 0}
h2{margin:0;font-size:1.1rem}form{display:inline}p{margin:.25rem 0}
select,input{font:inherit;min-height:44px;max-width:100%}
button{font:inherit;min-height:44px;padding:0 .9rem;margin:.25rem .25rem 0 0;border:1px solid #0a5b8c;
border-radius:.4rem;background:#fff;color:#0a5b8c;cursor:pointer}
:focus-visible{outline:3px solid #b35900}code{font-size:1.05rem}
"""
_STYLE_PATH = "/bank.css"
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCode:
    """A code that may be paid: its label, its current payload, and the address of its payment page."""

    reference: str
    amount: str
    state: str
    payload: str
    page: str


ListCodes = Callable[[], Awaitable[Sequence[OpenCode]]]
AddCode = Callable[[], Awaitable[None]]


class ControlPage:
    """The page of one bank simulator. `list_codes` returns the codes, `add_code` creates a further code.

    `terms` decide how the files of a day state what the bank credits (`bank_day`).
    """

    def __init__(
        self,
        bank: BankSimulator,
        *,
        list_codes: ListCodes,
        add_code: AddCode,
        clock: Callable[[], datetime],
        language: str,
        terms: FileTerms | None = None,
    ) -> None:
        self._bank = bank
        self._list_codes = list_codes
        self._add_code = add_code
        self._clock = clock
        self._messages = MESSAGES[language]
        self._language = language
        self._log_lines: deque[str] = deque(maxlen=_LOG_LINES_MAX)
        self._files = ControlFiles(bank, terms or FileTerms(), clock=clock, messages=self._messages, log=self._note)
        self._paying: set[asyncio.Task[None]] = set()

    def application(self) -> web.Application:
        """The addresses, ready to be served."""
        application = web.Application(client_max_size=64 * 1024)
        application.router.add_get("/", self._show)
        application.router.add_get(_STYLE_PATH, self._style)
        application.router.add_post("/codes", self._add)
        application.router.add_post("/codes/{reference}/faults", self._pay_with_fault)
        application.router.add_post("/codes/{reference}/{behaviour}", self._pay)
        self._files.add_routes(application.router)
        application.router.add_post(QUERY_PATH, self._answer)
        return application

    async def close(self) -> None:
        """Stop the payments in progress."""
        for task in self._paying:
            task.cancel()
        await asyncio.gather(*self._paying, return_exceptions=True)

    async def _show(self, _request: web.Request) -> web.Response:
        return web.Response(
            text=self._page(await self._list_codes()), content_type="text/html", charset="utf-8", headers=_HEADERS
        )

    async def _style(self, _request: web.Request) -> web.Response:
        return web.Response(text=_STYLE, content_type="text/css", charset="utf-8")

    async def _add(self, _request: web.Request) -> web.Response:
        await self._add_code()
        return _back()

    async def _pay(self, request: web.Request) -> web.Response:
        code = await self._find(request)
        try:
            behaviour = Behaviour(request.match_info["behaviour"])
        except ValueError:
            raise web.HTTPNotFound from None
        # Outside this request: a late bank delays the callback, not the page.
        task = asyncio.create_task(self._pay_code(code, behaviour))
        self._paying.add(task)
        task.add_done_callback(self._paying.discard)
        if behaviour is not Behaviour.LATE:
            await asyncio.wait({task})
        return _back()

    async def _pay_with_fault(self, request: web.Request) -> web.Response:
        """Pay a code exactly, with a fault in the files of the day."""
        code = await self._find(request)
        try:
            fault = FileFault(str((await request.post()).get("fault", "")))
        except ValueError:
            raise web.HTTPBadRequest from None
        await self._pay_code(code, Behaviour.EXACT, fault)
        return _back()

    async def _find(self, request: web.Request) -> OpenCode:
        """The code that the address names."""
        codes = {code.reference: code for code in await self._list_codes()}
        code = codes.get(request.match_info["reference"])
        if code is None:
            raise web.HTTPNotFound
        return code

    async def _pay_code(self, code: OpenCode, behaviour: Behaviour, fault: FileFault | None = None) -> None:
        label = f"{code.reference} · {self._messages[fault.value if fault else behaviour.value]}"
        try:
            answers = await self._bank.pay(code.payload, behaviour, fault=fault)
        except (ScanRefused, httpx.TransportError) as error:
            self._note(f"{label} → {self._messages['failed']}: {error}")
            return
        results = ", ".join(f"{answer.status} {answer.result}" for answer in answers)
        silent = self._messages["unreported" if fault in UNREPORTED else "silent"]
        self._note(f"{label} → {self._messages['answered']}: {results}" if results else f"{label} → {silent}")

    def _note(self, line: str) -> None:
        timestamp = self._clock().astimezone(VIETNAM_TIME).strftime("%H:%M:%S")
        self._log_lines.appendleft(f"{timestamp} · {line}")

    async def _answer(self, request: web.Request) -> web.Response:
        items = self._bank.transactions.answer(await request.read(), request.headers.get(SIGNATURE_HEADER))
        return web.Response(status=items.status, headers=items.headers, body=items.body)

    def _page(self, codes: Sequence[OpenCode]) -> str:
        messages = self._messages
        items = "".join(f"<li>{escape(line)}</li>" for line in self._log_lines)
        return (
            f'<!doctype html><html lang="{self._language}"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f'<meta http-equiv="refresh" content="{_RELOAD_S}">'
            f'<title>{messages["title"]}</title><link rel="stylesheet" href="{_STYLE_PATH}"></head><body><main>'
            f"<h1>{messages['title']}</h1><p>{messages['about']}</p>"
            f'<form method="post" action="/codes"><button>{messages["add"]}</button></form>'
            + "".join(_section(code, messages) for code in codes)
            + self._files.section()
            + f'<h2>{messages["log"]}</h2><ul role="log">{items or "<li>–</li>"}</ul></main></body></html>'
        )


def _section(code: OpenCode, messages: Mapping[str, str]) -> str:
    buttons = "".join(
        f'<form method="post" action="/codes/{escape(code.reference)}/{each.value}">'
        f"<button>{messages[each.value]}</button></form>"
        for each in OFFERED
    )
    page = escape(code.page, quote=True)
    faults = "".join(f'<option value="{each.value}">{messages[each.value]}</option>' for each in FileFault)
    buttons += (
        f'<form method="post" action="/codes/{escape(code.reference)}/faults">'
        f'<select name="fault" aria-label="{messages["pay_with_fault"]}">{faults}</select>'
        f"<button>{messages['pay_with_fault']}</button></form>"
    )
    return (
        f"<section><h2><code>{escape(code.reference)}</code> · {escape(code.amount)} · {escape(code.state)}</h2>"
        f'<p><a href="{page}" target="_blank" rel="noreferrer">{messages["open"]}</a></p>{buttons}</section>'
    )


def _back() -> web.Response:
    return web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": "/"})


@asynccontextmanager
async def serving_control_page(page: ControlPage, *, port: int) -> AsyncIterator[str]:
    """Serve on the loopback address until the context ends; yields the address."""
    runner = web.AppRunner(page.application(), access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await page.close()
        await runner.cleanup()

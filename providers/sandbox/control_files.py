"""The part of the bank simulator's page with the files of a day, and the card terminal.

GET  /files/{day}/{name}    statement.csv, statement.sta (MT940), settlement.csv, card-batch.json
POST /cards                 amount=136000: a payment at the card terminal of the account
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from http import HTTPStatus

from aiohttp import web

from providers.emvqr import AMOUNT_MAX
from providers.sandbox.bank_day import FileTerms
from providers.sandbox.bank_simulator import VIETNAM_TIME, BankSimulator
from providers.sandbox.day_files import DayFiles

_WRITERS: Mapping[str, Callable[[DayFiles, date], bytes | None]] = {
    "statement.csv": DayFiles.statement_csv,
    "statement.sta": DayFiles.statement_mt940,
    "settlement.csv": DayFiles.settlement,
    "card-batch.json": DayFiles.card_batch,
}
_DAYS = (-1, 0, 1)  # the page offers the files of yesterday, today and tomorrow


class ControlFiles:
    """The files of one bank simulator under its terms; `log` records a line on the page."""

    def __init__(
        self,
        bank: BankSimulator,
        terms: FileTerms,
        *,
        clock: Callable[[], datetime],
        messages: Mapping[str, str],
        log: Callable[[str], None],
    ) -> None:
        self._bank = bank
        self._terms = terms
        self._clock = clock
        self._messages = messages
        self._log = log

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """The addresses of the files and of the card terminal."""
        router.add_get("/files/{day}/{name}", self._download)
        router.add_post("/cards", self._pay_by_card)

    def section(self) -> str:
        """The links to the files, and the form of the card terminal."""
        today = self._clock().astimezone(VIETNAM_TIME).date()
        rows = []
        for offset in _DAYS:
            day = today + timedelta(days=offset)
            links = " · ".join(f'<a href="/files/{day}/{name}">{self._messages[name]}</a>' for name in _WRITERS)
            rows.append(f"<li>{day:%d/%m/%Y}: {links}</li>")
        return (
            f"<h2>{self._messages['files']}</h2><ul>{''.join(rows)}</ul>"
            f'<form method="post" action="/cards"><label>{self._messages["card_amount"]} '
            '<input name="amount" inputmode="numeric" required pattern="[1-9][0-9]*"></label>'
            f"<button>{self._messages['card']}</button></form>"
        )

    async def _download(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        try:
            day = date.fromisoformat(request.match_info["day"])
        except ValueError:
            raise web.HTTPNotFound from None
        writer = _WRITERS.get(name)
        content = writer(self._bank.transactions.files(self._terms), day) if writer is not None else None
        if content is None:
            raise web.HTTPNotFound
        return web.Response(
            body=content,
            content_type="application/octet-stream",
            headers={
                "Content-Disposition": f'attachment; filename="{day:%Y%m%d}-{name}"',
                "Cache-Control": "no-store",
                "X-Content-Type-Options": "nosniff",
            },
        )

    async def _pay_by_card(self, request: web.Request) -> web.Response:
        written = str((await request.post()).get("amount", ""))
        if not (written.isascii() and written.isdigit()) or not 0 < int(written[:20]) <= AMOUNT_MAX:
            raise web.HTTPBadRequest
        payment = self._bank.pay_by_card(int(written))
        self._log(
            f"{self._messages['card']} · {payment.amount} đ → {self._messages['approval_code']} {payment.approval_code}"
        )
        return web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": "/"})

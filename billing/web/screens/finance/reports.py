"""Reports of the books: their list, a page of one, and the file of exactly the same rows.

GET /finance/reports
GET /finance/reports/{name}        ?from, ?to, ?offset
GET /finance/reports/{name}/file   ?from, ?to, ?format

Source: docs/reports.md.
"""

from datetime import date

from aiohttp import web

from billing.reconciliation.domain.listing import Period, RowSlice
from billing.reconciliation.service.listings import (
    LISTINGS,
    OFFSET_MAX,
    FileFormat,
    export_listing,
    find_listing,
    read_listing,
)
from billing.web.app_state import app_state
from billing.web.pagination import InvalidQuery
from billing.web.screens.finance.params import query_of, read_any_day, read_given, read_word, today
from billing.web.screens.rendering import render
from billing.web.screens.session import current, language_of
from billing.web.screens.texts import find_text

_PAGE_SIZE = 100


async def get_reports(request: web.Request) -> web.Response:
    """The reports by title."""
    return render(request, "finance/reports.html", listings=tuple(LISTINGS.values()), today=today(request))


async def get_report(request: web.Request) -> web.Response:
    """A page of one report; without a period, of today."""
    given = read_given(request, "from", "to", "offset")
    listing = find_listing(request.match_info["name"])
    period = _period(request, given)
    offset = _offset(given)
    page = await read_listing(
        app_state(request).context,
        current(request).caller.organization_id,
        listing.name,
        period,
        RowSlice(_PAGE_SIZE, offset),
    )
    kept = {"from": period.first_day.isoformat(), "to": period.last_day.isoformat()}
    return render(
        request,
        "finance/report.html",
        page=page,
        label=lambda column, value: _label(request, column, value),
        period=period,
        offset=offset,
        query=query_of(kept),
        next_query=None if page.next_offset is None else query_of(kept, offset=page.next_offset),
    )


async def get_report_file(request: web.Request) -> web.Response:
    """A report as CSV or XLSX."""
    given = read_given(request, "from", "to", "format")
    file = await export_listing(
        app_state(request).context,
        current(request).caller.organization_id,
        request.match_info["name"],
        _period(request, given),
        read_word(given, "format", FileFormat) or FileFormat.CSV,
    )
    disposition = f'attachment; filename="{file.name}"'
    return web.Response(
        body=file.content, headers={"Content-Type": file.media_type, "Content-Disposition": disposition}
    )


_SECTIONS = {
    "kind": "entry",
    "debit_account": "role",
    "credit_account": "role",
    "role": "role",
    "method": "method",
    "result": "days.result",
    "account_kind": "days.kind",
}
"""Columns whose words have texts; files have the words themselves."""


def _label(request: web.Request, column: str, value: object) -> str:
    """A word of a report in the language of the session; any other value as it is."""
    section = _SECTIONS.get(column)
    found = None if section is None else find_text(language_of(request), f"finance.{section}.{value}")
    return str(value) if found is None else found


def _period(request: web.Request, given: dict[str, str]) -> Period:
    last: date = read_any_day(given, "to") or today(request)
    return Period(read_any_day(given, "from") or last, last)


def _offset(given: dict[str, str]) -> int:
    text = given.get("offset", "0")
    if not (text.isascii() and text.isdecimal() and len(text) < 9 and int(text) <= OFFSET_MAX):
        raise InvalidQuery("offset is a number of rows", field="offset")
    return int(text)

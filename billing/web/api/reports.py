"""Reports: the listings of the books by name, page by page as JSON, or as a CSV or XLSX file of the same rows.

GET /v1/reports
GET /v1/reports/{name}          ?from&to, with cursor and limit
GET /v1/reports/{name}/file     ?from&to, with format
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from aiohttp import web
from pydantic import with_config
from typing_extensions import TypedDict

from billing.reconciliation.domain.listing import Column, ColumnType, Period, RowSlice
from billing.reconciliation.service.listings import (
    LISTINGS,
    OFFSET_MAX,
    FileFormat,
    Listing,
    export_listing,
    read_listing,
)
from billing.web.app_state import CALLER, app_state
from billing.web.operation import Content, Operation, Parameter, one_of, operation
from billing.web.pagination import InvalidQuery, read_day, read_page, read_query, write_cursor
from billing.web.responses import json_response
from billing.web.schemas import EXACTLY, enum_schema

BYTES = "application/octet-stream"

_NAME = {"name": one_of("the name of the report", LISTINGS)}
_DAYS: Mapping[str, Parameter] = {
    "from": Parameter("first accounting date; required", format="date"),
    "to": Parameter("last accounting date; required", format="date"),
}


@with_config(EXACTLY)
class ColumnDocument(TypedDict):
    """A column of a report; `heading` is its heading in files."""

    name: str
    type: Annotated[str, enum_schema(ColumnType)]
    heading: str


@with_config(EXACTLY)
class ReportDocument(TypedDict):
    """A report. `is_balance`: its rows are as at the end of the last day of the period."""

    name: str
    title: str
    is_balance: bool
    columns: list[ColumnDocument]


@with_config(EXACTLY)
class ReportsDocument(TypedDict):
    """All reports."""

    items: list[ReportDocument]


@with_config(EXACTLY)
class ReportPageDocument(TypedDict):
    """Some rows of a report, each with a value for each column: amounts in đồng, days and ids as text."""

    report: ReportDocument
    items: list[list[str | int | None]]
    next_cursor: str | None


@operation(Operation(tag="reports", responses={HTTPStatus.OK: ReportsDocument}))
async def get_reports(request: web.Request) -> web.Response:
    """List the reports with their columns."""
    read_query(request, ())
    return json_response(ReportsDocument(items=[_report(each) for each in LISTINGS.values()]))


@operation(
    Operation(
        tag="reports",
        responses={HTTPStatus.OK: ReportPageDocument},
        problems=(HTTPStatus.NOT_FOUND,),
        filters=_DAYS,
        path=_NAME,
    )
)
async def get_report(request: web.Request) -> web.Response:
    """Read a report of a period page by page. Rows of a day that is open may move between pages."""
    page = read_page(request, filters=tuple(_DAYS))
    offset = 0 if page.after is None else page.after.int
    if offset > OFFSET_MAX:
        raise InvalidQuery("use a cursor exactly as returned", field="cursor")
    found = await read_listing(
        app_state(request).context,
        request[CALLER].organization_id,
        request.match_info["name"],
        _read_period({name: day for name in _DAYS if (day := request.query.get(name)) is not None}),
        RowSlice(page.limit, offset),
    )
    return json_response(
        ReportPageDocument(
            report=_report(found.listing),
            items=[list(row) for row in found.rows],
            next_cursor=None if found.next_offset is None else write_cursor(UUID(int=found.next_offset)),
        )
    )


@operation(
    Operation(
        tag="reports",
        responses={HTTPStatus.OK: Content(media_type=BYTES, description="CSV or XLSX, with headings in the first row")},
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY),
        query={**_DAYS, "format": one_of("the form of the file; without it, csv", FileFormat)},
        path=_NAME,
    )
)
async def get_report_file(request: web.Request) -> web.Response:
    """Download a report of a period as a file."""
    given = read_query(request, (*_DAYS, "format"))
    try:
        file_format = FileFormat(given.get("format", FileFormat.CSV))
    except ValueError as cause:
        raise InvalidQuery(f"format is one of {', '.join(FileFormat)}", field="format") from cause
    file = await export_listing(
        app_state(request).context,
        request[CALLER].organization_id,
        request.match_info["name"],
        _read_period(given),
        file_format,
    )
    disposition = f'attachment; filename="{file.name}"'
    return web.Response(body=file.content, headers={"Content-Type": BYTES, "Content-Disposition": disposition})


def _read_period(given: Mapping[str, str]) -> Period:
    first_day, last_day = read_day(given, "from"), read_day(given, "to")
    if first_day is None or last_day is None:
        raise InvalidQuery("name the first and the last day", field="from" if first_day is None else "to")
    if first_day > last_day:
        raise InvalidQuery("from is a day after to", field="from")
    return Period(first_day, last_day)


def _report(listing: Listing) -> ReportDocument:
    return ReportDocument(
        name=listing.name,
        title=listing.title,
        is_balance=listing.is_balance,
        columns=[_column(each) for each in listing.columns],
    )


def _column(column: Column) -> ColumnDocument:
    return ColumnDocument(name=column.name, type=column.type.value, heading=column.heading)

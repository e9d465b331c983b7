"""The work list as a file: the rows of a page and of the pages after it.

GET /finance/exceptions/file   the parameters of the page, and ?format
"""

import asyncio
from collections.abc import Sequence

from aiohttp import web

from billing.core.clock import VIETNAM
from billing.reconciliation.domain.work_list import WorkRow
from billing.reconciliation.service.listings import FileFormat
from billing.reconciliation.service.work_list import list_all_work
from billing.spreadsheets.csv_writer import write_csv
from billing.spreadsheets.xlsx_writer import write_xlsx
from billing.web.app_state import app_state
from billing.web.screens.finance.params import read_given, read_word
from billing.web.screens.finance.work_filters import NAMES, read_work_filter
from billing.web.screens.rendering import inert
from billing.web.screens.session import current, language_of
from billing.web.screens.texts import ScreenLanguage, translate

_COLUMNS = ("day", "time", "reason", "amount", "text", "payer", "reference", "account", "owner", "due", "state")
_TYPES = {
    FileFormat.CSV: "text/csv; charset=utf-8",
    FileFormat.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


async def get_work_file(request: web.Request) -> web.Response:
    """Download the work list of a filter."""
    given = read_given(request, *NAMES, "format")
    wanted = read_work_filter(request, given)
    file_format = read_word(given, "format", FileFormat) or FileFormat.CSV
    language = language_of(request)
    found = await list_all_work(app_state(request).context, current(request).caller.organization_id, wanted)
    content = await asyncio.to_thread(_write, found, language, file_format)
    name = f'attachment; filename="transactions.{file_format.value}"'
    return web.Response(body=content, headers={"Content-Type": _TYPES[file_format], "Content-Disposition": name})


def _write(found: Sequence[WorkRow], language: ScreenLanguage, file_format: FileFormat) -> bytes:
    rows: list[list[str | int]] = [[translate(language, f"finance.file.{column}") for column in _COLUMNS]]
    rows += [_cells(each, language) for each in found]
    return write_csv(rows) if file_format is FileFormat.CSV else write_xlsx(rows)


def _cells(row: WorkRow, language: ScreenLanguage) -> list[str | int]:
    """The cells of one row, in the order of the columns."""
    return [
        f"{row.business_day:%d/%m/%Y}",
        "" if row.occurred_at is None else f"{row.occurred_at.astimezone(VIETNAM):%H:%M:%S}",
        translate(language, f"finance.reason.{row.reason}"),
        row.signed_amount,
        inert(row.text),
        inert(row.payer_name),
        inert(row.bank_reference),
        row.account or row.bank_account_number,
        row.owner or "",
        f"{row.due_at.astimezone(VIETNAM):%d/%m/%Y}",
        translate(language, f"finance.state_of.{row.state}"),
    ]

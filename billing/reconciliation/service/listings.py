"""Reads the listings of the books by name, a page at a time or as a file; all forms have the same rows.

Source: docs/reports.md; docs/reference/hospital-money.md C-004.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from datetime import timedelta
from enum import StrEnum
from typing import Any

from billing.core.ids import OrganizationId
from billing.db.context import Context
from billing.db.database import Transaction
from billing.ledger.store.balances import read_balances
from billing.reconciliation.domain.listing import (
    Cell,
    Column,
    ColumnType,
    Period,
    RowSlice,
    TooManyRows,
    UnknownListing,
    cell,
)
from billing.reconciliation.store.listings_books import (
    DayResultRow,
    JournalRow,
    RevenueRow,
    list_day_results,
    list_journal,
    list_revenue,
)
from billing.reconciliation.store.listings_money import (
    CollectionRow,
    UnallocatedRow,
    VisitBalanceRow,
    list_collections,
    list_insurer_receivables,
    list_open_deposits,
    list_unallocated,
)
from billing.spreadsheets.csv_writer import write_csv
from billing.spreadsheets.xlsx_writer import write_xlsx

FILE_ROWS_MAX = 100_000
"""Rows of a file; a longer period is exported in parts."""

OFFSET_MAX = 10_000_000
"""The last row that a page begins at."""


class FileFormat(StrEnum):
    """The form of an exported listing."""

    CSV = "csv"
    XLSX = "xlsx"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialBalanceRow:
    """The opening balance, the movements and the closing balance of an account; balances are debit less credit."""

    number: str
    name: str
    role: str
    subject: str
    opening: int
    debit: int
    credit: int
    closing: int


async def _list_trial_balance(tx: Transaction, period: Period, part: RowSlice) -> list[TrialBalanceRow]:
    before = period.first_day - timedelta(days=1)
    opened = {each.account_id: each for each in await read_balances(tx, until=before, chart_on=period.last_day)}
    closed = await read_balances(tx, until=period.last_day, chart_on=period.last_day)
    rows = [
        TrialBalanceRow(
            number=each.number,
            name=each.name,
            role=each.role,
            subject=each.subject,
            opening=opened[each.account_id].debit - opened[each.account_id].credit,
            debit=each.debit - opened[each.account_id].debit,
            credit=each.credit - opened[each.account_id].credit,
            closing=each.debit - each.credit,
        )
        for each in closed
        if each.debit or each.credit
    ]
    return rows[part.offset : part.offset + part.limit]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A listing by name, with its Vietnamese title and columns. `is_balance`: as at the end of the last day."""

    name: str
    title: str
    row: Any
    columns: tuple[Column, ...]
    query: Callable[[Transaction, Period, RowSlice], Awaitable[Sequence[Any]]]
    is_balance: bool = False

    def __post_init__(self) -> None:
        assert [each.name for each in self.columns] == [each.name for each in fields(self.row)], "columns name fields"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListingPage:
    """Some rows of a listing; `next_offset` is None after the last."""

    listing: Listing
    rows: tuple[tuple[Cell, ...], ...]
    next_offset: int | None


@dataclass(frozen=True, slots=True)
class ListingFile:
    """An exported listing."""

    content: bytes
    media_type: str
    name: str


_TEXT, _ID, _DAY, _AMOUNT, _COUNT = ColumnType
_VISIT_COLUMNS = (
    Column("visit_id", _ID, "Mã lượt khám"),
    Column("ma_lk", _TEXT, "MA_LK"),
    Column("facility", _TEXT, "Cơ sở"),
    Column("since", _DAY, "Từ ngày"),
    Column("age_days", _COUNT, "Số ngày"),
)

_ALL = (
    Listing(
        name="daily-collection",
        title="Bảng kê thu theo thu ngân và hình thức",
        row=CollectionRow,
        query=list_collections,
        columns=(
            Column("day", _DAY, "Ngày"),
            Column("cashier", _TEXT, "Thu ngân"),
            Column("method", _TEXT, "Hình thức"),
            Column("invoices", _AMOUNT, "Thu viện phí"),
            Column("deposits", _AMOUNT, "Thu tạm ứng"),
            Column("unassigned", _AMOUNT, "Thu chưa phân bổ"),
            Column("returned", _AMOUNT, "Hoàn trả"),
            Column("other", _AMOUNT, "Khác"),
            Column("net", _AMOUNT, "Thực thu"),
        ),
    ),
    Listing(
        name="revenue",
        title="Doanh thu theo nguồn chi trả và khoa",
        row=RevenueRow,
        query=list_revenue,
        columns=(
            Column("payer", _TEXT, "Nguồn chi trả"),
            Column("department", _TEXT, "Khoa"),
            Column("amount", _AMOUNT, "Doanh thu"),
        ),
    ),
    Listing(
        name="open-deposits",
        title="Tạm ứng còn giữ",
        row=VisitBalanceRow,
        query=list_open_deposits,
        columns=(*_VISIT_COLUMNS, Column("amount", _AMOUNT, "Còn giữ")),
        is_balance=True,
    ),
    Listing(
        name="unallocated",
        title="Tiền chưa phân bổ",
        row=UnallocatedRow,
        query=list_unallocated,
        columns=(
            Column("payment_id", _ID, "Mã khoản thu"),
            Column("method", _TEXT, "Hình thức"),
            Column("provider_reference", _TEXT, "Mã giao dịch cổng"),
            Column("bank_reference", _TEXT, "Số tham chiếu ngân hàng"),
            Column("since", _DAY, "Từ ngày"),
            Column("age_days", _COUNT, "Số ngày"),
            Column("amount", _AMOUNT, "Chưa phân bổ"),
        ),
        is_balance=True,
    ),
    Listing(
        name="insurer-receivable",
        title="Phải thu quỹ BHYT theo lượt khám",
        row=VisitBalanceRow,
        query=list_insurer_receivables,
        columns=(*_VISIT_COLUMNS, Column("amount", _AMOUNT, "Phải thu")),
        is_balance=True,
    ),
    Listing(
        name="trial-balance",
        title="Bảng cân đối số phát sinh",
        row=TrialBalanceRow,
        query=_list_trial_balance,
        columns=(
            Column("number", _TEXT, "Số hiệu"),
            Column("name", _TEXT, "Tên tài khoản"),
            Column("role", _TEXT, "Vai trò"),
            Column("subject", _TEXT, "Đối tượng"),
            Column("opening", _AMOUNT, "Số dư đầu kỳ"),
            Column("debit", _AMOUNT, "Phát sinh nợ"),
            Column("credit", _AMOUNT, "Phát sinh có"),
            Column("closing", _AMOUNT, "Số dư cuối kỳ"),
        ),
    ),
    Listing(
        name="journal",
        title="Sổ nhật ký chung",
        row=JournalRow,
        query=list_journal,
        columns=(
            Column("day", _DAY, "Ngày"),
            Column("entry_id", _ID, "Mã bút toán"),
            Column("kind", _TEXT, "Nghiệp vụ"),
            Column("line", _COUNT, "Dòng"),
            Column("debit_number", _TEXT, "TK nợ"),
            Column("debit_account", _TEXT, "Vai trò nợ"),
            Column("credit_number", _TEXT, "TK có"),
            Column("credit_account", _TEXT, "Vai trò có"),
            Column("amount", _AMOUNT, "Số tiền"),
            Column("ma_lk", _TEXT, "MA_LK"),
            Column("invoice", _TEXT, "Bảng kê"),
            Column("payment_id", _ID, "Mã khoản thu"),
        ),
    ),
    Listing(
        name="day-results",
        title="Kết quả đối soát các ngày đã khóa",
        row=DayResultRow,
        query=list_day_results,
        columns=(
            Column("day", _DAY, "Ngày"),
            Column("account_kind", _TEXT, "Loại tài khoản"),
            Column("account", _TEXT, "Tài khoản"),
            Column("result", _TEXT, "Kết quả"),
            Column("statement_closing", _AMOUNT, "Số dư sao kê"),
            Column("ledger_balance", _AMOUNT, "Số dư sổ"),
            Column("residual", _AMOUNT, "Chênh lệch"),
            Column("open_exceptions", _COUNT, "Ngoại lệ mở"),
        ),
    ),
)

LISTINGS: Mapping[str, Listing] = {each.name: each for each in _ALL}
"""Every listing by name."""

_MEDIA_TYPES = {
    FileFormat.CSV: "text/csv; charset=utf-8",
    FileFormat.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


def find_listing(name: str) -> Listing:
    """A listing by its name. Raises UnknownListing."""
    found = LISTINGS.get(name)
    if found is None:
        raise UnknownListing(f"no such report; the reports are {', '.join(LISTINGS)}", field="name")
    return found


async def read_listing(
    context: Context, organization_id: OrganizationId, name: str, period: Period, part: RowSlice
) -> ListingPage:
    """A page of a listing. Rows of an open day may move between two pages. Raises UnknownListing."""
    listing = find_listing(name)
    async with context.database.transaction(organization_id) as tx:
        rows = await listing.query(tx, period, RowSlice(part.limit + 1, part.offset))
    shown = tuple(tuple(cell(value) for value in astuple(row)) for row in rows[: part.limit])
    return ListingPage(
        listing=listing, rows=shown, next_offset=part.offset + part.limit if len(rows) > part.limit else None
    )


async def export_listing(
    context: Context, organization_id: OrganizationId, name: str, period: Period, file_format: FileFormat
) -> ListingFile:
    """A listing as a file, its headings in the first row. Raises UnknownListing, TooManyRows."""
    page = await read_listing(context, organization_id, name, period, RowSlice(FILE_ROWS_MAX))
    if page.next_offset is not None:
        raise TooManyRows(f"the period has more than {FILE_ROWS_MAX} rows; export a shorter one", field="from")
    # Many rows take a second: callbacks must not wait for it.
    content = await asyncio.to_thread(_write, page, file_format)
    days = f"{period.first_day.isoformat()}_{period.last_day.isoformat()}"
    return ListingFile(content, _MEDIA_TYPES[file_format], f"{name}_{days}.{file_format.value}")


def _write(page: ListingPage, file_format: FileFormat) -> bytes:
    rows: list[list[str | int]] = [[each.heading for each in page.listing.columns]]
    rows += [["" if value is None else value for value in row] for row in page.rows]
    return write_csv(rows) if file_format is FileFormat.CSV else write_xlsx(rows)

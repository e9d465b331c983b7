"""The printers of desks."""

from dataclasses import dataclass

from billing.core.ids import DeskId
from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.organizations.domain.receipt_printer import Paper, ReceiptPrinter


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskPrinter:
    """A desk with its printer."""

    desk_id: DeskId
    desk: str
    facility_code: str
    paper: Paper
    height_mm: int


_PRINTERS = """
    SELECT desk.id AS desk_id, desk.name AS desk, facility.code AS facility_code,
        coalesce(printer.paper, '80mm') AS paper, coalesce(printer.height_mm, 120) AS height_mm
    FROM desk
    JOIN facility ON facility.organization_id = $1 AND facility.id = desk.facility_id
    LEFT JOIN receipt_printer AS printer ON printer.organization_id = $1 AND printer.desk_id = desk.id
    WHERE desk.organization_id = $1 AND ($2::uuid IS NULL OR desk.id = $2)
    ORDER BY facility.code, desk.name
"""


async def read_printers(tx: Transaction, desk_id: DeskId | None = None) -> list[DeskPrinter]:
    """Every desk with its printer, or one desk."""
    return [read_row(DeskPrinter, row) for row in await tx.fetch(_PRINTERS, tx.organization_id, desk_id)]


_SET_PRINTER = """
    INSERT INTO receipt_printer (organization_id, desk_id, paper, height_mm) VALUES ($1, $2, $3, $4)
    ON CONFLICT (organization_id, desk_id) DO UPDATE SET paper = excluded.paper, height_mm = excluded.height_mm
"""


async def set_printer(tx: Transaction, desk_id: DeskId, printer: ReceiptPrinter) -> None:
    """Set the printer of a desk."""
    await tx.execute(_SET_PRINTER, tx.organization_id, desk_id, printer.paper.value, printer.height_mm)

"""The printers of desks: read, and set by an administrator. Use cases."""

from billing.core.actor import Actor
from billing.core.errors import NotFound
from billing.core.ids import DeskId, OrganizationId
from billing.db.context import Context
from billing.ledger.service.audit import note
from billing.organizations.domain.receipt_printer import ReceiptPrinter
from billing.organizations.store.receipt_printers import DeskPrinter, read_printers, set_printer

__all__ = ["DeskPrinter", "find_printer", "list_printers", "set_receipt_printer"]


async def list_printers(context: Context, organization_id: OrganizationId) -> list[DeskPrinter]:
    """Every desk with its printer, by facility and name."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        return await read_printers(tx)


async def find_printer(context: Context, organization_id: OrganizationId, desk_id: DeskId | None) -> ReceiptPrinter:
    """The printer of a desk; the usual one without a desk."""
    if desk_id is None:
        return ReceiptPrinter()
    async with context.database.transaction(organization_id, read_only=True) as tx:
        found = await read_printers(tx, desk_id)
    return ReceiptPrinter(paper=found[0].paper, height_mm=found[0].height_mm) if found else ReceiptPrinter()


async def set_receipt_printer(
    context: Context, organization_id: OrganizationId, desk_id: DeskId, printer: ReceiptPrinter, *, actor: Actor
) -> None:
    """Set paper and page height of the printer of a desk. Raises NotFound."""
    async with context.database.transaction(organization_id) as tx:
        if not await read_printers(tx, desk_id):
            raise NotFound("no such desk", field="desk_id")
        await set_printer(tx, desk_id, printer)
        await note(tx, context, actor, "receipt_printer_changed", ("desk", desk_id))

"""Lists of invoices, the newest first."""

from billing.core.ids import OrganizationId
from billing.core.list_slice import ListSlice
from billing.db.context import Context
from billing.invoices.domain.invoice_details import InvoiceFilter, ListedInvoice
from billing.invoices.store.invoice_lists import read_invoices


async def list_invoices(
    context: Context, organization_id: OrganizationId, part: ListSlice, wanted: InvoiceFilter
) -> list[ListedInvoice]:
    """A slice of the invoices that are wanted."""
    async with context.database.transaction(organization_id) as tx:
        return await read_invoices(tx, part, wanted)

"""Export the claim of an issued invoice: the claim file of its visit, with the amounts of the invoice.

Reads names, card numbers and the visit's source file, so every export writes an audit entry.
"""

import asyncio
from dataclasses import dataclass
from datetime import date

from billing.claims.formats.xml130_writer import PricedClaim, write_claim_file
from billing.claims.service.billed_prices import PricedBilledVisit, price_as_invoiced, price_corrected
from billing.claims.store.billed_visits import BilledVisit, read_billed_visit, read_corrected_visit
from billing.core.actor import Actor
from billing.core.clock import business_date
from billing.core.errors import NotFound
from billing.core.ids import InvoiceId, OrganizationId
from billing.coverage.service.context import PricingContext
from billing.invoices.domain.invoice import InvoiceNotIssued, InvoiceState, VisitErased
from billing.ledger.store.journal import write_audit
from billing.visits.formats.xml130.reader import read_claim_file
from billing.visits.formats.xml130.tables import Row


@dataclass(frozen=True, slots=True)
class ExportedClaim:
    """An unsigned claim file and its file name."""

    file_name: str
    content: bytes


async def export_claim(
    context: PricingContext, organization_id: OrganizationId, invoice_id: InvoiceId, *, actor: Actor
) -> ExportedClaim:
    """Write tables XML1–XML3 of the visit of an invoice, from its price snapshot and lines.

    The lines are those of the whole visit up to this invoice; those of the newest invoice are as corrected. The patient
    is that of the visit's newest version. Raises NotFound, InvoiceNotIssued, VisitErased, ClaimNotWritable,
    ClaimPriceChanged.
    """
    now = context.clock()
    async with context.database.transaction(organization_id) as tx:
        billed = await read_billed_visit(tx, invoice_id)
        if billed is None:
            raise NotFound("no such invoice", field="invoice_id")
        invoice = billed.invoice
        if invoice.state is not InvoiceState.ISSUED:
            raise InvoiceNotIssued(f"invoice {invoice.number} is {invoice.state}, and only an issued one is claimed")
        corrected = await read_corrected_visit(tx, invoice_id)
        priced = None if corrected is None else await price_corrected(tx, context, billed, corrected)
        # Reading and writing the tables only uses the CPU: callbacks must not wait for it.
        content = await asyncio.to_thread(_write, billed, priced, business_date(now))
        await write_audit(
            tx,
            context.ids.new(),
            recorded_at=now,
            actor=actor,
            action="claim_exported",
            subject=("invoice", invoice_id),
        )
    return ExportedClaim(f"XML130-{invoice.number}.xml", content)


def _write(billed: BilledVisit, corrected: PricedBilledVisit | None, made_on: date) -> bytes:
    if corrected is not None:
        return write_claim_file(PricedClaim(visit=corrected.visit, lines=corrected.lines, made_on=made_on))
    priced = price_as_invoiced(billed)
    supplied = _supplied_rows(billed, priced.visit.ma_lk)
    return write_claim_file(PricedClaim(visit=priced.visit, lines=priced.lines, supplied=supplied, made_on=made_on))


def _supplied_rows(billed: BilledVisit, ma_lk: str) -> tuple[Row, ...]:
    """The rows of the visit in its claim file; none for another source."""
    if billed.claim_file_id is None:
        return ()
    if billed.claim_file is None:
        raise VisitErased(f"the claim file the visit of invoice {billed.invoice.number} came in with was erased")
    return next(read.rows for read in read_claim_file(billed.claim_file).visits if read.visit.ma_lk == ma_lk)

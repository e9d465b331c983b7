"""Export the claim of an issued invoice: the claim file of its visit, with the amounts of the invoice.

Reads names, card numbers and the visit's source file, so every export writes an audit entry.
"""

import asyncio
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from billing.claims.formats.xml130_writer import PricedClaim, write_claim_file
from billing.claims.store.billed_visits import BilledVisit, read_billed_visit
from billing.core.actor import Actor
from billing.core.clock import business_date
from billing.core.errors import NotFound
from billing.core.ids import InvoiceId, OrganizationId
from billing.coverage.domain.price_result import PricedLine
from billing.coverage.formats.visit_input import read_visit as read_visit_json
from billing.coverage.service.context import PricingContext
from billing.invoices.domain.invoice import InvoiceNotIssued, InvoiceState, VisitErased
from billing.invoices.formats.price_snapshot import read_snapshot
from billing.ledger.store.journal import write_audit
from billing.visits.domain.visit import Visit
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

    The lines are those of the whole visit up to this invoice. The patient is that of the visit's newest version.
    Raises NotFound, InvoiceNotIssued, VisitErased, ClaimNotWritable.
    """
    now = context.clock()
    async with context.database.transaction(organization_id) as tx:
        billed = await read_billed_visit(tx, invoice_id)
        if billed is None:
            raise NotFound("no such invoice", field="invoice_id")
        if billed.state is not InvoiceState.ISSUED:
            raise InvoiceNotIssued(f"invoice {billed.number} is {billed.state}, and only an issued one is claimed")
        # Reading and writing the tables only uses the CPU: callbacks must not wait for it.
        content = await asyncio.to_thread(_write, billed, business_date(now))
        await write_audit(
            tx,
            context.ids.new(),
            recorded_at=now,
            actor=actor,
            action="claim_exported",
            subject=("invoice", invoice_id),
        )
    return ExportedClaim(f"XML130-{billed.number}.xml", content)


def _write(billed: BilledVisit, made_on: date) -> bytes:
    if billed.document is None or billed.patient is None:
        raise VisitErased(f"the visit of invoice {billed.number} was erased after its retention")
    visit = _whole_visit(billed, billed.document)
    items = {item.key: item for item in visit.items}
    lines = [
        PricedLine(
            item=items[line.table, line.number],
            hospital_amount=line.hospital_amount,
            insured_amount=line.insured_amount,
            level=line.level,
            other_funds=line.other_funds,
            self_pay=line.self_pay,
            copay=line.copay,
            fund=line.fund,
            reasons=(),
        )
        for line in billed.lines
    ]
    return write_claim_file(
        PricedClaim(visit=visit, lines=lines, supplied=_supplied_rows(billed, visit.ma_lk), made_on=made_on)
    )


def _whole_visit(billed: BilledVisit, document: Any) -> Visit:
    """The visit of the snapshot with the data that a snapshot omits: card numbers and the patient."""
    frozen = read_snapshot(billed.frozen).visit
    supplied = read_visit_json(document)
    assert len(supplied.cards) == len(frozen.cards), "a version of a visit never changes"
    assert billed.patient is not None, "an erased patient was refused"
    return replace(frozen, cards=supplied.cards, patient=billed.patient)


def _supplied_rows(billed: BilledVisit, ma_lk: str) -> tuple[Row, ...]:
    """The rows of the visit in its claim file; none for another source."""
    if billed.claim_file_id is None:
        return ()
    if billed.claim_file is None:
        raise VisitErased(f"the claim file the visit of invoice {billed.number} came in with was erased")
    return next(read.rows for read in read_claim_file(billed.claim_file).visits if read.visit.ma_lk == ma_lk)

"""Export the claim of an issued invoice: the claim file of its visit, with the amounts of the invoice.

Reads names, card numbers and the visit's source file, so every export writes an audit entry.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from billing.claims.formats.xml130_writer import PricedClaim, write_claim_file
from billing.claims.store.billed_visits import (
    BilledVisit,
    CorrectedVisit,
    read_billed_visit,
    read_corrected_visit,
)
from billing.core.actor import Actor
from billing.core.clock import business_date
from billing.core.errors import NotFound, Refused
from billing.core.ids import InvoiceId, OrganizationId
from billing.coverage.domain.price_result import PricedLine
from billing.coverage.formats.visit_input import read_visit as read_visit_json
from billing.coverage.service.context import PricingContext
from billing.coverage.service.pricing_inputs import load_pricing_inputs
from billing.db.database import Transaction
from billing.invoices.domain.correction import changed_lines
from billing.invoices.domain.invoice import InvoiceNotIssued, InvoiceState, VisitErased
from billing.invoices.formats.price_snapshot import read_snapshot
from billing.invoices.store.corrections import billed_line
from billing.ledger.store.journal import write_audit
from billing.visits.domain.visit import Visit
from billing.visits.formats.xml130.reader import read_claim_file
from billing.visits.formats.xml130.tables import Row


class ClaimPriceChanged(Refused):
    """The corrected visit has another price now than that which was billed: policies or price lists have changed."""

    code = "claim_price_changed"


@dataclass(frozen=True, slots=True)
class ExportedClaim:
    """An unsigned claim file and its file name."""

    file_name: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _PricedVisit:
    """A visit with its lines at the price that was billed."""

    visit: Visit
    lines: Sequence[PricedLine]


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
        priced = None if corrected is None else await _price_corrected(tx, context, billed, corrected)
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


async def _price_corrected(
    tx: Transaction, context: PricingContext, billed: BilledVisit, corrected: CorrectedVisit
) -> _PricedVisit:
    """The visit of the last correction with its lines, priced again: line by line what was billed.

    Raises VisitErased, ClaimPriceChanged, refusals of the price.
    """
    if corrected.document is None or billed.patient is None:
        raise _erased(billed)
    visit = replace(await asyncio.to_thread(read_visit_json, corrected.document), patient=billed.patient)
    [terms] = await load_pricing_inputs(tx, context, [visit])
    collected = await asyncio.to_thread(terms.price_for_collection, visit)
    lines = collected.priced.lines
    if changed_lines(corrected.lines, [billed_line(line) for line in lines]):
        raise ClaimPriceChanged(
            f"invoice {billed.invoice.number} was corrected to another price than that of today; reopen the visit and "
            "make its final bill again"
        )
    return _PricedVisit(visit=visit, lines=lines)


def _erased(billed: BilledVisit) -> VisitErased:
    return VisitErased(f"the visit of invoice {billed.invoice.number} was erased after its retention")


def _write(billed: BilledVisit, corrected: _PricedVisit | None, made_on: date) -> bytes:
    if corrected is not None:
        return write_claim_file(PricedClaim(visit=corrected.visit, lines=corrected.lines, made_on=made_on))
    if billed.document is None or billed.patient is None:
        raise _erased(billed)
    visit = _whole_visit(billed, billed.document)
    items = {item.key: item for item in visit.items}
    lines = [line.priced(items[line.table, line.stt]) for line in billed.invoice.lines]
    return write_claim_file(
        PricedClaim(visit=visit, lines=lines, supplied=_supplied_rows(billed, visit.ma_lk), made_on=made_on)
    )


def _whole_visit(billed: BilledVisit, document: Any) -> Visit:
    """The visit of the snapshot with the data that a snapshot omits: card numbers and the patient."""
    assert billed.invoice.document is not None, "an issued invoice has a snapshot"
    frozen = read_snapshot(billed.invoice.document).visit
    supplied = read_visit_json(document)
    assert len(supplied.cards) == len(frozen.cards), "a version of a visit never changes"
    assert billed.patient is not None, "an erased patient was refused"
    return replace(frozen, cards=supplied.cards, patient=billed.patient)


def _supplied_rows(billed: BilledVisit, ma_lk: str) -> tuple[Row, ...]:
    """The rows of the visit in its claim file; none for another source."""
    if billed.claim_file_id is None:
        return ()
    if billed.claim_file is None:
        raise VisitErased(f"the claim file the visit of invoice {billed.invoice.number} came in with was erased")
    return next(read.rows for read in read_claim_file(billed.claim_file).visits if read.visit.ma_lk == ma_lk)

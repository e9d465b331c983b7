"""Issue an invoice: freeze the price of a visit and recognise the charges in the books."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from billing.core.actor import Actor
from billing.core.clock import business_date
from billing.core.errors import InvalidValue, NotFound
from billing.core.ids import InvoiceId, OrganizationId, VisitId
from billing.coverage.formats.visit_input import read_visit as read_visit_json
from billing.coverage.service.context import PricingContext
from billing.coverage.service.pricing_inputs import load_pricing_inputs
from billing.db.idempotency import IdempotentRequest, find_previous_result, save_result
from billing.invoices.domain.invoice import FinalBillNeeded, VisitErased, shares_still_to_invoice
from billing.invoices.domain.invoice_details import InvoiceDetails
from billing.invoices.formats.price_snapshot import read_snapshot
from billing.invoices.service.issuing import IssuedPrice, add_issued_invoice
from billing.invoices.store.corrections import read_billed_shares
from billing.invoices.store.invoices import has_open_account, read_invoice
from billing.ledger.store.journal import open_day
from billing.visits.domain.visit import ChargeItem, Table
from billing.visits.store.visits import lock_visit, read_visit


async def issue_invoice(
    context: PricingContext,
    organization_id: OrganizationId,
    visit_id: VisitId,
    *,
    actor: Actor,
    request: IdempotentRequest | None = None,
) -> InvoiceId:
    """Issue an invoice of a visit's cost so far, less its earlier invoices, and recognise the charges.

    A repeated `request` returns the earlier invoice. Raises NotFound, FinalBillNeeded, VisitErased, NothingToInvoice,
    CorrectionNeeded, refusals of the price (PriceNotInForce), or idempotency errors.
    """
    now = context.clock()
    today = business_date(now)
    async with context.database.transaction(organization_id, posting=True) as tx:
        earlier = await find_previous_result(tx, request)
        if earlier is not None:
            return InvoiceId(earlier.subjects[0])
        await open_day(tx, today, at=now)
        if await has_open_account(tx, visit_id):
            raise FinalBillNeeded("the visit account is open; its final bill issues the invoice", field="visit_id")
        if not await lock_visit(tx, visit_id):
            raise NotFound("no such visit", field="visit_id")
        row = await read_visit(tx, visit_id)
        assert row is not None, "the visit's row is held"
        if row.document is None:
            raise VisitErased("this visit was erased after its retention")
        submitted = await asyncio.to_thread(read_visit_json, row.document)
        [terms] = await load_pricing_inputs(tx, context, [submitted])
        assert terms.facility_id is not None, "a visit is of a facility"
        collected = await asyncio.to_thread(terms.price_for_collection, submitted)
        priced = collected.priced
        earlier_shares = await read_billed_shares(tx, visit_id)
        shares = shares_still_to_invoice(priced.shares, list(earlier_shares.values()))
        issued = IssuedPrice(collected=collected, terms=terms, shares=shares)
        invoice = await add_issued_invoice(tx, context, visit_id, row.version, issued, actor=actor)
        await save_result(tx, request, [invoice.id], now=now)
    return invoice.id


async def find_invoice(
    context: PricingContext, organization_id: OrganizationId, invoice_id: InvoiceId
) -> InvoiceDetails:
    """An invoice with its lines, each with the steps of its `breakdown`. Raises NotFound."""
    async with context.database.transaction(organization_id) as tx:
        invoice = await read_invoice(tx, invoice_id)
    if invoice is None:
        raise NotFound("no such invoice", field="invoice_id")
    items = await asyncio.to_thread(_frozen_items, invoice.document)
    lines = (
        replace(line, breakdown=line.breakdown_with(items[line.table, line.stt]))
        if (line.table, line.stt) in items
        else line
        for line in invoice.lines
    )
    return replace(invoice, lines=tuple(lines))


def _frozen_items(document: str | None) -> Mapping[tuple[Table, int], ChargeItem]:
    """The items of a snapshot; none where they cannot be read: repricing lists that, and the invoice is still shown."""
    if document is None:
        return {}
    try:
        return {item.key: item for item in read_snapshot(document).visit.items}
    except InvalidValue:
        return {}

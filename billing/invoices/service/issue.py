"""Issue an invoice: freeze the price of a visit and recognise the charges in the books."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from billing import __version__
from billing.core.actor import Actor
from billing.core.clock import business_date
from billing.core.errors import InvalidValue, NotFound
from billing.core.ids import EntryId, InvoiceId, OrganizationId, VisitId
from billing.coverage.domain.breakdown import BreakdownStep, breakdown
from billing.coverage.domain.price_result import AppliedRule, PricedLine
from billing.coverage.domain.pricing_authority import CollectedPrice
from billing.coverage.formats.visit_input import read_visit as read_visit_json
from billing.coverage.service.context import PricingContext
from billing.coverage.service.pricing_inputs import PricingInputs, load_pricing_inputs
from billing.coverage.store.pricing_settings import add_differences
from billing.db.database import Transaction
from billing.db.idempotency import IdempotentRequest, find_previous_result, save_result
from billing.invoices.domain.invoice import Invoice, InvoiceState, VisitErased, shares_still_to_invoice
from billing.invoices.domain.posting_rules import invoice_issued
from billing.invoices.formats.price_snapshot import policy_version, read_snapshot, write_snapshot
from billing.invoices.store.invoices import SnapshotInput, add_invoice, next_number, read_earlier_shares, read_invoice
from billing.ledger.domain.accounts import Entry, EntryKind, accounting_date
from billing.ledger.store.journal import open_day, read_days, write_audit, write_entry, write_message
from billing.visits.domain.visit import ChargeItem, Table
from billing.visits.formats.visit_document import content_hash
from billing.visits.store.visits import lock_visit, read_visit

SERIES = "invoice"


async def issue_invoice(
    context: PricingContext,
    organization_id: OrganizationId,
    visit_id: VisitId,
    *,
    actor: Actor,
    request: IdempotentRequest | None = None,
) -> InvoiceId:
    """Issue an invoice of a visit's cost so far, less its earlier invoices, and recognise the charges.

    A repeated `request` returns the earlier invoice. Raises NotFound, VisitErased, NothingToInvoice, CorrectionNeeded,
    refusals of the price (PriceNotInForce), or idempotency errors.
    """
    now = context.clock()
    today = business_date(now)
    async with context.database.transaction(organization_id, posting=True) as tx:
        earlier = await find_previous_result(tx, request)
        if earlier is not None:
            return InvoiceId(earlier.subjects[0])
        await open_day(tx, today, at=now)
        if not await lock_visit(tx, visit_id):
            raise NotFound("no such visit", field="visit_id")
        row = await read_visit(tx, visit_id)
        assert row is not None, "the visit's row is held"
        if row["document"] is None:
            raise VisitErased("this visit was erased after its retention")
        submitted = await asyncio.to_thread(read_visit_json, row["document"])
        [terms] = await load_pricing_inputs(tx, context, [submitted])
        assert terms.facility_id is not None, "a visit is of a facility"
        collected = await asyncio.to_thread(terms.price_for_collection, submitted)
        priced = collected.priced
        shares = shares_still_to_invoice(priced.shares, await read_earlier_shares(tx, visit_id))
        number = await next_number(tx, series=SERIES, year=today.year)
        invoice = Invoice(
            id=InvoiceId(context.ids.new()),
            visit_id=visit_id,
            visit_version=row["version"],
            number=f"BK{today.year}-{number:06d}",
            state=InvoiceState.ISSUED,
            version=1,
            shares=shares,
            guarantor=priced.guarantor,
            issued_at=now,
        )
        await add_invoice(tx, invoice, priced.lines, _frozen(collected, terms))
        if collected.differences:
            assert terms.pricing.setting is not None, "differences are to what somebody set"
            await add_differences(
                tx,
                [(context.ids.new(), each) for each in collected.differences],
                facility_id=terms.facility_id,
                visit_id=visit_id,
                invoice_id=invoice.id,
                vendor=terms.pricing.setting.vendor,
                recorded_at=now,
            )
        await _book(tx, context, invoice, now, actor)
        await save_result(tx, request, [invoice.id], now=now)
    return invoice.id


async def find_invoice(
    context: PricingContext, organization_id: OrganizationId, invoice_id: InvoiceId
) -> Mapping[str, Any]:
    """An invoice with its lines, each with the steps of its `breakdown`. Raises NotFound."""
    async with context.database.transaction(organization_id) as tx:
        row = await read_invoice(tx, invoice_id)
    if row is None:
        raise NotFound("no such invoice", field="invoice_id")
    items = await asyncio.to_thread(_frozen_items, row["document"])
    return {**row, "lines": [{**line, "breakdown": _arithmetic(line, items)} for line in row["lines"]]}


def _frozen_items(document: str | None) -> Mapping[tuple[Table, int], ChargeItem]:
    """The items of a snapshot; none where they cannot be read: repricing lists that, and the invoice is still shown."""
    if document is None:
        return {}
    try:
        return {item.key: item for item in read_snapshot(document).visit.items}
    except InvalidValue:
        return {}


def _arithmetic(line: Mapping[str, Any], items: Mapping[tuple[Table, int], ChargeItem]) -> tuple[BreakdownStep, ...]:
    """The breakdown of an invoice line from its item in the snapshot; empty where the item is not known."""
    item = items.get((Table(line["table"]), line["stt"]))
    if item is None:
        return ()
    reasons = (AppliedRule(each["rule"], each["operands"], each.get("variant", "")) for each in line["reasons"])
    names = ("hospital_amount", "insured_amount", "level", "other_funds", "self_pay", "copay", "fund")
    amounts = {name: Decimal(line[name]) for name in names}
    return breakdown(PricedLine(item=item, **amounts, reasons=tuple(reasons)))


async def _book(tx: Transaction, context: PricingContext, invoice: Invoice, now: datetime, actor: Actor) -> None:
    today = business_date(now)
    postings = invoice_issued(invoice.shares, visit_id=invoice.visit_id, invoice_id=invoice.id)
    if postings:
        keys = {key for posting in postings for key in (posting.debit, posting.credit)}
        accounts = await context.ledger_accounts(tx, *keys)
        days = await read_days(tx, first_day=today, last_day=today)
        entry = Entry(
            id=EntryId(context.ids.new()),
            kind=EntryKind.INVOICE_ISSUED,
            effective_at=now,
            recorded_at=now,
            accounting_date=accounting_date(occurred_on=today, today=today, days=days),
            actor=actor,
            postings=postings,
        )
        await write_entry(tx, entry, accounts)
    await write_message(
        tx,
        context.ids.new(),
        topic="invoice.issued",
        payload={"invoice_id": str(invoice.id), "version": invoice.version, "owed": invoice.owed},
    )
    await write_audit(
        tx,
        context.ids.new(),
        recorded_at=now,
        actor=actor,
        action="invoice_issued",
        subject=("invoice", invoice.id),
    )


def _frozen(collected: CollectedPrice, terms: PricingInputs) -> SnapshotInput:
    """The snapshot of a price; with a pricing setting also the setting and the price lists used."""
    document = write_snapshot(collected.visit, terms.policy, terms.pricing)
    return SnapshotInput(
        document=document,
        document_hash=content_hash(document),
        policy_version=policy_version(terms.policy),
        code_version=__version__,
        reasons=collected.priced.reasons,
    )

"""Store an issued invoice with its frozen price, and recognise the charges in the books. A step.

Requires a transaction with `posting=True` that holds the visit locked. Issuing an invoice and the final bill share it.
"""

from dataclasses import dataclass

from billing import __version__
from billing.core.actor import Actor
from billing.core.clock import business_date
from billing.core.ids import InvoiceId, VisitId
from billing.core.money import Shares
from billing.coverage.domain.pricing_authority import CollectedPrice
from billing.coverage.service.context import PricingContext
from billing.coverage.service.pricing_inputs import PricingInputs
from billing.coverage.store.pricing_settings import CollectedInvoice, add_differences
from billing.db.database import Transaction
from billing.db.series import take_numbers
from billing.invoices.domain.invoice import Invoice, InvoiceState
from billing.invoices.domain.invoice_details import StoredSnapshot
from billing.invoices.domain.posting_rules import invoice_issued
from billing.invoices.formats.price_snapshot import policy_version, write_snapshot
from billing.invoices.store.invoices import add_invoice
from billing.ledger.domain.accounts import EntryKind
from billing.ledger.service.audit import note
from billing.ledger.service.posting import post_entry
from billing.ledger.store.journal import write_message
from billing.visits.formats.visit_document import content_hash

_SERIES = "invoice"


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedPrice:
    """What an invoice is issued at: the price of the visit so far, its inputs, and the shares of this invoice."""

    collected: CollectedPrice
    terms: PricingInputs
    shares: Shares


async def add_issued_invoice(
    tx: Transaction,
    context: PricingContext,
    visit_id: VisitId,
    visit_version: int,
    issued: IssuedPrice,
    *,
    actor: Actor,
) -> Invoice:
    """Store an issued invoice: D receivable of each payer · C revenue. Returns it. Raises NoOpenDay."""
    now = context.clock()
    year = business_date(now).year
    [number] = await take_numbers(tx, series=_SERIES, year=year)
    invoice = Invoice(
        id=InvoiceId(context.ids.new()),
        visit_id=visit_id,
        visit_version=visit_version,
        number=f"BK{year}-{number:06d}",
        state=InvoiceState.ISSUED,
        version=1,
        shares=issued.shares,
        guarantor=issued.collected.priced.guarantor,
        issued_at=now,
    )
    await add_invoice(tx, invoice, issued.collected.priced, _snapshot(issued.collected, issued.terms))
    await add_price_differences(tx, context, invoice, issued)
    postings = invoice_issued(invoice.shares, visit_id=visit_id, invoice_id=invoice.id)
    await post_entry(tx, context, EntryKind.INVOICE_ISSUED, postings, actor=actor)
    await write_message(
        tx,
        context.ids.new(),
        topic="invoice.issued",
        payload={"invoice_id": str(invoice.id), "version": invoice.version, "owed": invoice.owed},
    )
    await note(tx, context, actor, "invoice_issued", ("invoice", invoice.id))
    return invoice


async def add_price_differences(
    tx: Transaction, context: PricingContext, invoice: Invoice, issued: IssuedPrice
) -> None:
    """List the differences between the collected amounts and ours, once for each visit."""
    if not issued.collected.differences:
        return
    terms = issued.terms
    assert terms.pricing.setting is not None, "differences are to what somebody set"
    assert terms.facility_id is not None, "a visit is of a facility"
    await add_differences(
        tx,
        [(context.ids.new(), each) for each in issued.collected.differences],
        CollectedInvoice(
            facility_id=terms.facility_id,
            visit_id=invoice.visit_id,
            invoice_id=invoice.id,
            vendor=terms.pricing.setting.vendor,
        ),
        recorded_at=context.clock(),
    )


def _snapshot(collected: CollectedPrice, terms: PricingInputs) -> StoredSnapshot:
    """The snapshot of a price; with a pricing setting also the setting and the price lists used."""
    document = write_snapshot(collected.visit, terms.policy, terms.pricing)
    return StoredSnapshot(
        document=document,
        document_hash=content_hash(document),
        policy_version=policy_version(terms.policy),
        code_version=__version__,
    )

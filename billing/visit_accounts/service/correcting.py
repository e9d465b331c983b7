"""Correct the invoices of a visit: store the corrections, post them, and turn what is paid above into credit. A step.

Requires a transaction with `posting=True`; the invoices and the positions of their payments are locked. Source:
docs/design.md §5, Where money goes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from billing.core.actor import Actor
from billing.core.ids import InvoiceId, VisitId
from billing.core.money import Dong
from billing.db.database import Transaction
from billing.invoices.domain.correction import BilledLine, Correction, CorrectionKind
from billing.invoices.domain.invoice import Invoice
from billing.invoices.domain.posting_rules import invoice_corrected
from billing.invoices.store.corrections import add_correction_lines, add_corrections
from billing.invoices.store.invoices import update_invoices
from billing.ledger.domain.accounts import EntryKind
from billing.ledger.service.audit import note
from billing.ledger.service.posting import post_entry
from billing.ledger.store.journal import write_message
from billing.payments.domain.payment import AllocationTarget
from billing.payments.domain.reallocation import PartAllocation
from billing.payments.service.allocation import apply_credit, free_invoice
from billing.payments.service.context import PaymentContext
from billing.payments.service.webhook_messages import invoice_message
from billing.visit_accounts.service.guarantee_receivables import follow_final_bill

_ENTRY_OF = {
    CorrectionKind.PRICE: EntryKind.INVOICE_CORRECTED,
    CorrectionKind.GUARANTEE: EntryKind.GUARANTEE_CONFIRMED,
    CorrectionKind.EXEMPTION: EntryKind.EXEMPTION_GRANTED,
    CorrectionKind.WRITE_OFF: EntryKind.DEBT_WRITTEN_OFF,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrections:
    """The corrections of the invoices of one visit. `lines` are the signed changes of a price correction."""

    visit_id: VisitId
    corrections: Sequence[Correction]
    lines: Sequence[BilledLine] = ()
    final_bill_id: UUID | None = None


async def correct_invoices(
    tx: Transaction, context: PaymentContext, invoices: Sequence[Invoice], made: Corrections, *, actor: Actor
) -> list[Invoice]:
    """Correct locked invoices, the oldest first; returns them as written. Raises NoOpenDay.

    Money allocated above the new amount becomes credit, newest first, and pays what other invoices of the visit owe.
    """
    if not made.corrections:
        return list(invoices)
    stored = {context.ids.new(): one for one in made.corrections}
    await add_corrections(tx, stored, final_bill_id=made.final_bill_id, at=context.clock())
    first_price = next((key for key, one in stored.items() if one.kind is CorrectionKind.PRICE), None)
    if first_price is not None and made.lines:
        await add_correction_lines(tx, first_price, made.lines)
    corrected, freed = await _change_invoices(tx, context, invoices, made.corrections, actor)
    for kind, entry in _ENTRY_OF.items():
        postings = [
            posting
            for one in made.corrections
            if one.kind is kind
            for posting in invoice_corrected(one, visit_id=made.visit_id)
        ]
        await post_entry(tx, context, entry, postings, actor=actor)
    await follow_final_bill(tx, context, made.visit_id, made.corrections, actor=actor)
    corrected = await pay_with_credit(tx, context, corrected, freed, actor)
    before = {invoice.id: invoice.version for invoice in invoices}
    for invoice in corrected:
        if invoice.version != before[invoice.id]:
            topic, payload = invoice_message(invoice)
            await write_message(tx, context.ids.new(), topic=topic, payload=payload)
            await note(tx, context, actor, "invoice_corrected", ("invoice", invoice.id))
    return corrected


async def _change_invoices(
    tx: Transaction,
    context: PaymentContext,
    invoices: Sequence[Invoice],
    corrections: Sequence[Correction],
    actor: Actor,
) -> tuple[list[Invoice], list[PartAllocation]]:
    """The invoices as written, and the credit that was freed."""
    changes: dict[InvoiceId, int] = {}
    for one in corrections:
        changes[one.invoice_id] = changes.get(one.invoice_id, 0) + one.changes.patient
    corrected, freed = [], []
    for invoice in invoices:
        if invoice.id not in changes:
            corrected.append(invoice)
            continue
        owed = invoice.owed + changes[invoice.id]
        excess = Dong(max(0, -owed))
        for move in await free_invoice(tx, context, invoice, excess, actor=actor):
            freed.append(
                PartAllocation(
                    id=move.moved_id,
                    payment_id=move.source.payment_id,
                    target=AllocationTarget.CREDIT,
                    amount=move.amount,
                )
            )
        after = invoice.correct(changes[invoice.id], freed=excess)
        await update_invoices(tx, [after])
        corrected.append(after)
    return corrected, freed


async def pay_with_credit(
    tx: Transaction,
    context: PaymentContext,
    invoices: Sequence[Invoice],
    credit: Sequence[PartAllocation],
    actor: Actor,
) -> list[Invoice]:
    """Pay invoices of a visit, in their order, with locked credit of the patient; returns them as written."""
    applied: list[Invoice] = []
    for invoice in invoices:
        paid, credit = await apply_credit(tx, context, credit, invoice, actor=actor)
        applied.append(paid)
    return applied

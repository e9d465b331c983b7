"""What payers owe for guarantees follows the final bills, and money of a payer pays it. These are steps.

Each requires a transaction with `posting=True`. Receivables are locked after the guarantees of a visit and before the
positions of payments. Posting rules: docs/reference/hospital-money.md §5.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from billing.core.actor import Actor
from billing.core.clock import business_date
from billing.core.ids import AllocationId, EntryId, VisitId
from billing.core.money import Dong
from billing.db.database import Transaction
from billing.invoices.domain.correction import Correction, CorrectionKind
from billing.ledger.domain.accounts import AccountKey, AccountRole, EntryKind, Posting
from billing.ledger.service.audit import note
from billing.ledger.service.posting import post_entry
from billing.payments.domain.guarantee_receivable import AppliedMoney, BilledChange, GuaranteeReceivable, apply_money
from billing.payments.domain.payment import AllocationTarget
from billing.payments.domain.posting_rules import ACCOUNT_OF
from billing.payments.domain.reallocation import Destination, MoveReason, PartAllocation
from billing.payments.service.allocation import move_money
from billing.payments.service.context import PaymentContext
from billing.payments.store.allocations import lock_visit_allocations, write_moves
from billing.payments.store.guarantee_receivables import (
    add_receivable,
    lock_receivables_of_visit,
    update_receivables,
)

_GUARANTOR = AccountKey(AccountRole.RECEIVABLE_GUARANTOR)
_BAD_DEBT = AccountKey(AccountRole.BAD_DEBT)


@dataclass(frozen=True, slots=True, kw_only=True)
class PaidReceivables:
    """What money of a payer paid, with its entry; no entry where nothing was owed."""

    applied: AppliedMoney
    entry_id: EntryId | None


async def pay_receivables(
    tx: Transaction,
    context: PaymentContext,
    sources: Sequence[PartAllocation],
    receivables: Sequence[GuaranteeReceivable],
    *,
    actor: Actor,
) -> PaidReceivables:
    """Pay locked receivables with locked parts of payments: D credit or unallocated · C receivable of the guarantor."""
    made = apply_money(sources, receivables, new_id=lambda: AllocationId(context.ids.new()))
    if not made.moves:
        return PaidReceivables(applied=made, entry_id=None)
    await write_moves(tx, made.moves, at=context.clock())
    await update_receivables(tx, made.receivables)
    postings = [
        Posting(
            debit=ACCOUNT_OF[move.source.target],
            credit=_GUARANTOR,
            amount=move.amount,
            visit_id=move.destination.visit_id,
            payment_id=move.source.payment_id,
        )
        for move in made.moves
    ]
    entry_id = await post_entry(tx, context, EntryKind.GUARANTEE_PAID, postings, actor=actor)
    for receivable in made.receivables:
        await note(tx, context, actor, "guarantee_paid", ("guarantee", receivable.guarantee_id))
    return PaidReceivables(applied=made, entry_id=entry_id)


async def follow_final_bill(
    tx: Transaction, context: PaymentContext, visit_id: VisitId, corrections: Sequence[Correction], *, actor: Actor
) -> None:
    """Bring the receivables of a visit to what its corrections count: new ones, more, or less.

    Money above the new amount becomes credit of its payer: D receivable of the guarantor · C credit. What was written
    off above it is taken back: D receivable of the guarantor · C bad debt.
    """
    changes = _changes(corrections)
    if not changes:
        return
    known = {one.guarantee_id: one for one in await lock_receivables_of_visit(tx, visit_id)}
    for guarantee_id, change in sorted(changes.items()):
        receivable = known.get(guarantee_id)
        if receivable is None:
            added = GuaranteeReceivable(
                guarantee_id=guarantee_id,
                visit_id=visit_id,
                payer="",
                version=1,
                billed=Dong(change),
                billed_on=business_date(context.clock()),
            )
            await add_receivable(tx, added)
            continue
        made = receivable.bill(change)
        await _free(tx, context, made, actor=actor)
        await update_receivables(tx, [made.receivable])


async def post_write_off(
    tx: Transaction, context: PaymentContext, receivable: GuaranteeReceivable, amount: Dong, *, actor: Actor
) -> None:
    """Write off a part of a receivable: D bad debt · C receivable of the guarantor."""
    posting = Posting(debit=_BAD_DEBT, credit=_GUARANTOR, amount=amount, visit_id=receivable.visit_id)
    await post_entry(tx, context, EntryKind.GUARANTEE_WRITTEN_OFF, [posting], actor=actor)


async def _free(tx: Transaction, context: PaymentContext, made: BilledChange, *, actor: Actor) -> None:
    receivable = made.receivable
    if made.restored:
        posting = Posting(debit=_GUARANTOR, credit=_BAD_DEBT, amount=made.restored, visit_id=receivable.visit_id)
        await post_entry(tx, context, EntryKind.GUARANTEE_WRITTEN_OFF, [posting], actor=actor)
    if made.freed:
        parts = await lock_visit_allocations(tx, [], None, [receivable.guarantee_id])
        sources = [part for part in parts if part.guarantee_id == receivable.guarantee_id][::-1]
        destination = Destination(
            target=AllocationTarget.CREDIT, reason=MoveReason.INVOICE_CORRECTED, visit_id=receivable.visit_id
        )
        await move_money(tx, context, sources, made.freed, destination, actor=actor)


def _changes(corrections: Sequence[Correction]) -> dict[UUID, int]:
    """What corrections add to the receivable of each guarantee; the patient owes as much less."""
    changes: dict[UUID, int] = {}
    for one in corrections:
        if one.kind is CorrectionKind.GUARANTEE:
            assert one.source is not None, "a correction of a guarantee names it"
            changes[one.source.id] = changes.get(one.source.id, 0) - one.changes.patient
    return {key: change for key, change in changes.items() if change}

"""Money of a payer at the desk: it pays what the payer owes for guarantees, the rest is its credit. These are steps.

`collecting.collect` takes the money and issues the receipt. Source: docs/visit-accounts.md, Guarantees.
"""

from collections.abc import Sequence
from uuid import UUID

from billing.core.actor import Actor
from billing.core.errors import NotFound
from billing.core.ids import PaymentId
from billing.db.database import Transaction
from billing.payments.domain.guarantee_receivable import GuaranteeReceivable, GuaranteesPaid
from billing.payments.service.context import PaymentContext
from billing.payments.store.allocations import lock_allocations
from billing.payments.store.guarantee_receivables import (
    add_guarantee_payments,
    lock_receivables,
    lock_receivables_of_payer,
)
from billing.visit_accounts.domain.receipt import Receipt
from billing.visit_accounts.service.guarantee_receivables import pay_receivables
from billing.visit_accounts.store.guarantee_receivables import read_references


async def lock_owed(tx: Transaction, payer: str, guarantee_ids: Sequence[UUID]) -> list[GuaranteeReceivable]:
    """Lock what a payer owes: for the named guarantees in their order, else for all, first what was billed first.

    Raises NotFound where a guarantee is of another payer or was never billed, GuaranteesPaid.
    """
    if not guarantee_ids:
        found = await lock_receivables_of_payer(tx, payer)
    else:
        known = {one.guarantee_id: one for one in await lock_receivables(tx, guarantee_ids) if one.payer == payer}
        missing = [each for each in guarantee_ids if each not in known]
        if missing:
            raise NotFound(f"this payer owes nothing for guarantee {missing[0]}", field="guarantee_ids")
        found = [known[each] for each in dict.fromkeys(guarantee_ids)]
    if not any(one.owed for one in found):
        raise GuaranteesPaid(f"{payer} owes nothing for guarantees", field="payer")
    return found


async def pay_with_taken(
    tx: Transaction,
    context: PaymentContext,
    payer: str,
    receipt: Receipt,
    receivables: Sequence[GuaranteeReceivable],
    *,
    actor: Actor,
) -> dict[str, object]:
    """Pay locked receivables with the money of a receipt that was just taken; returns what the receipt shows of it."""
    sources = await lock_allocations(tx, _payments_of(receipt))
    made = (await pay_receivables(tx, context, sources, receivables, actor=actor)).applied
    references = await read_references(tx, [one.guarantee_id for one in made.receivables])
    before = {one.guarantee_id: one.paid for one in receivables}
    return {
        "payer": payer,
        "guarantees": [
            {
                "ma_lk": references[one.guarantee_id].ma_lk,
                "reference": references[one.guarantee_id].reference,
                "amount": one.paid - before[one.guarantee_id],
                "owed": one.owed,
            }
            for one in made.receivables
        ],
        "credit": sum(part.amount for part in made.rest),
    }


async def record_payer(tx: Transaction, context: PaymentContext, payer: str, receipt: Receipt, *, actor: Actor) -> None:
    """Record that the payments of an issued receipt are money of a payer."""
    await add_guarantee_payments(
        tx,
        _payments_of(receipt),
        payer,
        receipt_id=receipt.id,
        recorded_by=actor.person,
        at=context.clock(),
    )


def _payments_of(receipt: Receipt) -> list[PaymentId]:
    return [part.payment_id for part in receipt.parts if part.payment_id is not None]

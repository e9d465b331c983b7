"""Collect at the desk in one step: request the ticked lines, use the free deposit, take the money, issue the receipt.

All of it is one transaction, so that a cashier who presses twice, or whose process is killed, has taken the money once
or not at all. Source: docs/visit-accounts.md, The desk.
"""

from dataclasses import replace

from billing.core.actor import Actor
from billing.core.errors import NotFound
from billing.core.ids import DepositRequestId, OrganizationId, ReceiptId
from billing.core.money import NOTHING, Dong
from billing.db.database import Transaction
from billing.db.idempotency import IdempotentRequest, find_previous_result, save_result
from billing.payments.service.context import PaymentContext
from billing.visit_accounts.domain.collection import Collection
from billing.visit_accounts.domain.desk_collection import DeskCollection, DeskResult
from billing.visit_accounts.domain.desk_panel import ArrivedMoney
from billing.visit_accounts.domain.receipt import Purpose
from billing.visit_accounts.service.collecting import collect, lock_target
from billing.visit_accounts.service.ticked_lines import request_ticked_lines
from billing.visit_accounts.store.desk_panel import read_arrived_money


async def collect_for_visit(
    context: PaymentContext,
    organization_id: OrganizationId,
    collection: DeskCollection,
    *,
    actor: Actor,
    request: IdempotentRequest | None = None,
) -> DeskResult:
    """Collect what is due for a visit in the caller's open shift. A repeated `request` returns the earlier result.

    Money that has come under a code of the same target is listed on the receipt. Raises DueChanged, the errors of
    `request_ticked_lines` and `collect`, or idempotency errors.
    """
    collection.check()
    async with context.database.transaction(organization_id, posting=True) as tx:
        earlier = await find_previous_result(tx, request)
        if earlier is not None:
            first, *issued = earlier.subjects
            return DeskResult(
                receipt_id=ReceiptId(issued[0]) if issued else None,
                request_id=DepositRequestId(first) if collection.lines or collection.request_id else None,
            )
        target = collection
        if collection.lines:
            wanted = await request_ticked_lines(
                tx,
                context,
                collection.visit_id,
                collection.lines,
                uses_deposit=collection.uses_deposit,
                actor=actor,
            )
            target = replace(collection, lines=(), request_id=wanted.id)
        arrived = _of_target(target, await read_arrived_money(tx, collection.visit_id))
        parts = target.parts(await _due(tx, target), [each.payment_id for each in arrived])
        receipt_id = None
        if parts:
            advance = Dong((target.advance or NOTHING) + sum(each.amount for each in arrived))
            taken = Collection(
                visit_id=target.visit_id,
                parts=parts,
                deposit_request_id=target.request_id,
                invoice_id=target.invoice_id,
                amount=advance if target.request_id is None and target.invoice_id is None else None,
            )
            receipt_id = (await collect(tx, context, taken, actor=actor)).id
        elif target.request_id is None:
            raise NotFound("nothing is to be collected for this visit", field="visit_id")
        first = target.request_id or target.invoice_id or target.visit_id
        subjects = [first] if receipt_id is None else [first, receipt_id]
        await save_result(tx, request, subjects, now=context.clock())
    context.publish_change(organization_id)
    return DeskResult(receipt_id=receipt_id, request_id=target.request_id)


async def _due(tx: Transaction, target: DeskCollection) -> Dong:
    """What the target still owes, locked."""
    if target.request_id is None and target.invoice_id is None:
        return target.advance or NOTHING
    locked = await lock_target(
        tx,
        Collection(
            visit_id=target.visit_id,
            parts=(),
            deposit_request_id=target.request_id,
            invoice_id=target.invoice_id,
        ),
    )
    if locked.purpose is Purpose.INVOICE:
        assert locked.invoice is not None, "an invoice is the target"
        return locked.invoice.owed
    assert locked.request is not None, "a request is the target"
    return locked.request.remaining


def _of_target(target: DeskCollection, arrived: list[ArrivedMoney]) -> list[ArrivedMoney]:
    if target.invoice_id is not None:
        return [each for each in arrived if each.invoice_id == target.invoice_id]
    if target.request_id is not None:
        return [each for each in arrived if each.request_id == target.request_id]
    return [each for each in arrived if each.request_id is None and each.invoice_id is None]

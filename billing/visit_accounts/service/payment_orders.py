"""Payment orders: a file of transfers for the bank, with our code in each text. A refund is part of at most one.

Source: docs/design.md §5, Where money goes; docs/visit-accounts.md, Refunds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from billing.core.actor import Actor
from billing.core.approvals import require_person
from billing.core.errors import InvalidValue, NotFound, Refused
from billing.core.ids import OrganizationId, RefundId
from billing.core.money import Dong
from billing.core.reference_code import ReferenceCode, purpose_text
from billing.db.idempotency import IdempotentRequest, find_previous_result, save_result
from billing.ledger.service.audit import note
from billing.payments.domain.refund import Refund, RefundNotWaiting, RefundWay
from billing.payments.service.context import PaymentContext
from billing.payments.service.refunding import write_change
from billing.payments.store.refunds import read_destination, read_refund
from billing.visit_accounts.formats.payment_order import PaymentOrderFile, Transfer, layouts, write_payment_order
from billing.visit_accounts.store.hand_overs import has_bank_account
from billing.visit_accounts.store.payment_orders import (
    OrderedTransfer,
    PaymentOrder,
    add_payment_order,
    read_payment_order,
    read_transfers,
)

REFUNDS_MAX = 500


class DestinationErased(Refused):
    """The account of a refund was erased after its retention: the file can no longer be written."""

    code = "destination_erased"


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentOrderDetails:
    """A payment order with its lines."""

    order: PaymentOrder
    transfers: Sequence[OrderedTransfer]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPaymentOrder:
    """The transfers of an order, the bank account that they leave, and the layout of the bank's file."""

    refund_ids: Sequence[RefundId]
    bank_account_id: UUID
    layout: str

    def check(self) -> None:
        """Raises InvalidValue."""
        if not 1 <= len(self.refund_ids) <= REFUNDS_MAX or len(set(self.refund_ids)) != len(self.refund_ids):
            raise InvalidValue(f"name 1 to {REFUNDS_MAX} different refunds", field="refund_ids")
        if self.layout not in layouts():
            raise InvalidValue(f"a layout is one of {', '.join(layouts())}", field="layout")


async def create_payment_order(
    context: PaymentContext,
    organization_id: OrganizationId,
    new: NewPaymentOrder,
    *,
    actor: Actor,
    request: IdempotentRequest | None = None,
) -> UUID:
    """Put approved transfers into one file for the bank; they are sent with it.

    A repeated `request` returns the earlier order. Raises NotFound, InvalidValue, RefundNotApproved, RefundNotWaiting,
    DestinationErased, PersonNeeded.
    """
    person = require_person(actor)
    new.check()
    async with context.database.transaction(organization_id) as tx:
        earlier = await find_previous_result(tx, request)
        if earlier is not None:
            return earlier.subjects[0]
        if not await has_bank_account(tx, new.bank_account_id):
            raise NotFound("no such bank account", field="bank_account_id")
        now, sent = context.clock(), dict[RefundId, Refund]()
        for refund_id in sorted(new.refund_ids):
            refund = await read_refund(tx, refund_id, locked=True)
            if refund is None:
                raise NotFound(f"no such refund: {refund_id}", field="refund_ids")
            if refund.way is not RefundWay.MANUAL_TRANSFER:
                raise RefundNotWaiting(f"refund {refund_id} is not a bank transfer", field="refund_ids")
            if await read_destination(tx, refund_id) is None:
                raise DestinationErased(f"the account of refund {refund_id} was erased", field="refund_ids")
            sent[refund_id] = refund.send(by=person, at=now, bank_account_id=new.bank_account_id)
        order = PaymentOrder(
            id=context.ids.new(),
            bank_account_id=new.bank_account_id,
            layout=new.layout,
            amount=Dong(sum(refund.amount for refund in sent.values())),
            created_by=person,
            created_at=now,
        )
        await add_payment_order(tx, order, [(each, sent[each].amount) for each in new.refund_ids])
        for refund in sent.values():
            await write_change(tx, context, refund, "refund_sent", actor)
        await note(tx, context, actor, "payment_order_created", ("payment_order", order.id))
        await save_result(tx, request, [order.id], now=now)
    context.publish_change(organization_id)
    return order.id


async def find_payment_order(
    context: PaymentContext, organization_id: OrganizationId, order_id: UUID
) -> PaymentOrderDetails:
    """A payment order with its lines. Raises NotFound."""
    async with context.database.transaction(organization_id) as tx:
        order = await read_payment_order(tx, order_id)
        if order is None:
            raise NotFound("no such payment order", field="payment_order_id")
        return PaymentOrderDetails(order=order, transfers=await read_transfers(tx, order_id))


async def write_order_file(
    context: PaymentContext, organization_id: OrganizationId, order_id: UUID, *, actor: Actor
) -> PaymentOrderFile:
    """The file of a payment order for its bank; each download is in the audit. Raises NotFound, DestinationErased."""
    found = await find_payment_order(context, organization_id, order_id)
    file = write_payment_order(layouts()[found.order.layout], [_transfer(context, each) for each in found.transfers])
    async with context.database.transaction(organization_id) as tx:
        await note(tx, context, actor, "payment_order_downloaded", ("payment_order", order_id))
    return file


def _transfer(context: PaymentContext, ordered: OrderedTransfer) -> Transfer:
    if ordered.account_number is None or ordered.bank_bin is None or ordered.holder is None:
        raise DestinationErased(f"the account of refund {ordered.refund_id} was erased", field="payment_order_id")
    return Transfer(
        line=ordered.line,
        account_number=ordered.account_number,
        bank_bin=ordered.bank_bin,
        bank_name=context.bank_names.get(ordered.bank_bin, ""),
        holder=ordered.holder,
        amount=ordered.amount,
        text=purpose_text(ReferenceCode(ordered.reference), "HOAN TIEN"),
    )

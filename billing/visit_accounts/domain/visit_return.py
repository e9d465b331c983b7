"""Money of a visit that can be returned now, payment by payment, and the refunds that return it by the way it came.

Source: docs/visit-accounts.md, Refunds; docs/ux.md, Words on screen.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from billing.core.ids import PaymentId
from billing.core.money import NOTHING, Dong
from billing.payments.domain.refund import NothingToRefund, RefundWay
from billing.visit_accounts.domain.receipt import PartMethod


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnablePayment:
    """A payment with the money of it that is free, in đồng: credit and unallocated money, then free deposit."""

    payment_id: PaymentId
    method: PartMethod
    received_at: datetime
    reference: str
    free: Dong


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentMoney:
    """Where the money of a payment is, in đồng."""

    payment_id: PaymentId
    method: PartMethod
    received_at: datetime
    reference: str
    credit: Dong
    on_deposit: Dong


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedReturn:
    """One refund to request."""

    payment: ReturnablePayment
    amount: Dong
    way: RefundWay


def find_free_money(payments: Sequence[PaymentMoney], *, free_deposit: Dong) -> list[ReturnablePayment]:
    """What can be returned of each payment; payments without free money are left out."""
    rest, found = free_deposit, []
    for payment in payments:
        from_deposit = Dong(min(rest, payment.on_deposit))
        rest = Dong(rest - from_deposit)
        free = Dong(payment.credit + from_deposit)
        if free:
            found.append(
                ReturnablePayment(
                    payment_id=payment.payment_id,
                    method=payment.method,
                    received_at=payment.received_at,
                    reference=payment.reference,
                    free=free,
                )
            )
    return found


def plan_returns(payments: Sequence[ReturnablePayment], amount: Dong, *, other_way: RefundWay) -> list[PlannedReturn]:
    """Return an amount: money that is not cash by `other_way` and first, then cash in cash. Raises NothingToRefund."""
    planned: list[PlannedReturn] = []
    rest = amount
    for payment in sorted(payments, key=lambda one: one.method is PartMethod.CASH):
        part = Dong(min(rest, payment.free))
        if part:
            way = RefundWay.CASH if payment.method is PartMethod.CASH else other_way
            planned.append(PlannedReturn(payment=payment, amount=part, way=way))
            rest = Dong(rest - part)
    if rest or amount == NOTHING:
        raise NothingToRefund(f"{amount - rest} đồng can be returned now", field="amount")
    return planned

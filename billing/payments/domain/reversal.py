"""Reverses the allocations of a payment after an outflow without a refund request, the newest first.

The reversed amount of an invoice or a guarantee is owed again, that of a deposit is returned. An allocation is reversed
whole by a row that names it; its remainder is allocated again by a further row. Source: docs/design.md §5, Where money
goes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from billing.core.ids import AllocationId, DeliveryId, DepositId, InvoiceId, PaymentId, ProviderAccountId, VisitId
from billing.core.money import Dong
from billing.invoices.domain.invoice import Invoice
from billing.payments.domain.deposit import Deposit, DepositRequest
from billing.payments.domain.event import MovementKey, PaymentEvent
from billing.payments.domain.guarantee_receivable import GuaranteeReceivable
from billing.payments.domain.intent import Intent
from billing.payments.domain.payment import AllocationTarget
from providers.contract import Movement


@dataclass(frozen=True, slots=True, kw_only=True)
class Outflow:
    """An outflow, and the names that lead to its payment.

    `names` are keys of money received. If the provider states which payment is reversed, only those count and `code` is
    empty; else the keys of the outflow itself, then its one reference code of ours. `own_keys` and `own_codes` are
    those of the outflow itself, by which it is recognised as a refund of ours; `is_refund` is what its provider calls
    it, and never a chargeback.
    """

    id: PaymentId
    account_id: ProviderAccountId
    delivery_id: DeliveryId
    amount: Dong
    occurred_at: datetime
    names: frozenset[MovementKey]
    code: str
    own_keys: frozenset[str] = frozenset()
    own_codes: tuple[str, ...] = ()
    is_refund: bool = False

    @property
    def is_traceable(self) -> bool:
        """Whether a payment that is booked later can be recognised as the one that was reversed."""
        return bool(self.names or self.code)


def outflow_of(movement_id: PaymentId, payment_event: PaymentEvent, *, issued: Callable[[str], bool]) -> Outflow:
    """The outflow of a payment event. Of several codes of ours none counts: a person decides."""
    codes = [code for code in payment_event.codes.field if issued(code)]
    codes = codes or [code for code in payment_event.codes.direct if issued(code)]
    own = frozenset(key._replace(movement=Movement.RECEIVED) for key in payment_event.own_traces)
    return Outflow(
        id=movement_id,
        account_id=payment_event.account_id,
        delivery_id=payment_event.delivery_id,
        amount=payment_event.amount,
        occurred_at=payment_event.notice.occurred_at,
        names=payment_event.reverses or own,
        code=codes[0] if len(set(codes)) == 1 and not payment_event.reverses else "",
        own_keys=frozenset(key.key for key in payment_event.movement_keys),
        own_codes=(*payment_event.codes.field, *payment_event.codes.direct),
        is_refund=payment_event.notice.movement is Movement.REFUNDED,
    )


@dataclass(frozen=True, slots=True)
class ActiveAllocation:
    """An active allocation of a payment."""

    id: AllocationId
    target: AllocationTarget
    amount: Dong
    invoice_id: InvoiceId | None
    visit_id: VisitId | None
    deposit_id: DepositId | None = None
    guarantee_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedPayment:
    """A payment whose position is locked, with its active allocations, the newest first."""

    payment_id: PaymentId
    allocations: Sequence[ActiveAllocation]
    invoices: Mapping[InvoiceId, Invoice]
    intent: Intent | None
    deposits: Mapping[DepositId, Deposit] = field(default_factory=dict)
    request: DepositRequest | None = None
    receivables: Mapping[UUID, GuaranteeReceivable] = field(default_factory=dict)

    @property
    def remaining(self) -> Dong:
        """The amount of the payment that has not left yet."""
        return Dong(sum(allocation.amount for allocation in self.allocations))


@dataclass(frozen=True, slots=True)
class ReversedPart:
    """The reversed part of one allocation; `remainder_id` is the row that allocates the remainder again, if any."""

    allocation: ActiveAllocation
    amount: Dong
    reversal_id: AllocationId
    remainder_id: AllocationId | None


@dataclass(frozen=True, slots=True)
class AllocationReversal:
    """The result of an outflow: rows to add, and the final state of invoices and intent."""

    payment_id: PaymentId
    parts: tuple[ReversedPart, ...]
    invoices: tuple[Invoice, ...]
    intent: Intent | None
    deposits: tuple[Deposit, ...] = ()
    request: DepositRequest | None = None
    receivables: tuple[GuaranteeReceivable, ...] = ()


def _without(request: DepositRequest | None, amount: int) -> DepositRequest | None:
    """The request after money of the deposit left; None where it does not change."""
    if request is None or amount == 0:
        return None
    return request.with_payment(Dong(-min(amount, request.received)))


def reverse_allocations(
    amount: Dong, payment: LockedPayment, *, new_id: Callable[[], AllocationId]
) -> AllocationReversal:
    """Reverse `amount`, at most the remaining amount of the payment."""
    assert 0 < amount <= payment.remaining, "no more leaves than stands"
    parts: list[ReversedPart] = []
    invoices = dict(payment.invoices)
    deposits = dict(payment.deposits)
    receivables = dict(payment.receivables)
    changed: set[InvoiceId] = set()
    changed_deposits: set[DepositId] = set()
    rest = amount
    for allocation in payment.allocations:
        if rest == 0:
            break
        part = Dong(min(rest, allocation.amount))
        rest = Dong(rest - part)
        parts.append(ReversedPart(allocation, part, new_id(), new_id() if part < allocation.amount else None))
        if allocation.invoice_id is not None:
            invoices[allocation.invoice_id] = invoices[allocation.invoice_id].deallocate(part)
            changed.add(allocation.invoice_id)
        if allocation.deposit_id is not None:
            deposits[allocation.deposit_id] = deposits[allocation.deposit_id].give_back(part)
            changed_deposits.add(allocation.deposit_id)
        if allocation.guarantee_id is not None:
            receivables[allocation.guarantee_id] = receivables[allocation.guarantee_id].give_back(part)
    return AllocationReversal(
        payment_id=payment.payment_id,
        parts=tuple(parts),
        invoices=tuple(invoices[invoice_id] for invoice_id in sorted(changed)),
        intent=None if payment.intent is None else payment.intent.with_reversal(amount),
        deposits=tuple(deposits[deposit_id] for deposit_id in sorted(changed_deposits)),
        receivables=tuple(one for key, one in sorted(receivables.items()) if one != payment.receivables[key]),
        request=_without(payment.request, sum(part.amount for part in parts if part.allocation.deposit_id is not None)),
    )

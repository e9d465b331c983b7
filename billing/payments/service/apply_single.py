"""Books deliveries that each pay one invoice under one code, in two round trips instead of five for each organization.

The target is read without a lock, `apply_events` decides as for a batch, and one call writes every row and commits, or
writes nothing if a row or a key has changed meanwhile. Every other case is left to `apply_notices.py`, which decides
it under locks. Source: docs/design.md §5, Single payments; docs/decisions/0019-single-payments.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from billing.core.clock import business_date
from billing.core.ids import AllocationId, DeliveryId, PaymentId
from billing.ledger.domain.accounts import clearing_account
from billing.ledger.domain.balances import inline_movements
from billing.payments.domain.apply_events import BatchResult, BatchState, apply_events
from billing.payments.domain.event import PaymentEvent, link_movements
from billing.payments.domain.reference_links import KnownReferences
from billing.payments.service.build_booking import build_booking
from billing.payments.service.context import PaymentContext, ReferenceData
from billing.payments.service.payment_events import Answer, Delivery, may_have_new_prefix, to_event
from billing.payments.store.event_keys import LockedState, codes_of
from billing.payments.store.single_payments import (
    SinglePayment,
    SingleTarget,
    TargetRequest,
    read_single_targets,
    write_single_payment,
    write_single_payments,
)
from billing.payments.store.unmatched_outflows import outflow_key
from providers.contract import Movement


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A delivery that may be the plain case, before its target is read."""

    delivery: Delivery
    payment_event: PaymentEvent
    reference_data: ReferenceData
    code: str


async def apply_single(delivery: Delivery, context: PaymentContext) -> Answer | None:
    """Book a delivery if it is the plain case; None if it is not, or if something changed: nothing was written then.

    Raises Unavailable (nothing was written), CommitUnknown (the outcome is unknown).
    """
    candidate = _candidate(delivery, context)
    if candidate is None:
        return None
    (target,) = await read_single_targets(context.database, [_request(candidate, context)])
    booked = None if target is None else _book(candidate, target, context)
    if booked is None:
        return None
    answer, payment = booked
    return answer if await write_single_payment(context.database, payment) else None


async def apply_singles(deliveries: Sequence[Delivery], context: PaymentContext) -> dict[DeliveryId, Answer]:
    """Book the plain ones among the deliveries of any organizations in one transaction; returns their answers.

    Each is read and written under its own organization, as `apply_single` does. Nothing was written of the deliveries
    without an answer. Raises what `apply_single` raises; it then holds for all of them.
    Source: docs/decisions/0020-shared-commits.md.
    """
    candidates = [each for each in (_candidate(delivery, context) for delivery in deliveries) if each is not None]
    if not candidates:
        return {}
    targets = await read_single_targets(context.database, [_request(each, context) for each in candidates])
    booked = {
        candidate.delivery.id: each
        for candidate, target in zip(candidates, targets, strict=True)
        if target is not None and (each := _book(candidate, target, context)) is not None
    }
    if not booked:
        return {}
    written = await write_single_payments(context.database, [payment for _, payment in booked.values()])
    return {
        delivery_id: answer
        for (delivery_id, (answer, _)), is_written in zip(booked.items(), written, strict=True)
        if is_written
    }


def _candidate(delivery: Delivery, context: PaymentContext) -> _Candidate | None:
    """None if the delivery is not the plain case whatever its target is, or if its reference data are not cached."""
    account = delivery.account
    reference_data = context.cached_reference_data(account.organization_id, clearing_account(account.id))
    if reference_data is None:
        return None
    payment_event = _plain_event(delivery, reference_data)
    if payment_event is None:
        return None
    (code,) = codes_of([payment_event])
    return _Candidate(delivery, payment_event, reference_data, code)


def _request(candidate: _Candidate, context: PaymentContext) -> TargetRequest:
    today = business_date(context.clock())
    occurred_on = business_date(candidate.payment_event.notice.occurred_at)
    return TargetRequest(
        organization_id=candidate.delivery.account.organization_id,
        code=candidate.code,
        first_day=min(occurred_on, today),
        last_day=today,
    )


def _book(candidate: _Candidate, target: SingleTarget, context: PaymentContext) -> tuple[Answer, SinglePayment] | None:
    """The answer and the rows of a delivery; None if it is not the plain case with this target."""
    delivery, payment_event, reference_data = candidate.delivery, candidate.payment_event, candidate.reference_data
    if target.intent.received:  # money under the code may be what the delivery reports (`find_payments_of_statement`)
        return None
    batch_result = _decide(payment_event, target, context)
    if not _is_plain(batch_result):
        return None
    answer = Answer(batch_result.verdicts[delivery.id], batch_result.receipts[delivery.id])
    booking = build_booking(
        [delivery],
        {delivery.id: answer},
        batch_result,
        _state(target),
        reference_data=reference_data,
        context=context,
    )
    postings = [posting for entry in booking.entries for posting in entry.postings]
    if len(postings) != 1 or inline_movements(postings, reference_data.accounts):
        return None
    names = payment_event.traces | payment_event.own_traces
    booking = replace(booking, received_codes=[candidate.code], received_keys=sorted(outflow_key(key) for key in names))
    return answer, SinglePayment(
        organization_id=delivery.account.organization_id,
        payment_event=payment_event,
        booking=booking,
        accounts=reference_data.accounts,
    )


def _plain_event(delivery: Delivery, reference_data: ReferenceData) -> PaymentEvent | None:
    """The only event of a delivery, if it is money received on a bank account of one channel that names one code."""
    if len(delivery.notices) != 1 or delivery.account.channels > 1:
        return None
    (notice,) = delivery.notices
    if notice.names_other_account or notice.movement is not Movement.RECEIVED:
        return None
    payment_event = to_event(delivery, notice, reference_data.grammar, {})
    if not payment_event.moves_money or may_have_new_prefix(payment_event) or len(codes_of([payment_event])) != 1:
        return None
    return payment_event


def _decide(payment_event: PaymentEvent, target: SingleTarget, context: PaymentContext) -> BatchResult:
    """What the event means if no key of it is known and no use of its bank reference; the writing proves both."""
    payment_id = PaymentId(context.ids.new())
    ids = link_movements([payment_event], lambda: payment_id)
    reference = payment_event.reference_key
    reserved = {} if reference is None else {reference: (payment_event.account_id, payment_event.name)}
    state = BatchState(
        known_events={},
        booked_movements={},
        movement_ids=ids,
        reserved_ids=ids,
        intents={target.intent.reference: target.intent},
        invoices={target.invoice.id: target.invoice},
        references=KnownReferences((), reserved),
    )
    return apply_events([payment_event], state, new_allocation_id=lambda: AllocationId(context.ids.new()))


def _is_plain(result: BatchResult) -> bool:
    """Whether a result is one payment on one invoice under one intent, and nothing else."""
    is_one_payment = len(result.payments) == len(result.allocations) == len(result.invoices) == len(result.intents) == 1
    others = (result.outflows, result.holds, result.exceptions, result.attached, result.uses, result.moved_uses)
    return is_one_payment and not any(others) and not result.deposits and not result.requests


def _state(target: SingleTarget) -> LockedState:
    return LockedState(
        known_events={},
        booked_movements={},
        intents={target.intent.reference: target.intent},
        invoices={target.invoice.id: target.invoice},
        deposits={},
        requests={},
        days=target.days,
        uses=(),
    )

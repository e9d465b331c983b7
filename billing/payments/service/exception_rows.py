"""Rows of the exceptions of a booking, with due date and owner."""

import hashlib
from uuid import UUID

from billing.payments.domain.exception import ExceptionReason, PaymentException, policy_of
from billing.payments.service.context import PaymentContext, ReferenceData
from billing.payments.store.bookings import NewException


def new_exception(exception: PaymentException, reference_data: ReferenceData, context: PaymentContext) -> NewException:
    """The row of an exception, due by the organization's own policy or else the default."""
    policy = policy_of(exception.reason, reference_data.exception_policies)
    return NewException(
        id=_exception_id(exception, context),
        exception=exception,
        due_at=context.clock() + policy.due,
        owner_id=policy.owner_id,
    )


def _exception_id(exception: PaymentException, context: PaymentContext) -> UUID:
    """The id of an exception: one changed payment event is one disagreement, however often it is delivered."""
    if exception.reason is not ExceptionReason.EVENT_CONTENT_CHANGED:
        return context.ids.new()
    payment_event = exception.payment_event
    named = hashlib.sha256(
        payment_event.account_id.bytes + payment_event.event.key.encode() + b"|" + payment_event.notice.fingerprint
    )
    return UUID(bytes=named.digest()[:16])

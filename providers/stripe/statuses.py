"""The outcomes of Stripe's statuses; any other is UNKNOWN. Source: Stripe API 2024-06-20, reference and events."""

from collections.abc import Mapping

from providers.contract import Outcome

PAID = "paid"

INTENT_STATUSES: Mapping[str, Outcome] = {
    "requires_payment_method": Outcome.PENDING,
    "requires_confirmation": Outcome.PENDING,
    "requires_action": Outcome.PENDING,
    "processing": Outcome.PENDING,
    "requires_capture": Outcome.PENDING,  # authorised only: no money yet
    "canceled": Outcome.CANCELLED,
    "succeeded": Outcome.SUCCEEDED,
}

INTENT_EVENTS: Mapping[str, Outcome] = {
    "payment_intent.succeeded": Outcome.SUCCEEDED,
    "payment_intent.processing": Outcome.PENDING,
    "payment_intent.payment_failed": Outcome.PENDING,  # the intent can be tried again
    "payment_intent.canceled": Outcome.CANCELLED,
}

SESSION_EVENTS: Mapping[str, Outcome | None] = {
    "checkout.session.completed": None,  # its payment_status states whether money was received
    "checkout.session.async_payment_succeeded": Outcome.SUCCEEDED,
    "checkout.session.async_payment_failed": Outcome.FAILED,
    "checkout.session.expired": Outcome.EXPIRED,
}

REFUND_EVENTS = frozenset({"refund.created", "refund.updated", "refund.failed", "charge.refund.updated"})
DISPUTE_EVENTS = frozenset(
    {
        "charge.dispute.created",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.funds_reinstated",
        "charge.dispute.closed",
    }
)

REFUND_NOTICES: Mapping[str, Outcome] = {
    "succeeded": Outcome.SUCCEEDED,
    "pending": Outcome.PENDING,
    "requires_action": Outcome.PENDING,
    "failed": Outcome.REVIEW,  # it may have been reported as succeeded before, and the money has returned to us
    "canceled": Outcome.CANCELLED,
}
"""The outcome of a refund in an event."""

REFUND_STATUSES: Mapping[str, Outcome] = {
    "succeeded": Outcome.SUCCEEDED,
    "pending": Outcome.PENDING,
    "requires_action": Outcome.PENDING,
    "failed": Outcome.FAILED,
    "canceled": Outcome.FAILED,
}
"""The outcome of a refund that we requested."""


def outcome_of_intent(status: str, *, response: Outcome | None) -> Outcome:
    """The outcome of a payment intent; `response` is the event's outcome. If the two disagree, it is UNKNOWN."""
    if not status:
        return response or Outcome.UNKNOWN
    outcome = INTENT_STATUSES.get(status, Outcome.UNKNOWN)
    return outcome if response in {None, outcome} else Outcome.UNKNOWN


def outcome_of_session(status: str, payment_status: str, *, response: Outcome | None) -> Outcome:
    """The outcome of a checkout session. Completed is not paid: `unpaid` waits for a slow method."""
    if payment_status == PAID:
        return Outcome.SUCCEEDED if response in {None, Outcome.SUCCEEDED} else Outcome.UNKNOWN
    if payment_status not in {"", "unpaid"} or (response is Outcome.SUCCEEDED and payment_status):
        return Outcome.UNKNOWN
    if response is not None:
        return response
    if status == "expired":
        return Outcome.EXPIRED
    return Outcome.PENDING if payment_status and status in {"", "open", "complete"} else Outcome.UNKNOWN

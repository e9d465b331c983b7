"""Exceptions of a booking with their terms: by when a person must have decided, and who."""

import hashlib
from uuid import UUID

from billing.payments.domain.apply_events import Case, Reason
from billing.payments.domain.exception import terms_of
from billing.payments.service.context import Books, PaymentContext
from billing.payments.store.bookings import CaseRow


def case_row(case: Case, books: Books, context: PaymentContext) -> CaseRow:
    """An exception as it is written, due by the organization's own terms or else ours."""
    terms = terms_of(case.reason, books.exception_terms)
    return CaseRow(id=_case_id(case, context), case=case, due_at=context.clock() + terms.due, owner_id=terms.owner_id)


def _case_id(case: Case, context: PaymentContext) -> UUID:
    """The same changed payment event of one event is one disagreement, however often it is delivered."""
    if case.reason is not Reason.SAME_EVENT_OTHER_CONTENT:
        return context.ids.new()
    payment_event = case.payment_event
    named = hashlib.sha256(
        payment_event.account_id.bytes + payment_event.event.key.encode() + b"|" + payment_event.fingerprint
    )
    return UUID(bytes=named.digest()[:16])

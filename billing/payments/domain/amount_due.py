"""The amount still due under a payment code, and the state shown to the patient.

Source: docs/design.md §5, States.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from billing.core.money import Dong
from billing.payments.domain.intent import IntentState


class Received(StrEnum):
    """The part of an intent's amount that was received under its code."""

    NONE = "none"
    PART = "part"
    WHOLE = "whole"
    MORE = "more"


class PatientState(StrEnum):
    """The state of a collection on the patient's page."""

    PREPARING = "preparing"
    WAITING = "waiting"
    CHECKING = "checking"
    SHORT = "short"
    PAID = "paid"
    PART_PAID = "part_paid"
    OVER = "over"
    PAID_OTHERWISE = "paid_otherwise"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    CANCELLED_SHORT = "cancelled_short"
    FAILED = "failed"
    STANDING = "standing"
    CLOSED = "closed"


PATIENT_STATES: Mapping[tuple[IntentState, Received], PatientState] = {
    (IntentState.CREATED, Received.NONE): PatientState.PREPARING,
    (IntentState.CREATED, Received.PART): PatientState.SHORT,
    (IntentState.PENDING, Received.NONE): PatientState.WAITING,
    (IntentState.PENDING, Received.PART): PatientState.SHORT,
    (IntentState.UNKNOWN, Received.NONE): PatientState.CHECKING,
    (IntentState.UNKNOWN, Received.PART): PatientState.SHORT,
    (IntentState.EXPIRED, Received.NONE): PatientState.EXPIRED,
    (IntentState.EXPIRED, Received.PART): PatientState.SHORT,
    (IntentState.CANCELLED, Received.NONE): PatientState.CANCELLED,
    (IntentState.CANCELLED, Received.PART): PatientState.CANCELLED_SHORT,
    (IntentState.FAILED, Received.NONE): PatientState.FAILED,
    (IntentState.FAILED, Received.PART): PatientState.CANCELLED_SHORT,
    (IntentState.SUCCEEDED, Received.WHOLE): PatientState.PAID,
    (IntentState.SUCCEEDED, Received.MORE): PatientState.OVER,
}
"""Every valid pair: an intent has succeeded exactly when its whole amount was received."""


FINAL = frozenset({PatientState.PAID, PatientState.PART_PAID, PatientState.OVER, PatientState.PAID_OTHERWISE})
"""States in which the page waits for nothing more."""


COLLECTING = frozenset(
    {PatientState.WAITING, PatientState.CHECKING, PatientState.SHORT, PatientState.EXPIRED, PatientState.STANDING}
)
"""States in which the page shows a code, always for the amount still due; a standing code is for any amount."""


def received_level(*, received: Dong, amount: Dong) -> Received:
    """The part of an amount that was received."""
    if received < amount:
        return Received.PART if received else Received.NONE
    return Received.WHOLE if received == amount else Received.MORE


def state_for_patient(state: IntentState, received: Received) -> PatientState:
    """The state shown to the payer, from the intent alone."""
    return PATIENT_STATES[state, received]


def state_on_page(state: IntentState, *, amount: Dong, received: Dong, owed: Dong, credit: Dong) -> PatientState:
    """The state shown to the payer, from the intent and its invoices.

    `owed` is the amount that the invoices still owe, `credit` the received amount that is allocated to no invoice. If
    nothing is owed any more, nothing is requested: an amount paid by another code or at the desk is PAID_OTHERWISE, and
    excess money is OVER. More than the requested amount that was all allocated to invoices is PAID: nothing is in
    excess. A code that has received its whole amount while its invoices still owe is PART_PAID, never PAID.
    """
    alone = state_for_patient(state, received_level(received=received, amount=amount))
    if owed > 0 and alone in {PatientState.PAID, PatientState.OVER}:
        return PatientState.PART_PAID
    if owed == 0 and credit > 0:
        return PatientState.OVER
    if owed == 0 and alone not in FINAL:
        return PatientState.PAID_OTHERWISE
    if alone is PatientState.OVER and credit == 0:
        return PatientState.PAID
    return alone


NOT_COLLECTING = FINAL | {
    PatientState.CANCELLED,
    PatientState.CANCELLED_SHORT,
    PatientState.FAILED,
    PatientState.STANDING,
    PatientState.CLOSED,
}
"""States in which no amount is requested under this code, whatever its target owes."""


@dataclass(frozen=True, slots=True)
class Due:
    """The amount due under one code now, in whole đồng.

    `due` is the part of the missing amount that its invoices still owe; `remaining` is the amount that the payer is
    shown: the same, or 0 if the code collects no more.
    """

    state: PatientState
    due: Dong
    remaining: Dong


def amount_due(
    state: IntentState,
    *,
    amount: Dong,
    received: Dong,
    owed: Dong,
    credit: Dong,
    is_standing: bool = False,
    is_closed: bool = False,
) -> Due:
    """Compute the amount due under a code: the one rule for page, API, QR image, webhooks and bill inquiries.

    `owed` is the amount that its invoices, or its deposit request, still owe by any code; `credit` the amount received
    under it that is allocated to none of them. `is_standing`: any amount is accepted for the deposit, none is due.
    `is_closed`: the visit of the deposit has its final bill, or the request is withdrawn or superseded.
    """
    if is_standing:
        return Due(_standing_state(state, is_closed=is_closed), Dong(0), Dong(0))
    if is_closed and state is not IntentState.SUCCEEDED:
        return Due(PatientState.CLOSED, Dong(0), Dong(0))
    if is_closed:
        return Due(PatientState.PAID, Dong(0), Dong(0))
    combined = state_on_page(state, amount=amount, received=received, owed=owed, credit=credit)
    due = Dong(max(0, min(amount - received, owed)))
    return Due(combined, due, Dong(0) if combined in NOT_COLLECTING else due)


def _standing_state(state: IntentState, *, is_closed: bool) -> PatientState:
    if is_closed:
        return PatientState.CLOSED
    is_open = state in (IntentState.CREATED, IntentState.PENDING, IntentState.UNKNOWN)
    return PatientState.STANDING if is_open else PatientState.CANCELLED

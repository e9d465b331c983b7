"""What is still due under a payment code, and the state that follows for the patient.

Source: docs/design.md §5, States.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from billing.core.money import Dong
from billing.payments.domain.intent import IntentState


class Received(StrEnum):
    """How much of an intent's amount has come under its code."""

    NONE = "none"
    PART = "part"
    WHOLE = "whole"
    MORE = "more"


class PatientState(StrEnum):
    """What the patient's page says of a collection."""

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
"""Every pair that can be: an intent has succeeded exactly when all it asked for has come."""


FINAL = frozenset({PatientState.PAID, PatientState.PART_PAID, PatientState.OVER, PatientState.PAID_OTHERWISE})
"""Where the page has nothing more to wait for."""


COLLECTING = frozenset({PatientState.WAITING, PatientState.CHECKING, PatientState.SHORT, PatientState.EXPIRED})
"""Where the page shows a code; it is always for what is still due."""


def received_level(*, received: Dong, amount: Dong) -> Received:
    """How much of an amount has come."""
    if received < amount:
        return Received.PART if received else Received.NONE
    return Received.WHOLE if received == amount else Received.MORE


def state_for_patient(state: IntentState, received: Received) -> PatientState:
    """What an intent's state means to whoever pays, seen by itself."""
    return PATIENT_STATES[state, received]


def state_on_page(state: IntentState, *, amount: Dong, received: Dong, owed: Dong, credit: Dong) -> PatientState:
    """The same seen with the invoices: `owed` is what they still ask for, `credit` what came and stood on none.

    Where nothing is owed any more, nothing is requested: paid by another code or at the desk is PAID_OTHERWISE, and
    money received in excess is OVER. More than the requested amount that all went on the bills is PAID: nothing is in
    excess. A code that has received its whole amount while its bills still owe is PART_PAID, never PAID.
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


NOT_COLLECTING = FINAL | {PatientState.CANCELLED, PatientState.CANCELLED_SHORT, PatientState.FAILED}
"""Where nobody may be asked for money under this code, whatever its invoices owe."""


@dataclass(frozen=True, slots=True)
class Due:
    """What is due under one code now, in whole đồng.

    `due` is what its invoices owe of what it lacks; `remaining` is what the payer is shown to pay: the same, or 0
    where the code collects no more.
    """

    state: PatientState
    due: Dong
    remaining: Dong


def amount_due(state: IntentState, *, amount: Dong, received: Dong, owed: Dong, credit: Dong) -> Due:
    """What is due under a code: the one rule for the page, the API, the picture, webhooks and a bank that asks.

    `owed` is what its invoices still owe by any code, `credit` what was received under it and stands on no invoice.
    """
    combined = state_on_page(state, amount=amount, received=received, owed=owed, credit=credit)
    due = Dong(max(0, min(amount - received, owed)))
    return Due(combined, due, Dong(0) if combined in NOT_COLLECTING else due)

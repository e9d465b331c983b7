"""Answers bill inquiries: a bank queries the amount due under a code. Reads our own books; changes nothing.

Source: docs/design.md §7 (Callbacks); the procedure of bank collection (thu hộ), in which the bank inquires before it
collects.
"""

from datetime import datetime

from billing.checkout.service.payment_codes import due_of
from billing.checkout.store.intents import find_inquired
from billing.core.reference_code import is_reference_code
from billing.organizations.service.context import ProviderAccount
from billing.payments.domain.intent import IntentState
from billing.payments.service.context import PaymentContext
from providers.contract import Bill, BillState

_STATES = {
    IntentState.SUCCEEDED: BillState.PAID,
    IntentState.FAILED: BillState.CANCELLED,
    IntentState.CANCELLED: BillState.CANCELLED,
    IntentState.EXPIRED: BillState.EXPIRED,
}


async def find_bill(context: PaymentContext, account: ProviderAccount, reference: str) -> Bill | None:
    """The amount that remains to be paid under a code that this account issued; None if it issued no such code."""
    if not is_reference_code(reference):
        return None  # any other text of a bank's customer is no issued code
    async with context.database.transaction(account.organization_id) as tx:
        inquired = await find_inquired(tx, account.id, reference)
    if inquired is None:
        return None
    remaining = due_of(inquired).remaining
    return Bill(
        reference=reference,
        remaining=remaining,
        state=_bill_state(IntentState(inquired["state"]), remaining, inquired["expires_at"], now=context.clock()),
        created_at=inquired["created_at"],
        expires_at=inquired["expires_at"],
    )


def _bill_state(state: IntentState, remaining: int, expires_at: datetime | None, *, now: datetime) -> BillState:
    """The state of the bill. An invoice paid otherwise requests nothing; an overdue intent may not be marked yet."""
    if state in _STATES:
        return _STATES[state]
    if remaining == 0:
        return BillState.PAID
    return BillState.EXPIRED if expires_at is not None and expires_at <= now else BillState.OPEN

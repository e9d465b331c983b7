"""Answers bill inquiries: a bank queries the amount due under a code. Reads our own books; changes nothing.

Source: docs/design.md §7 (Callbacks); the procedure of bank collection (thu hộ), in which the bank inquires before it
collects.
"""

from datetime import datetime

from billing.checkout.domain.intent_details import IntentAmounts
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
    remaining = inquired.remaining
    return Bill(
        reference=reference,
        remaining=remaining,
        state=_bill_state(inquired, now=context.clock()),
        created_at=inquired.created_at,
        expires_at=inquired.expires_at,
    )


def _bill_state(inquired: IntentAmounts, *, now: datetime) -> BillState:
    """The state of the bill. A target paid otherwise requests nothing; an overdue intent may not be marked yet."""
    if inquired.state in _STATES:
        return _STATES[inquired.state]
    if inquired.remaining == 0:
        return BillState.CANCELLED if inquired.is_closed else BillState.PAID
    return BillState.EXPIRED if inquired.expires_at is not None and inquired.expires_at <= now else BillState.OPEN

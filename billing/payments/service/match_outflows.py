"""Matches waiting outflows whose payment is in the books by now, in periodic rounds.

The booking of a payment examines the outflows that wait for it (`apply_outflows.py`). Two concurrent transactions that
share only a name of the payment may miss each other; a round after both have ended does not.
"""

from datetime import datetime, timedelta
from functools import partial

from billing.core.clock import business_date
from billing.core.ids import OrganizationId, PaymentId
from billing.db.rounds import run_each
from billing.ledger.store.journal import open_day, read_days
from billing.payments.service.apply_outflows import apply_outflows
from billing.payments.service.context import PaymentContext
from billing.payments.store.unmatched_outflows import find_matchable_outflows

EXAMINED_FOR = timedelta(days=2)
"""How long after its recording every round examines an outflow; the booking of its payment always does."""

MATCHED_MAX = 100
"""How many outflows one round matches at most."""


async def match_outflows_once(context: PaymentContext, organization_id: OrganizationId) -> int:
    """Match outflows whose payment is in the books by now, each in its own transaction; returns their number.

    Raises the first failure of an outflow, after the others are matched.
    """
    now = context.clock()
    async with context.database.transaction(organization_id) as tx:
        found = await find_matchable_outflows(tx, since=now - EXAMINED_FOR, at_most=MATCHED_MAX)
    return await run_each("match", found, partial(_match, context, organization_id, now))


async def _match(context: PaymentContext, organization_id: OrganizationId, now: datetime, outflow_id: PaymentId) -> int:
    today = business_date(now)
    async with context.database.transaction(organization_id, posting=True) as tx:
        await open_day(tx, today, at=now)
        days = await read_days(tx, first_day=today, last_day=today)
        matched = await apply_outflows(tx, (), [outflow_id], days=days, context=context)
    if matched:
        context.publish_change(organization_id)
    return matched

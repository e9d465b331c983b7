"""A step: proposals for money whose payer is not known, for many rows at once. Nothing is booked.

Source: docs/reconciliation.md, Proposals for received money.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from billing.core.clock import noon_of
from billing.db.database import Transaction
from billing.reconciliation.domain.target_proposals import ReceivedMoney, TargetProposal, rank_targets, similar_codes
from billing.reconciliation.store.target_proposals import read_targets

OPENED_BEFORE = timedelta(days=3)
"""A code of equal amount is a candidate if it was opened within this time before the money."""

OPENED_AFTER = timedelta(days=1)


async def propose_targets(tx: Transaction, moneys: Sequence[ReceivedMoney]) -> Mapping[UUID, Sequence[TargetProposal]]:
    """The ranked targets of each money, by its id; moneys without a proposal have an empty sequence."""
    if not moneys:
        return {}
    times = [each.occurred_at or noon_of(each.day) for each in moneys]
    codes = {code for each in moneys for code in similar_codes(each.text)}
    targets = await read_targets(
        tx,
        codes=codes,
        amounts={each.amount for each in moneys},
        since=min(times) - OPENED_BEFORE,
        until=max(times) + OPENED_AFTER,
    )
    return {each.id: rank_targets(each, targets) for each in moneys}

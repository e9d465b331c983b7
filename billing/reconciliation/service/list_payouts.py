"""The payouts of a period: what providers state, and what the bank shows. Use case."""

from collections.abc import Sequence
from datetime import date

from billing.core.ids import OrganizationId
from billing.db.context import Context
from billing.reconciliation.domain.listing import Period
from billing.reconciliation.domain.payout_day import PayoutDay
from billing.reconciliation.store.payout_days import read_payout_days

__all__ = ["PayoutDay", "list_payouts"]


async def list_payouts(
    context: Context, organization_id: OrganizationId, first_day: date, last_day: date
) -> Sequence[PayoutDay]:
    """The payouts of a period, the newest day first. Raises InvalidValue for a period that ends before it begins."""
    period = Period(first_day, last_day)
    async with context.database.transaction(organization_id, read_only=True) as tx:
        return await read_payout_days(tx, first_day=period.first_day, last_day=period.last_day)

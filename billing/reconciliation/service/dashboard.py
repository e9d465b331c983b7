"""The dashboard of finance: a day next to the same weekday of the week before, and what waits.

Source: docs/ux.md, Finance.
"""

from datetime import date, timedelta

from billing.core.ids import OrganizationId
from billing.db.context import Context
from billing.reconciliation.domain.dashboard import Dashboard, DayMoney
from billing.reconciliation.store.dashboard import (
    count_differences,
    read_callback_lag,
    read_money_by_hour,
    read_old_deposits,
    read_provider_account_ids,
    read_unmatched_days,
    read_waiting,
)

OLD_DEPOSIT = timedelta(days=90)
_WEEK, _UNMATCHED_DAYS = timedelta(days=7), timedelta(days=13)


async def read_dashboard(context: Context, organization_id: OrganizationId, day: date) -> Dashboard:
    """The numbers of a day. Reading changes nothing."""
    now = context.clock()
    async with context.database.transaction(organization_id, read_only=True) as tx:
        return Dashboard(
            today=DayMoney(day=day, rows=await read_money_by_hour(tx, day)),
            former=DayMoney(day=day - _WEEK, rows=await read_money_by_hour(tx, day - _WEEK)),
            waiting=await read_waiting(tx),
            lag=await read_callback_lag(tx, day),
            old_deposits=await read_old_deposits(tx, now - OLD_DEPOSIT),
            differences=await count_differences(tx, day),
            unmatched=await read_unmatched_days(tx, first_day=day - _UNMATCHED_DAYS, last_day=day),
            provider_account_ids=await read_provider_account_ids(tx),
            read_at=now,
        )

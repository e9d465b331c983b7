"""Numbers of the dashboard: each reads the rows of a day or of an index, never a whole table."""

from datetime import date, datetime

from billing.core.ids import ProviderAccountId
from billing.core.list_slice import first_id_after_day, first_id_of_day
from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.reconciliation.domain.dashboard import CallbackLag, MethodHour, OldDeposits, UnmatchedDay, Waiting

SLOW_S = 60

# Ids contain the time of recording: the key bounds what is read.
_BY_HOUR = """
    SELECT extract(hour FROM payment.recorded_at AT TIME ZONE interval '7 hours')::int AS hour, payment.method,
        count(*) AS count, sum(payment.amount)::bigint AS amount
    FROM payment
    WHERE payment.organization_id = $1 AND payment.id >= $2 AND payment.id < $3
    GROUP BY 1, 2 ORDER BY 1, 2
"""


async def read_money_by_hour(tx: Transaction, day: date) -> list[MethodHour]:
    """Payments that were recorded on a day, by hour and method."""
    rows = await tx.fetch(_BY_HOUR, tx.organization_id, first_id_of_day(day), first_id_after_day(day))
    return [read_row(MethodHour, row) for row in rows]


# A payment of noon sharp has no known time (`noon_of`).
_LAG = """
    SELECT percentile_cont(0.95) WITHIN GROUP (ORDER BY lag.seconds) AS p95_s,
        count(*) FILTER (WHERE lag.seconds > $4) AS slow, count(*) AS count
    FROM (
        SELECT greatest(0, extract(epoch FROM payment.recorded_at - payment.occurred_at))::float8 AS seconds
        FROM payment
        WHERE payment.organization_id = $1 AND payment.id >= $2 AND payment.id < $3 AND payment.method = 'provider'
            AND (payment.occurred_at AT TIME ZONE interval '7 hours')::time <> '12:00'
    ) AS lag
"""


async def read_callback_lag(tx: Transaction, day: date) -> CallbackLag:
    """How late the payments of providers were recorded on a day."""
    row = await tx.fetchrow(_LAG, tx.organization_id, first_id_of_day(day), first_id_after_day(day), SLOW_S)
    assert row is not None, "an aggregate has a row"
    return read_row(CallbackLag, row)


_WAITING = """
    SELECT count(*) AS count, coalesce(sum(amount), 0)::bigint AS amount, min(opened_at) AS oldest_at
    FROM exception_case WHERE organization_id = $1 AND state = 'open'
"""


async def read_waiting(tx: Transaction) -> Waiting:
    """The open exceptions of all days."""
    row = await tx.fetchrow(_WAITING, tx.organization_id)
    assert row is not None, "an aggregate has a row"
    return read_row(Waiting, row)


_OLD_DEPOSITS = """
    SELECT count(*) AS count, coalesce(sum(held), 0)::bigint AS amount
    FROM deposit WHERE organization_id = $1 AND held > 0 AND opened_at < $2
"""


async def read_old_deposits(tx: Transaction, before: datetime) -> OldDeposits:
    """Deposits that hold money and were opened before a time."""
    row = await tx.fetchrow(_OLD_DEPOSITS, tx.organization_id, before)
    assert row is not None, "an aggregate has a row"
    return read_row(OldDeposits, row)


_DIFFERENCES = """
    SELECT count(*) FROM price_difference WHERE organization_id = $1 AND id >= $2 AND id < $3
"""


async def count_differences(tx: Transaction, day: date) -> int:
    """Price differences with the hospital's system that were recorded on a day."""
    found: int = await tx.fetchval(_DIFFERENCES, tx.organization_id, first_id_of_day(day), first_id_after_day(day))
    return found


_UNMATCHED = """
    SELECT result.day, coalesce(sum(abs(item.amount)), 0)::bigint AS amount
    FROM day_result AS result
    LEFT JOIN day_result_item AS item ON item.organization_id = $1 AND item.day = result.day
        AND item.account_kind = result.account_kind AND item.account_id = result.account_id
        AND item.kind = 'line_unmatched'
    WHERE result.organization_id = $1 AND result.day BETWEEN $2 AND $3
    GROUP BY result.day ORDER BY result.day
"""


async def read_unmatched_days(tx: Transaction, *, first_day: date, last_day: date) -> list[UnmatchedDay]:
    """The lines without a match at the end of each closed day of a period."""
    rows = await tx.fetch(_UNMATCHED, tx.organization_id, first_day, last_day)
    return [read_row(UnmatchedDay, row) for row in rows]


_ACCOUNTS = """
    SELECT id FROM provider_account WHERE organization_id = $1
"""


async def read_provider_account_ids(tx: Transaction) -> frozenset[ProviderAccountId]:
    """The provider accounts of the organization."""
    return frozenset(ProviderAccountId(row["id"]) for row in await tx.fetch(_ACCOUNTS, tx.organization_id))

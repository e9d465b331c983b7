"""Payments and open statement lines of a period, with what their payer wrote, for the search of money.

Personal: names, accounts and texts are read to be compared; `service/find_money.py` shortens what leaves. Source:
docs/personal-data.md.
"""

from datetime import date, datetime

from billing.core.clock import business_date
from billing.core.list_slice import first_id_of_day
from billing.core.money import Dong
from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.reconciliation.domain.money_search import Money

# Ids contain the time of recording, which is never before the period: the key is read from there on.
_PAYMENTS = """
    SELECT 'payment' AS kind, payment.id, payment.amount, payment.occurred_at, payment.bank_reference,
        coalesce(origin.transfer_text, '') AS text, coalesce(origin.payer_name, '') AS payer_name,
        coalesce(origin.payer_account, '') AS payer_account, coalesce(intent.reference_code, '') AS reference_code,
        position.unallocated,
        (SELECT one.id FROM exception_case AS one WHERE one.organization_id = $1 AND one.payment_id = payment.id
            AND one.state = 'open' ORDER BY one.opened_at LIMIT 1) AS exception_id
    FROM payment
    JOIN payment_position AS position ON position.organization_id = $1 AND position.payment_id = payment.id
    LEFT JOIN payment_origin AS origin ON origin.organization_id = $1 AND origin.payment_id = payment.id
    LEFT JOIN intent ON intent.organization_id = $1 AND intent.id = payment.intent_id
    WHERE payment.organization_id = $1 AND payment.id >= $2
        AND (payment.occurred_at >= $3 AND payment.occurred_at < $4
            OR (payment.occurred_at AT TIME ZONE interval '7 hours')::time = '12:00'
                AND (payment.occurred_at AT TIME ZONE interval '7 hours')::date BETWEEN $7 AND $8)
        AND ($5::bigint IS NULL OR payment.amount = $5) AND payment.method <> 'cash'
    ORDER BY payment.id DESC LIMIT $6
"""


async def read_payments_of_period(
    tx: Transaction,
    *,
    since: datetime,
    until: datetime,
    last_day: date,
    amount: Dong | None,
    at_most: int,
) -> list[Money]:
    """Payments other than cash of a period, the newest first; None: of any amount.

    A payment without a known time is of the period if its day is.
    """
    first_day = business_date(since)
    values = (first_id_of_day(first_day), since, until, amount, at_most, first_day, last_day)
    rows = await tx.fetch(_PAYMENTS, tx.organization_id, *values)
    return [read_row(Money, row) for row in rows]


# A line without a time gets noon, as `noon_of` gives it.
_LINES = """
    SELECT 'statement_line' AS kind, line.id, line.amount,
        coalesce(line.occurred_at, (line.booked_on + time '12:00') AT TIME ZONE interval '7 hours') AS occurred_at,
        line.bank_reference, coalesce(written.text, '') AS text, coalesce(written.counterparty_name, '') AS payer_name,
        coalesce(written.counterparty_account, '') AS payer_account, '' AS reference_code, 0::bigint AS unallocated,
        (SELECT one.id FROM exception_case AS one WHERE one.organization_id = $1 AND one.item_id = line.id
            AND one.state = 'open' ORDER BY one.opened_at LIMIT 1) AS exception_id
    FROM active_statement_line AS line
    LEFT JOIN statement_line_text AS written ON written.organization_id = $1 AND written.line_id = line.id
    WHERE line.organization_id = $1 AND line.booked_on BETWEEN $2 AND $3 AND line.amount > 0
        AND ($4::bigint IS NULL OR line.amount = $4)
        AND NOT EXISTS (SELECT FROM match_item AS item WHERE item.organization_id = $1
            AND item.item_kind = 'statement_line' AND item.item_id = line.id AND item.is_live)
    ORDER BY line.booked_on DESC, line.id DESC LIMIT $5
"""


async def read_open_lines_of_period(
    tx: Transaction, *, first_day: date, last_day: date, amount: Dong | None, at_most: int
) -> list[Money]:
    """Statement lines of received money that nothing matches, of days, the newest first; None: of any amount."""
    rows = await tx.fetch(_LINES, tx.organization_id, first_day, last_day, amount, at_most)
    return [read_row(Money, row) for row in rows]

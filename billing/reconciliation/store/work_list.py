"""Rows of the work list: exceptions of a filter with their line or payment, the oldest first, and counts of a day.

Personal: texts and names of payers. Source: docs/personal-data.md.
"""

from dataclasses import replace
from datetime import date, datetime
from uuid import UUID

from billing.core.clock import known_time
from billing.core.list_slice import day_begins, day_ends
from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.reconciliation.domain.work_list import ReasonCount, WorkFilter, WorkRow

# A row of a statement line shows the line, every other row its payment. Ordered by time of opening, the oldest first.
_ROWS = """
    SELECT one.id, one.reason, one.state, one.version, one.amount,
        coalesce(line.amount, reported.amount * CASE WHEN reported.movement = 'received' THEN 1 ELSE -1 END,
            one.amount) AS signed_amount,
        one.payment_id, one.intent_id, one.item_kind, one.item_id, one.owner_id, owner.name AS owner,
        coalesce(one.business_day, (one.opened_at AT TIME ZONE interval '7 hours')::date) AS business_day,
        coalesce(line.occurred_at, reported.occurred_at, payment.occurred_at) AS occurred_at, one.opened_at, one.due_at,
        one.changed_at, changer.name AS changer,
        coalesce(account.name, '') AS account, coalesce(bank.account_number, '') AS bank_account_number,
        coalesce(line.bank_reference, payment.bank_reference, '') AS bank_reference,
        coalesce(written.text, origin.transfer_text, '') AS text,
        coalesce(written.counterparty_name, origin.payer_name, '') AS payer_name,
        coalesce(written.counterparty_account, origin.payer_account, '') AS payer_account,
        coalesce(line.codes, '{}') AS codes, coalesce(position.unallocated + position.credit, 0) AS free,
        (SELECT wish.choice FROM surplus_choice AS wish
            WHERE wish.organization_id = $1 AND wish.intent_id = coalesce(one.intent_id, payment.intent_id)
        ) AS surplus_choice, $2::timestamptz AS read_at
    FROM exception_case AS one
    LEFT JOIN person AS owner ON owner.organization_id = $1 AND owner.id = one.owner_id
    LEFT JOIN person AS changer ON changer.organization_id = $1 AND changer.id = one.changed_by
    LEFT JOIN statement_line AS line ON line.organization_id = $1 AND line.id = one.item_id
        AND one.item_kind = 'statement_line'
    LEFT JOIN statement_line_text AS written ON written.organization_id = $1 AND written.line_id = line.id
    LEFT JOIN settlement_line AS reported ON reported.organization_id = $1 AND reported.id = one.item_id
        AND one.item_kind = 'settlement_line'
    LEFT JOIN payment ON payment.organization_id = $1 AND payment.id = coalesce(one.payment_id,
        CASE WHEN one.item_kind = 'payment' THEN one.item_id END)
    LEFT JOIN payment_origin AS origin ON origin.organization_id = $1 AND origin.payment_id = payment.id
    LEFT JOIN payment_position AS position ON position.organization_id = $1 AND position.payment_id = payment.id
    LEFT JOIN provider_account AS account ON account.organization_id = $1
        AND account.id = coalesce(one.provider_account_id, payment.provider_account_id)
    LEFT JOIN bank_account AS bank ON bank.organization_id = $1
        AND bank.id = coalesce(line.bank_account_id, one.bank_account_id, payment.bank_account_id)
    WHERE one.organization_id = $1 AND ($3::text IS NULL OR one.state = $3) AND ($4::text IS NULL OR one.reason = $4)
        AND ($5::uuid IS NULL OR one.owner_id = $5) AND (NOT $6::boolean OR one.owner_id IS NULL)
        AND ($7::date IS NULL
            OR coalesce(one.business_day, (one.opened_at AT TIME ZONE interval '7 hours')::date) = $7)
        AND ($8::uuid IS NULL OR bank.id = $8)
        AND ($9::text = '' OR one.amount::text = $9
            OR strpos(upper(coalesce(written.text, origin.transfer_text, '')), $9) > 0)
        AND ($10::timestamptz IS NULL OR one.changed_at >= $10) AND ($11::timestamptz IS NULL OR one.changed_at < $11)
        AND ($12::uuid IS NULL OR one.id = $12)
        AND ($13::uuid IS NULL OR (one.opened_at, one.id) > (
            SELECT opened_at, id FROM exception_case WHERE organization_id = $1 AND id = $13))
        AND ($15::date IS NULL
            OR coalesce(one.business_day, (one.opened_at AT TIME ZONE interval '7 hours')::date) <= $15)
    ORDER BY one.opened_at, one.id LIMIT $14
"""


async def read_work(
    tx: Transaction,
    wanted: WorkFilter,
    *,
    now: datetime,
    limit: int,
    after: UUID | None = None,
    exception_id: UUID | None = None,
) -> list[WorkRow]:
    """At most `limit` rows of a filter behind the row `after`, the oldest first; or the row of one exception."""
    rows = await tx.fetch(
        _ROWS,
        tx.organization_id,
        now,
        wanted.state,
        wanted.reason,
        wanted.owner_id,
        wanted.is_unowned,
        wanted.day,
        wanted.bank_account_id,
        wanted.search,
        None if wanted.changed_on is None else day_begins(wanted.changed_on),
        None if wanted.changed_on is None else day_ends(wanted.changed_on),
        exception_id,
        after,
        limit,
        wanted.until,
    )
    return [_without_invented_time(read_row(WorkRow, row)) for row in rows]


def _without_invented_time(row: WorkRow) -> WorkRow:
    """The row of money of which only the day is known has no time."""
    return row if row.occurred_at is None else replace(row, occurred_at=known_time(row.occurred_at))


# Open exceptions are few: the index of open ones bounds what is counted.
_COUNTS = """
    SELECT one.reason, count(*) AS count, coalesce(sum(one.amount), 0)::bigint AS amount,
        count(*) FILTER (WHERE one.owner_id IS NULL) AS without_owner
    FROM exception_case AS one
    WHERE one.organization_id = $1 AND one.state = 'open' AND ($2::date IS NULL
        OR coalesce(one.business_day, (one.opened_at AT TIME ZONE interval '7 hours')::date) = $2)
    GROUP BY one.reason ORDER BY count(*) DESC, one.reason
"""


async def count_open(tx: Transaction, day: date | None) -> list[ReasonCount]:
    """Open exceptions of a day, or of all days, by reason, the most frequent first."""
    return [read_row(ReasonCount, row) for row in await tx.fetch(_COUNTS, tx.organization_id, day)]


_OPEN_OF_LINE = """
    SELECT one.id FROM match_item AS own
    JOIN match_item AS paid ON paid.organization_id = $1 AND paid.match_id = own.match_id AND paid.item_kind = 'payment'
    JOIN exception_case AS one ON one.organization_id = $1 AND one.payment_id = paid.item_id AND one.state = 'open'
    WHERE own.organization_id = $1 AND own.item_kind = 'statement_line' AND own.item_id = $2 AND own.is_live
    ORDER BY one.opened_at LIMIT 1
"""


async def find_open_of_line(tx: Transaction, line_id: UUID) -> UUID | None:
    """The first open exception of the payment that a statement line is matched with."""
    found: UUID | None = await tx.fetchval(_OPEN_OF_LINE, tx.organization_id, line_id)
    return found

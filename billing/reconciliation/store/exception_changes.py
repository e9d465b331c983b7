"""The first day whose causes of exceptions may have changed since a time: imports, ended matches, matched exceptions.

`exception_causes.py` reads the causes from that day on.
"""

from datetime import date, datetime

from billing.db.database import Transaction

# A statement or report shows that items until its days are missing, so it concerns the days before it, too ($3).
_FIRST_CHANGED = """
    WITH recent AS (
        SELECT id FROM reconciliation_import
        WHERE organization_id = $1 AND state = 'active' AND NOT is_intraday AND ended_at > $2
    ), ended AS (
        SELECT item.item_kind, item.item_id FROM match
        JOIN match_item AS item ON item.organization_id = $1 AND item.match_id = match.id
            AND item.item_kind IN ('statement_line', 'settlement_line')
        WHERE match.organization_id = $1 AND match.ended_at > $2
    )
    SELECT least(
        (SELECT min(stated.from_day) - $3::int FROM recent
            JOIN bank_statement AS stated ON stated.organization_id = $1 AND stated.import_id = recent.id),
        (SELECT min(coalesce((line.occurred_at AT TIME ZONE interval '7 hours')::date, line.paid_out_on)) - $3::int
            FROM recent
            JOIN settlement_line AS line ON line.organization_id = $1 AND line.import_id = recent.id),
        (SELECT min(line.booked_on) - $3::int FROM ended
            JOIN statement_line AS line ON line.organization_id = $1 AND line.id = ended.item_id
            WHERE ended.item_kind = 'statement_line'),
        (SELECT min(coalesce((line.occurred_at AT TIME ZONE interval '7 hours')::date, line.paid_out_on)) FROM ended
            JOIN settlement_line AS line ON line.organization_id = $1 AND line.id = ended.item_id
            WHERE ended.item_kind = 'settlement_line'),
        (SELECT min(opened.business_day) FROM exception_case AS opened
            JOIN match_item AS linked ON linked.organization_id = $1 AND linked.item_kind = opened.item_kind
                AND linked.item_id = opened.item_id AND linked.is_live
            WHERE opened.organization_id = $1 AND opened.state = 'open' AND opened.item_id IS NOT NULL
                AND opened.reason <> ALL ('{fee_variance,fee_data_missing}')))
"""


async def find_first_changed_day(tx: Transaction, *, since: datetime, days_before: int) -> date | None:
    """The first day that a round must examine again; None if nothing has changed since the time.

    `days_before` is how many days before its statement an item may be that the statement shows to be missing.
    """
    found: date | None = await tx.fetchval(_FIRST_CHANGED, tx.organization_id, since, days_before)
    return found

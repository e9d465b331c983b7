"""The items of a clearing account (113): the payments and entries whose money a bank statement has not shown yet.

The items of a day are those of the last closed day and the movements since: entries of a closed day are final.
"""

from uuid import UUID

from billing.core.ids import LedgerAccountId
from billing.core.money import Dong
from billing.db.database import Transaction
from billing.reconciliation.domain.day_result import BridgeItem, ItemKind
from billing.reconciliation.store.bank_bridges import BridgePeriod
from billing.reconciliation.store.day_results import Account

# A match moves the items that it holds out of its clearing account, and a payout the items that its settlement lines
# report: a payment, the payments of a refund, and the postings of the entry of any other item, which has the item's id.
# A reported line without an item of ours is counted under the entry of the payout.
_HELD_ITEMS = """
    WITH entry AS (
        SELECT id FROM journal_entry
        WHERE organization_id = $1 AND accounting_date > coalesce($4::date, '-infinity') AND accounting_date <= $3
    ), posted AS (
        SELECT match.id, entry.id AS entry_id, 1 AS times FROM entry
        JOIN match ON match.organization_id = $1 AND match.entry_id = entry.id AND match.clearing_subject = $5
        UNION ALL
        SELECT match.id, entry.id, -1 FROM entry
        JOIN match ON match.organization_id = $1 AND match.ending_entry_id = entry.id AND match.clearing_subject = $5
    ), reported AS (
        SELECT posted.id AS match_id, posted.entry_id, posted.times, ours.item_kind, ours.item_id,
            coalesce(ours.amount, CASE line.movement WHEN 'received' THEN line.amount ELSE -line.amount END) AS amount
        FROM posted
        JOIN match_item AS item ON item.organization_id = $1 AND item.match_id = posted.id AND item.item_kind = 'payout'
        JOIN payout ON payout.organization_id = $1 AND payout.id = item.item_id
        JOIN active_settlement_line AS line ON line.organization_id = $1
            AND line.provider_account_id = payout.provider_account_id AND line.paid_out_on = payout.paid_out_on
            AND line.payout_number = payout.number
        LEFT JOIN match_item AS stated ON stated.organization_id = $1 AND stated.item_kind = 'settlement_line'
            AND stated.item_id = line.id AND stated.is_live AND stated.match_id <> posted.id
        LEFT JOIN match_item AS ours ON ours.organization_id = $1 AND ours.match_id = stated.match_id
            AND ours.item_kind IN ('payment', 'outflow', 'refund')
    ), swept AS (
        SELECT posted.entry_id, posted.times, item.item_kind, item.item_id, item.amount
        FROM posted
        JOIN match_item AS item ON item.organization_id = $1 AND item.match_id = posted.id
            AND item.item_kind NOT IN ('statement_line', 'settlement_line', 'payout')
        UNION ALL
        SELECT entry_id, times, item_kind, item_id, amount FROM reported
    ), moved AS (
        SELECT coalesce(posting.payment_id, posting.entry_id) AS id, posting.payment_id IS NOT NULL AS is_payment,
            CASE WHEN posting.debit_account_id = $2 THEN posting.amount ELSE -posting.amount END AS amount
        FROM entry
        JOIN posting ON posting.organization_id = $1 AND posting.entry_id = entry.id
            AND $2 IN (posting.debit_account_id, posting.credit_account_id)
        WHERE NOT EXISTS (SELECT FROM match WHERE match.organization_id = $1 AND match.entry_id = entry.id)
            AND NOT EXISTS (SELECT FROM match WHERE match.organization_id = $1 AND match.ending_entry_id = entry.id)
        UNION ALL
        SELECT coalesce(item_id, entry_id), item_id IS NOT NULL, -times * amount FROM swept
        WHERE item_kind = 'payment' OR item_id IS NULL
        UNION ALL
        -- What reports have added to a payout since it was posted: its entry did not move it.
        SELECT posted.entry_id, false, posted.times * (stated.amount - item.amount - match.fee)
        FROM posted
        JOIN match ON match.organization_id = $1 AND match.id = posted.id
        JOIN match_item AS item ON item.organization_id = $1 AND item.match_id = posted.id AND item.item_kind = 'payout'
        CROSS JOIN LATERAL (
            SELECT sum(reported.amount)::bigint AS amount FROM reported
            WHERE reported.entry_id = posted.entry_id AND reported.match_id = posted.id
        ) AS stated
        WHERE stated.amount <> item.amount + match.fee
        UNION ALL
        SELECT part.payment_id, true, -swept.times * sign(swept.amount)::bigint * part.amount FROM swept
        JOIN refund_part AS part ON part.organization_id = $1 AND part.refund_id = swept.item_id
        WHERE swept.item_kind = 'refund'
        UNION ALL
        SELECT coalesce(posting.payment_id, posting.entry_id), posting.payment_id IS NOT NULL,
            swept.times * CASE WHEN posting.debit_account_id = $2 THEN -posting.amount ELSE posting.amount END
        FROM swept
        JOIN posting ON posting.organization_id = $1 AND posting.entry_id = swept.item_id
            AND $2 IN (posting.debit_account_id, posting.credit_account_id)
        WHERE swept.item_kind IN ('outflow', 'card_batch', 'bank_deposit')
        UNION ALL
        SELECT item_id, kind = 'payment_held', amount FROM day_result_item
        WHERE organization_id = $1 AND day = $4 AND account_kind = $6 AND account_id = $5
            AND kind IN ('payment_held', 'entry_held')
    )
    SELECT id, is_payment, sum(amount)::bigint AS amount FROM moved
    GROUP BY id, is_payment HAVING sum(amount) <> 0
    ORDER BY is_payment DESC, id
"""


async def read_held_items(
    tx: Transaction, account: Account, ledger_account_id: LedgerAccountId, period: BridgePeriod
) -> list[BridgeItem]:
    """What a clearing account holds, by payment, and by entry where an entry names no payment."""
    rows = await tx.fetch(
        _HELD_ITEMS,
        tx.organization_id,
        ledger_account_id,
        period.day,
        period.closed,
        account.account_id,
        account.kind.value,
    )
    return [
        BridgeItem(ItemKind.PAYMENT_HELD if row["is_payment"] else ItemKind.ENTRY_HELD, row["id"], Dong(row["amount"]))
        for row in rows
    ]


# The entry of a batch has the id of the batch. Its slips leave the account with it; the rest is its difference.
_TERMINAL_ITEMS = """
    WITH entry AS (
        SELECT id FROM journal_entry
        WHERE organization_id = $1 AND accounting_date > coalesce($4::date, '-infinity') AND accounting_date <= $3
    ), stated AS (
        SELECT slip.payment_id, slip.batch_id, slip.amount FROM entry
        JOIN card_slip AS slip ON slip.organization_id = $1 AND slip.batch_id = entry.id AND slip.terminal_id = $5
    ), moved AS (
        SELECT coalesce(posting.payment_id, posting.entry_id) AS id, posting.payment_id IS NOT NULL AS is_payment,
            CASE WHEN posting.debit_account_id = $2 THEN posting.amount ELSE -posting.amount END AS amount
        FROM entry
        JOIN posting ON posting.organization_id = $1 AND posting.entry_id = entry.id
            AND $2 IN (posting.debit_account_id, posting.credit_account_id)
        UNION ALL
        SELECT payment_id, true, -amount FROM stated
        UNION ALL
        SELECT batch_id, false, amount FROM stated
        UNION ALL
        SELECT item_id, kind = 'payment_held', amount FROM day_result_item
        WHERE organization_id = $1 AND day = $4 AND account_kind = 'card_terminal' AND account_id = $5
    ), held AS (
        SELECT id, is_payment, sum(amount)::bigint AS amount FROM moved
        GROUP BY id, is_payment HAVING sum(amount) <> 0
    )
    SELECT held.id, held.amount, CASE WHEN held.is_payment THEN 'payment_held'
        WHEN batch.id IS NULL THEN 'entry_held' ELSE 'card_batch_difference' END AS kind
    FROM held
    LEFT JOIN card_batch AS batch ON batch.organization_id = $1 AND batch.id = held.id AND NOT held.is_payment
    ORDER BY held.is_payment DESC, held.id
"""


async def read_terminal_items(
    tx: Transaction, account: Account, ledger_account_id: LedgerAccountId, period: BridgePeriod
) -> list[BridgeItem]:
    """What the account of a card terminal holds: payments that no batch states, and differences of batches."""
    rows = await tx.fetch(
        _TERMINAL_ITEMS, tx.organization_id, ledger_account_id, period.day, period.closed, account.account_id
    )
    return [BridgeItem(ItemKind(row["kind"]), row["id"], Dong(row["amount"])) for row in rows]


# Only lines since the last closed day, those that were unmatched then, those of a report imported since, and those
# whose match has ended since. A line that a report adds later belongs to its day, also if that day is closed.
_SETTLEMENT_ITEMS = """
    WITH closing AS (
        SELECT coalesce(
            (SELECT closed_at - interval '1 hour' FROM day_closing WHERE organization_id = $1 AND day = $4),
            '-infinity') AS closed_at
    ), candidate AS (
        SELECT item_id AS id FROM day_result_item
        WHERE organization_id = $1 AND day = $4 AND account_kind = 'provider_account' AND account_id = $2
            AND kind = 'settlement_line_unmatched'
        UNION
        SELECT line.id FROM reconciliation_import AS import
        JOIN settlement_line AS line ON line.organization_id = $1 AND line.import_id = import.id
        WHERE import.organization_id = $1 AND import.kind = 'settlement' AND import.provider_account_id = $2
            AND import.state = 'active' AND import.ended_at > (SELECT closed_at FROM closing)
        UNION
        SELECT line.id FROM settlement_line AS line
        WHERE line.organization_id = $1 AND line.provider_account_id = $2
            AND line.occurred_at >= (coalesce($4::date, '-infinity') + 1)::timestamp AT TIME ZONE interval '7 hours'
        UNION
        SELECT item.item_id FROM match
        JOIN match_item AS item ON item.organization_id = $1 AND item.match_id = match.id
            AND item.item_kind = 'settlement_line'
        WHERE match.organization_id = $1 AND match.ended_at > (SELECT closed_at FROM closing)
    )
    SELECT line.id, CASE line.movement WHEN 'received' THEN line.amount ELSE -line.amount END AS amount
    FROM candidate
    JOIN active_settlement_line AS line ON line.organization_id = $1 AND line.id = candidate.id
        AND line.provider_account_id = $2
    WHERE coalesce((line.occurred_at AT TIME ZONE interval '7 hours')::date, line.paid_out_on, $3) <= $3
        AND NOT EXISTS (SELECT FROM match_item AS item WHERE item.organization_id = $1
            AND item.item_kind = 'settlement_line' AND item.item_id = line.id AND item.is_live)
    ORDER BY line.id
"""


async def read_settlement_items(tx: Transaction, provider_account_id: UUID, period: BridgePeriod) -> list[BridgeItem]:
    """Settlement lines until the day that match no payment of ours."""
    rows = await tx.fetch(_SETTLEMENT_ITEMS, tx.organization_id, provider_account_id, period.day, period.closed)
    return [BridgeItem(ItemKind.SETTLEMENT_LINE_UNMATCHED, row["id"], Dong(row["amount"])) for row in rows]

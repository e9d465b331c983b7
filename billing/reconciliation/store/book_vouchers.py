"""Reads the vouchers of a visit in the books: journal entries, and the matches and lines that confirm its money."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from billing.core.ids import VisitId
from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.reconciliation.domain.voucher import Voucher
from billing.reconciliation.store.money_vouchers import MoneyOfVisit

# A payment reaches the bank as a line of its own, in the batch of its card terminal, or in the payout of its provider.
_MATCHES = """
    WITH own AS MATERIALIZED (
        SELECT item.match_id FROM match_item AS item
        WHERE item.organization_id = $1 AND (item.item_kind = 'payment' AND item.item_id = ANY ($2::uuid[])
            OR item.item_kind = 'refund' AND item.item_id = ANY ($3::uuid[])
            OR item.item_kind = 'card_batch' AND item.item_id = ANY ($4::uuid[]))
    ), reported AS (
        SELECT DISTINCT line.provider_account_id, line.paid_out_on, line.payout_number FROM own
        JOIN match_item AS item ON item.organization_id = $1 AND item.match_id = own.match_id
            AND item.item_kind = 'settlement_line' AND item.is_live
        JOIN active_settlement_line AS line ON line.organization_id = $1 AND line.id = item.item_id
    ), paid_out AS (
        SELECT payout.id FROM reported
        JOIN payout ON payout.organization_id = $1 AND payout.provider_account_id = reported.provider_account_id
            AND payout.paid_out_on = reported.paid_out_on AND payout.number = reported.payout_number
    ), matched AS (
        SELECT match_id FROM own
        UNION
        SELECT item.match_id FROM paid_out
        JOIN match_item AS item ON item.organization_id = $1 AND item.item_kind = 'payout'
            AND item.item_id = paid_out.id
    )
    SELECT ARRAY (SELECT match_id FROM matched) AS match_ids, ARRAY (SELECT id FROM paid_out) AS payout_ids
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchesOfVisit:
    """The matches, live or ended, of the money of a visit, and the payouts that contain it."""

    match_ids: Sequence[UUID]
    payout_ids: Sequence[UUID]


async def find_matches_of_visit(tx: Transaction, money: MoneyOfVisit) -> MatchesOfVisit:
    """The matches and payouts of the money of a visit."""
    row = await tx.fetchrow(_MATCHES, tx.organization_id, money.payment_ids, money.refund_ids, money.batch_ids)
    assert row is not None, "the statement returns one row"
    return MatchesOfVisit(match_ids=row["match_ids"], payout_ids=row["payout_ids"])


# What has a day without a time gets noon, as `noon_of` gives it.
_CONFIRMATIONS = """
    WITH linked AS (
        SELECT item.match_id, item.item_kind, item.item_id FROM match_item AS item
        WHERE item.organization_id = $1 AND item.match_id = ANY ($2::uuid[]) AND item.is_live
    ), voucher AS (
        SELECT 'match' AS kind, match.id, match.rule AS number, match.matched_at AS at, (
                SELECT coalesce(sum(item.amount) FILTER (WHERE item.item_kind = 'statement_line'),
                    sum(item.amount) FILTER (WHERE item.item_kind = 'settlement_line'), 0)::bigint
                FROM match_item AS item WHERE item.organization_id = $1 AND item.match_id = match.id) AS amount,
            match.state, '' AS bank_reference, match.reason, match.entry_id AS of_id,
            coalesce(match.acting_for, CASE WHEN match.actor_kind = 'person' THEN match.actor_id END) AS person_id
        FROM match
        WHERE match.organization_id = $1 AND match.id = ANY ($2::uuid[]) AND match.state = 'live'
        UNION ALL
        SELECT 'statement_line', line.id, import.file_name || ' ' || line.row,
            coalesce(line.occurred_at, (line.booked_on + time '12:00') AT TIME ZONE interval '7 hours'), line.amount,
            CASE WHEN line.is_tentative THEN 'tentative' ELSE 'confirmed' END, line.bank_reference, '',
            linked.match_id, NULL
        FROM linked
        JOIN active_statement_line AS line ON line.organization_id = $1 AND line.id = linked.item_id
        JOIN reconciliation_import AS import ON import.organization_id = $1 AND import.id = line.import_id
        WHERE linked.item_kind = 'statement_line'
        UNION ALL
        SELECT 'settlement_line', line.id, import.file_name || ' ' || line.row, coalesce(line.occurred_at,
            (line.paid_out_on + time '12:00') AT TIME ZONE interval '7 hours', import.ended_at), line.amount,
            line.movement, line.bank_reference, '', linked.match_id, NULL
        FROM linked
        JOIN active_settlement_line AS line ON line.organization_id = $1 AND line.id = linked.item_id
        JOIN reconciliation_import AS import ON import.organization_id = $1 AND import.id = line.import_id
        WHERE linked.item_kind = 'settlement_line'
        UNION ALL
        SELECT 'payout', payout.id, '', (payout.paid_out_on + time '12:00') AT TIME ZONE interval '7 hours', stated.net,
            '', '', '', linked.match_id, NULL
        FROM payout
        JOIN payout_amount AS stated ON stated.organization_id = $1 AND stated.payout_id = payout.id
        LEFT JOIN linked ON linked.item_kind = 'payout' AND linked.item_id = payout.id
        WHERE payout.organization_id = $1 AND payout.id = ANY ($3::uuid[])
        UNION ALL
        SELECT 'card_batch', one.id, one.batch_number, one.recorded_at, one.net, '', '', '', linked.match_id,
            one.recorded_by
        FROM card_batch AS one
        LEFT JOIN linked ON linked.item_kind = 'card_batch' AND linked.item_id = one.id
        WHERE one.organization_id = $1 AND one.id = ANY ($4::uuid[])
    )
    SELECT voucher.kind, voucher.id, voucher.number, voucher.at, voucher.amount, voucher.state, voucher.bank_reference,
        voucher.reason, voucher.of_id, voucher.person_id, coalesce(person.name, '') AS person
    FROM voucher
    LEFT JOIN person ON person.organization_id = $1 AND person.id = voucher.person_id
"""


async def read_confirmations(tx: Transaction, money: MoneyOfVisit, matches: MatchesOfVisit) -> list[Voucher]:
    """Live matches of the money of a visit with their lines, reports, payouts and card batches, in no order.

    `amount` of a match is that of its statement lines, else of its settlement lines. `number` of a line is the file and
    the row that state it.
    """
    rows = await tx.fetch(_CONFIRMATIONS, tx.organization_id, matches.match_ids, matches.payout_ids, money.batch_ids)
    return [read_row(Voucher, row) for row in rows]


# Postings have no index by visit, which would cost every callback. An entry is posted in the transaction of the row
# that causes it, and postings have an index by transaction; matches and decisions name their entries.
_ENTRIES = """
    WITH invoiced AS MATERIALIZED (
        SELECT id, transaction_id FROM invoice WHERE organization_id = $1 AND visit_id = $2
    ), caused AS (
        SELECT transaction_id FROM invoiced
        UNION SELECT correction.transaction_id FROM invoiced
            JOIN correction ON correction.organization_id = $1 AND correction.invoice_id = invoiced.id
        UNION SELECT final.transaction_id FROM final_bill AS final
            WHERE final.organization_id = $1 AND final.visit_id = $2
        UNION SELECT transaction_id FROM payment WHERE organization_id = $1 AND id = ANY ($3::uuid[])
        UNION SELECT transaction_id FROM allocation WHERE organization_id = $1 AND payment_id = ANY ($3::uuid[])
        UNION SELECT receipt.transaction_id FROM receipt
            WHERE receipt.organization_id = $1 AND receipt.visit_id = $2
        UNION SELECT void.transaction_id FROM receipt
            JOIN receipt_void AS void ON void.organization_id = $1 AND void.receipt_id = receipt.id
            WHERE receipt.organization_id = $1 AND receipt.visit_id = $2
    ), posted AS (
        SELECT posting.entry_id FROM caused
        JOIN posting ON posting.organization_id = $1 AND posting.transaction_id = caused.transaction_id
        WHERE posting.visit_id = $2
            OR posting.payment_id = ANY ($3::uuid[])
            OR posting.invoice_id IN (SELECT id FROM invoiced)
        UNION SELECT entry_id FROM match
            WHERE organization_id = $1 AND id = ANY ($4::uuid[]) AND entry_id IS NOT NULL
        UNION SELECT ending_entry_id FROM match
            WHERE organization_id = $1 AND id = ANY ($4::uuid[]) AND ending_entry_id IS NOT NULL
        UNION SELECT decided.entry_id FROM exception_case AS opened
            JOIN exception_decision AS decision ON decision.organization_id = $1 AND decision.exception_id = opened.id
            JOIN exception_decision_entry AS decided ON decided.organization_id = $1
                AND decided.decision_id = decision.id
            WHERE opened.organization_id = $1 AND opened.payment_id = ANY ($3::uuid[])
    )
    SELECT 'entry' AS kind, entry.id, entry.accounting_date::text AS number, entry.recorded_at AS at,
        (SELECT sum(amount)::bigint FROM posting WHERE posting.organization_id = $1 AND posting.entry_id = entry.id)
            AS amount,
        entry.kind AS state,
        coalesce(entry.acting_for, CASE WHEN entry.actor_kind = 'person' THEN entry.actor_id END) AS person_id,
        coalesce(person.name, '') AS person
    FROM posted
    JOIN journal_entry AS entry ON entry.organization_id = $1 AND entry.id = posted.entry_id
    LEFT JOIN person ON person.organization_id = $1
        AND person.id = coalesce(entry.acting_for, CASE WHEN entry.actor_kind = 'person' THEN entry.actor_id END)
"""


async def read_entries_of_visit(
    tx: Transaction, visit_id: VisitId, money: MoneyOfVisit, matches: MatchesOfVisit
) -> list[Voucher]:
    """Journal entries of the bills and the money of a visit, in no order.

    `number` is the accounting date, `state` the event; `amount` is that of all postings of the entry.
    """
    rows = await tx.fetch(_ENTRIES, tx.organization_id, visit_id, money.payment_ids, matches.match_ids)
    return [read_row(Voucher, row) for row in rows]

"""Audit rows with what their objects are called, a page at a time, the newest first."""

from billing.core.list_slice import ListSlice
from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.reconciliation.domain.act import Act

# Ids of the audit contain the time: day and cursor are bounds of the key, and of its partitions. The objects are looked
# up by their keys for the rows of the page alone.
_ACTS = """
    WITH page AS MATERIALIZED (
        SELECT one.id, one.recorded_at, one.action, one.subject_kind, one.subject_id, one.actor_kind, one.acting_for
        FROM audit AS one
        WHERE one.organization_id = $1 AND ($2::uuid IS NULL OR one.id < $2) AND ($3::uuid IS NULL OR one.id >= $3)
            AND ($5::text IS NULL OR one.subject_kind = $5)
        ORDER BY one.id DESC LIMIT $4
    )
    SELECT page.id, page.recorded_at, page.action, page.subject_kind, page.subject_id, page.actor_kind,
        person.name AS person,
        coalesce(invoice.number, receipt.series || '-' || receipt.number, refund.reference, tariff.name, visit.ma_lk,
            intent.reference_code, desk.name, '') AS name,
        coalesce(payment.amount, receipt.amount, refund.amount, hand_over.amount, raised.amount,
            CASE WHEN page.action NOT LIKE 'surplus%' THEN intent.amount END, invoice.patient_share,
            (approval.payload ->> 'amount')::bigint) AS amount,
        coalesce(invoice.visit_id, receipt.visit_id, refund.visit_id, visit.id) AS visit_id,
        coalesce(decision.reason, nullif(receipt.void_reason, ''), refund.reason, approval.payload ->> 'reason',
            declined.decline_reason, '')
            AS reason,
        approval.payload AS proposal
    FROM page
    LEFT JOIN person ON person.organization_id = $1 AND person.id = page.acting_for
    LEFT JOIN payment ON page.subject_kind = 'payment' AND payment.organization_id = $1
        AND payment.id = page.subject_id
    LEFT JOIN receipt ON page.subject_kind = 'receipt' AND receipt.organization_id = $1
        AND receipt.id = page.subject_id
    LEFT JOIN refund ON page.subject_kind = 'refund' AND refund.organization_id = $1 AND refund.id = page.subject_id
    LEFT JOIN invoice ON page.subject_kind = 'invoice' AND invoice.organization_id = $1
        AND invoice.id = page.subject_id
    LEFT JOIN intent ON page.subject_kind = 'intent' AND intent.organization_id = $1 AND intent.id = page.subject_id
    LEFT JOIN surplus_choice AS declined ON page.action = 'surplus_return_declined' AND declined.organization_id = $1
        AND declined.intent_id = page.subject_id
    LEFT JOIN visit ON page.subject_kind = 'visit' AND visit.organization_id = $1 AND visit.id = page.subject_id
    LEFT JOIN tariff ON page.subject_kind = 'tariff' AND tariff.organization_id = $1 AND tariff.id = page.subject_id
    LEFT JOIN hand_over ON page.subject_kind = 'hand_over' AND hand_over.organization_id = $1
        AND hand_over.id = page.subject_id
    LEFT JOIN shift ON page.subject_kind = 'shift' AND shift.organization_id = $1 AND shift.id = page.subject_id
    LEFT JOIN desk ON desk.organization_id = $1 AND desk.id = shift.desk_id
    LEFT JOIN approval ON page.subject_kind = 'approval' AND approval.organization_id = $1
        AND approval.id = page.subject_id
    LEFT JOIN exception_case AS raised ON page.subject_kind = 'exception' AND raised.organization_id = $1
        AND raised.id = page.subject_id
    LEFT JOIN LATERAL (
        SELECT one.reason FROM exception_decision AS one
        WHERE page.subject_kind = 'exception' AND page.actor_kind <> 'system' AND one.organization_id = $1
            AND one.exception_id = page.subject_id
            AND page.action = 'exception_' || CASE one.action WHEN 'revert' THEN 'reverted' ELSE one.action END
            AND one.recorded_at BETWEEN page.recorded_at - interval '5 s' AND page.recorded_at + interval '5 s'
        ORDER BY abs(extract(epoch FROM one.recorded_at - page.recorded_at)) LIMIT 1
    ) AS decision ON true
    ORDER BY page.id DESC
"""


async def read_acts(tx: Transaction, part: ListSlice, *, subject_kind: str | None) -> list[Act]:
    """Acts of a slice, the newest first, of one kind of objects or of all."""
    rows = await tx.fetch(_ACTS, tx.organization_id, part.before, part.first, part.limit, subject_kind)
    return [read_row(Act, row) for row in rows]

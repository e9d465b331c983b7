"""Reads the vouchers of a visit that state what is owed and requested: bills, reductions, deposits, intents.

`money_vouchers.py` reads money and receipts, `book_vouchers.py` the books of the organization.
"""

from billing.core.ids import VisitId
from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.reconciliation.domain.voucher import Voucher

_MA_LK = """
    SELECT ma_lk FROM visit WHERE organization_id = $1 AND id = $2
"""


async def read_ma_lk(tx: Transaction, visit_id: VisitId) -> str | None:
    """The code of a visit at its facility; None if there is no such visit."""
    ma_lk: str | None = await tx.fetchval(_MA_LK, tx.organization_id, visit_id)
    return ma_lk


# An invoice is issued by the person of its entry, which is posted in the transaction of its row.
_BILLS = """
    WITH issued AS (
        SELECT state.id, state.number, state.issued_at, state.total, state.state, invoice.transaction_id
        FROM invoice_state AS state
        JOIN invoice ON invoice.organization_id = $1 AND invoice.id = state.id
        WHERE state.organization_id = $1 AND state.visit_id = $2 AND state.state = 'issued'
    ), bill AS (
        SELECT 'invoice' AS kind, issued.id, issued.number, issued.issued_at AS at, issued.total AS amount,
            issued.state, '' AS reason, NULL::uuid AS of_id, (
                SELECT coalesce(entry.acting_for, CASE WHEN entry.actor_kind = 'person' THEN entry.actor_id END)
                FROM journal_entry AS entry
                WHERE entry.organization_id = $1 AND entry.transaction_id = issued.transaction_id
                    AND entry.kind = 'invoice_issued' LIMIT 1) AS person_id
        FROM issued
        UNION ALL
        SELECT 'correction', correction.id, issued.number, correction.recorded_at, correction.patient,
            correction.kind, '', issued.id, (
                SELECT coalesce(entry.acting_for, CASE WHEN entry.actor_kind = 'person' THEN entry.actor_id END)
                FROM journal_entry AS entry
                WHERE entry.organization_id = $1 AND entry.transaction_id = correction.transaction_id
                ORDER BY entry.id LIMIT 1)
        FROM issued
        JOIN correction ON correction.organization_id = $1 AND correction.invoice_id = issued.id
        UNION ALL
        SELECT 'final_bill', final.id, final.number::text, final.recorded_at, final.patient_share,
            CASE WHEN reopened.id IS NULL THEN 'valid' ELSE 'reopened' END, '', final.invoice_id,
            coalesce(final.acting_for, CASE WHEN final.actor_kind = 'person' THEN final.actor_id END)
        FROM final_bill AS final
        LEFT JOIN visit_reopening AS reopened ON reopened.organization_id = $1 AND reopened.final_bill_id = final.id
        WHERE final.organization_id = $1 AND final.visit_id = $2
        UNION ALL
        SELECT 'reopening', reopened.id, '', reopened.recorded_at, 0, '', reopened.reason, reopened.final_bill_id,
            coalesce(reopened.acting_for, CASE WHEN reopened.actor_kind = 'person' THEN reopened.actor_id END)
        FROM visit_reopening AS reopened
        WHERE reopened.organization_id = $1 AND reopened.visit_id = $2
    )
    SELECT bill.kind, bill.id, bill.number, bill.at, bill.amount, bill.state, bill.reason, bill.of_id, bill.person_id,
        coalesce(person.name, '') AS person
    FROM bill
    LEFT JOIN person ON person.organization_id = $1 AND person.id = bill.person_id
"""


async def read_bills(tx: Transaction, visit_id: VisitId) -> list[Voucher]:
    """Invoices, their corrections, final bills and reopenings of a visit, in no order."""
    return [read_row(Voucher, row) for row in await tx.fetch(_BILLS, tx.organization_id, visit_id)]


# An exemption and a written-off debt are proposed and approved: the person is the one who approved.
_REDUCTIONS = """
    WITH reduction AS (
        SELECT 'guarantee' AS kind, one.id, one.reference AS number, one.created_at AS at,
            CASE WHEN one.state = 'confirmed' THEN one.confirmed_amount ELSE one.limit_amount END AS amount, one.state,
            one.reason, coalesce(one.changed_by, one.created_by) AS person_id
        FROM guarantee AS one WHERE one.organization_id = $1 AND one.visit_id = $2
        UNION ALL
        SELECT 'exemption', one.id, one.fund, one.created_at, one.amount, one.state, one.reason, (
            SELECT coalesce(approval.decided_by, approval.proposed_by) FROM approval
            WHERE approval.organization_id = $1 AND approval.kind = 'exemption' AND approval.subject_id = one.id
            ORDER BY approval.id DESC LIMIT 1)
        FROM exemption AS one WHERE one.organization_id = $1 AND one.visit_id = $2
        UNION ALL
        SELECT 'debt', one.id, '', one.created_at, one.written_off, one.state, one.reason, coalesce((
            SELECT coalesce(approval.decided_by, approval.proposed_by) FROM approval
            WHERE approval.organization_id = $1 AND approval.kind = 'write_off' AND approval.subject_id = one.id
            ORDER BY approval.id DESC LIMIT 1), one.created_by)
        FROM debt AS one WHERE one.organization_id = $1 AND one.visit_id = $2
    )
    SELECT reduction.kind, reduction.id, reduction.number, reduction.at, reduction.amount, reduction.state,
        reduction.reason, reduction.person_id, coalesce(person.name, '') AS person
    FROM reduction
    LEFT JOIN person ON person.organization_id = $1 AND person.id = reduction.person_id
"""


async def read_reductions(tx: Transaction, visit_id: VisitId) -> list[Voucher]:
    """Guarantees (number: the payer's reference), exemptions (number: the fund) and debts of a visit, in no order.

    The amount of a guarantee is its limit until it is confirmed; that of a debt is the amount that was written off.
    """
    return [read_row(Voucher, row) for row in await tx.fetch(_REDUCTIONS, tx.organization_id, visit_id)]


_REQUESTS = """
    WITH request AS (
        SELECT 'deposit' AS kind, deposit.id, '' AS number, deposit.opened_at AS at, deposit.received AS amount,
            deposit.state, NULL::uuid AS of_id, NULL::uuid AS person_id
        FROM deposit WHERE deposit.organization_id = $1 AND deposit.visit_id = $2
        UNION ALL
        SELECT 'deposit_request', one.id, '', one.requested_at, one.amount, one.state, one.deposit_id, one.requested_by
        FROM deposit
        JOIN deposit_request AS one ON one.organization_id = $1 AND one.deposit_id = deposit.id
        WHERE deposit.organization_id = $1 AND deposit.visit_id = $2
        UNION ALL
        SELECT 'intent', intent.id, intent.reference_code, intent.created_at, intent.amount, intent.state,
            coalesce(intent.deposit_request_id, intent.deposit_id), NULL
        FROM intent
        WHERE intent.organization_id = $1 AND intent.id IN (
            SELECT subject.id FROM visit_subject AS subject
            WHERE subject.organization_id = $1 AND subject.subject = 'intent' AND subject.visit_id = $2)
    )
    SELECT request.kind, request.id, request.number, request.at, request.amount, request.state, request.of_id,
        request.person_id, coalesce(person.name, '') AS person
    FROM request
    LEFT JOIN person ON person.organization_id = $1 AND person.id = request.person_id
"""


async def read_requests(tx: Transaction, visit_id: VisitId) -> list[Voucher]:
    """The deposit of a visit, its requests, and the intents of its invoices and its deposit, in no order.

    The amount of a deposit is what it received; that of a standing intent is 0.
    """
    return [read_row(Voucher, row) for row in await tx.fetch(_REQUESTS, tx.organization_id, visit_id)]

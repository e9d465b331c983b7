"""The payments whose money belongs to one visit, their credit, and what bears a visit besides its deposit."""

from billing.core.ids import PaymentId, VisitId
from billing.core.money import Dong
from billing.db.database import Transaction

PAYMENTS_OF_VISIT = """
    WITH used AS (
        SELECT allocation.payment_id, coalesce(deposit.visit_id, invoice.visit_id) AS visit_id
        FROM allocation
        LEFT JOIN deposit ON deposit.organization_id = $1 AND deposit.id = allocation.deposit_id
        LEFT JOIN invoice ON invoice.organization_id = $1 AND invoice.id = allocation.invoice_id
        WHERE allocation.organization_id = $1
            AND allocation.payment_id IN (
                SELECT payment_id FROM allocation WHERE organization_id = $1 AND deposit_id IN (
                    SELECT id FROM deposit WHERE organization_id = $1 AND visit_id = {visit_id})
                UNION SELECT payment_id FROM allocation WHERE organization_id = $1 AND invoice_id IN (
                    SELECT id FROM invoice WHERE organization_id = $1 AND visit_id = {visit_id})
                UNION SELECT payment.id FROM intent
                    JOIN payment ON payment.organization_id = $1 AND payment.intent_id = intent.id
                    WHERE intent.organization_id = $1 AND intent.deposit_id IN (
                        SELECT id FROM deposit WHERE organization_id = $1 AND visit_id = {visit_id}))
    )
    SELECT payment_id FROM used
    WHERE NOT EXISTS (SELECT FROM payment_hold AS hold WHERE hold.organization_id = $1
        AND hold.payment_id = used.payment_id AND hold.released_at IS NULL)
        AND NOT EXISTS (SELECT FROM guarantee_payment AS of_payer WHERE of_payer.organization_id = $1
            AND of_payer.payment_id = used.payment_id)
    GROUP BY payment_id HAVING coalesce(bool_and(used.visit_id = {visit_id}), true) ORDER BY payment_id
"""
"""The payments of the visit `{visit_id}`, an expression, that are and were on no other visit and are not held.

Money of a payer for guarantees is not among them. One that came late may be on no visit: all of it is credit. `$1` is
the organization.
"""

BORNE_OF_VISIT = """
    (SELECT coalesce(sum(given.confirmed_amount), 0) FROM guarantee AS given
     WHERE given.organization_id = $1 AND given.visit_id = {visit_id} AND given.state = 'confirmed')
    + (SELECT coalesce(sum(given.amount), 0) FROM exemption AS given
       WHERE given.organization_id = $1 AND given.visit_id = {visit_id} AND given.state = 'approved')
    + (SELECT coalesce(sum(billed.allocated), 0) FROM invoice AS billed
       WHERE billed.organization_id = $1 AND billed.visit_id = {visit_id})
"""
"""What bears a part of the patient's share of the visit `{visit_id}`, an expression, besides its deposit.

Confirmed guarantees, approved exemptions, and the money on its invoices: a reopened visit has some. `$1` is the
organization.
"""

_PAYMENTS_OF_VISIT = PAYMENTS_OF_VISIT.format(visit_id="$2")


async def find_payments_of_visit(tx: Transaction, visit_id: VisitId) -> list[PaymentId]:
    """The payments of a visit whose money may be returned; held payments and those of other visits are left out."""
    rows = await tx.fetch(_PAYMENTS_OF_VISIT, tx.organization_id, visit_id)
    return [PaymentId(row["payment_id"]) for row in rows]


_CREDIT = """
    SELECT coalesce(sum(credit), 0) FROM payment_position WHERE organization_id = $1 AND payment_id = ANY ($2::uuid[])
"""


async def read_credit_of_visit(tx: Transaction, visit_id: VisitId) -> Dong:
    """The credit of the patient in the payments of a visit, in đồng; nothing is locked."""
    payment_ids = await find_payments_of_visit(tx, visit_id)
    return Dong(int(await tx.fetchval(_CREDIT, tx.organization_id, payment_ids)))


_VISIT_OF_PAYMENT = """
    SELECT min(visit_id::text)::uuid FROM (
        SELECT coalesce(deposit.visit_id, invoice.visit_id) AS visit_id
        FROM allocation
        LEFT JOIN deposit ON deposit.organization_id = $1 AND deposit.id = allocation.deposit_id
        LEFT JOIN invoice ON invoice.organization_id = $1 AND invoice.id = allocation.invoice_id
        WHERE allocation.organization_id = $1 AND allocation.payment_id = $2
        UNION
        SELECT deposit.visit_id FROM payment
        JOIN intent ON intent.organization_id = $1 AND intent.id = payment.intent_id
        JOIN deposit ON deposit.organization_id = $1 AND deposit.id = intent.deposit_id
        WHERE payment.organization_id = $1 AND payment.id = $2
    ) AS of_visits WHERE visit_id IS NOT NULL
    HAVING count(*) = 1
"""


async def find_visit_of_payment(tx: Transaction, payment_id: PaymentId) -> VisitId | None:
    """The one visit for which a payment came, by its allocations and its code; None for none or for several."""
    found = await tx.fetchval(_VISIT_OF_PAYMENT, tx.organization_id, payment_id)
    return None if found is None else VisitId(found)

"""What of a deposit is needed for the services of its visit and is not refunded."""

from billing.core.ids import DepositId
from billing.core.money import Dong
from billing.db.database import Transaction

# What pays ordered lines: the requests count their money, and a line of a cancelled charge needs none.
_NEEDED_FOR_ORDERS = """
    SELECT greatest(
        (SELECT coalesce(sum(least(request.received, lines.amount)), 0)
         FROM deposit_request AS request
         JOIN LATERAL (
            SELECT sum(line.amount) AS amount FROM deposit_request_line AS line
            JOIN charge_item AS charge ON charge.organization_id = $1 AND charge.visit_id = line.visit_id
                AND charge.line = line.line
            WHERE line.organization_id = $1 AND line.request_id = request.id AND charge.state <> 'cancelled'
         ) AS lines ON true
         WHERE request.organization_id = $1 AND request.deposit_id = $2),
        (SELECT coalesce(round(sum(charge.patient_amount)), 0) FROM charge_item AS charge
         WHERE charge.organization_id = $1 AND charge.visit_id = owner.visit_id
            AND charge.state IN ('started', 'performed'))
        - (SELECT coalesce(sum(confirmed_amount), 0) FROM guarantee
           WHERE organization_id = $1 AND visit_id = owner.visit_id AND state = 'confirmed')
        - (SELECT coalesce(sum(amount), 0) FROM exemption
           WHERE organization_id = $1 AND visit_id = owner.visit_id AND state = 'approved')
        - (SELECT coalesce(sum(allocated), 0) FROM invoice WHERE organization_id = $1 AND visit_id = owner.visit_id))
    FROM deposit AS owner WHERE owner.organization_id = $1 AND owner.id = $2
"""


async def read_needed_for_orders(tx: Transaction, deposit_id: DepositId) -> Dong:
    """What of a deposit pays requested lines, or lines that are started or performed, whichever is more, in đồng."""
    return Dong(int(await tx.fetchval(_NEEDED_FOR_ORDERS, tx.organization_id, deposit_id)))

"""What of a deposit is needed for the services of its visit and is not refunded."""

from dataclasses import dataclass

from billing.core.ids import DepositId, DepositRequestId
from billing.core.money import Dong
from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.payments.store.visit_payments import BORNE_OF_VISIT


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedForLines:
    """What an open or paid request counts for its lines that are not cancelled, in đồng.

    `for_performed` is the most of it that lines take which are started or performed.
    """

    id: DepositRequestId
    for_lines: Dong
    for_performed: Dong


# Without a line that is not cancelled a request needs nothing: its sums are 0.
_RECEIVED_FOR_LINES = """
    SELECT request.id, least(request.received, lines.amount) AS for_lines,
        least(request.received, lines.performed) AS for_performed
    FROM deposit_request AS request
    JOIN LATERAL (
        SELECT coalesce(sum(line.amount), 0)::bigint AS amount,
            coalesce(sum(line.amount) FILTER (WHERE charge.state IN ('started', 'performed')), 0)::bigint AS performed
        FROM deposit_request_line AS line
        JOIN charge_item AS charge ON charge.organization_id = $1 AND charge.visit_id = line.visit_id
            AND charge.line = line.line
        WHERE line.organization_id = $1 AND line.request_id = request.id AND charge.state <> 'cancelled'
    ) AS lines ON true
    WHERE request.organization_id = $1 AND request.deposit_id = $2 AND request.received > 0
        AND request.state IN ('requested', 'partly', 'paid')
    ORDER BY request.id
"""


async def read_received_for_lines(tx: Transaction, deposit_id: DepositId) -> list[ReceivedForLines]:
    """The requests of a deposit that have received money, the oldest first."""
    rows = await tx.fetch(_RECEIVED_FOR_LINES, tx.organization_id, deposit_id)
    return [read_row(ReceivedForLines, row) for row in rows]


# The patient's share of started and performed lines that nothing else bears; what the deposit applied to invoices is
# its own money.
_APPLIED_AND_PERFORMED = """
    owner.applied, owner.applied + (
        SELECT coalesce(round(sum(charge.patient_amount)), 0) FROM charge_item AS charge
        WHERE charge.organization_id = $1 AND charge.visit_id = owner.visit_id
            AND charge.state IN ('started', 'performed')) - ({borne}) AS performed
    FROM deposit AS owner WHERE owner.organization_id = $1 AND owner.id = $2
"""

_PERFORMED = "SELECT" + _APPLIED_AND_PERFORMED.format(borne=BORNE_OF_VISIT.format(visit_id="owner.visit_id"))


async def read_needed_for_orders(tx: Transaction, deposit_id: DepositId) -> Dong:
    """What of a deposit pays requested lines, and lines that are started or performed without a request, in đồng.

    What was applied to invoices of the visit has paid its part already.
    """
    requests = await read_received_for_lines(tx, deposit_id)
    row = await tx.fetchrow(_PERFORMED, tx.organization_id, deposit_id)
    assert row is not None, "a deposit is never removed"
    not_requested = max(0, int(row["performed"]) - sum(each.for_performed for each in requests))
    return Dong(max(0, sum(each.for_lines for each in requests) + not_requested - row["applied"]))

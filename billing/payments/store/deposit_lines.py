"""The charge items that deposit requests collect: cleared when they are paid, and back to ordered.

`visit_accounts` owns charge items; here are only the changes of state that a payment makes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from billing.core.ids import DepositRequestId, VisitId
from billing.db.database import Transaction
from billing.db.rows import read_row


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestedLine:
    """A charge item whose state a payment changed; `line` is the sender's id, `order_number` may be empty."""

    visit_id: VisitId
    line: str
    order_number: str


_CLEAR_LINES = """
    WITH cleared AS (
        UPDATE charge_item AS charge SET state = 'cleared', cleared_at = $3, changed_at = $3
        WHERE organization_id = $1 AND state = 'ordered' AND (visit_id, line) IN (
            SELECT visit_id, line FROM deposit_request_line
            WHERE organization_id = $1 AND request_id = ANY ($2::uuid[]))
        RETURNING visit_id, line, order_number
    )
    SELECT visit_id, line, order_number FROM cleared ORDER BY visit_id, line
"""


async def clear_lines(tx: Transaction, request_ids: Sequence[DepositRequestId], *, at: datetime) -> list[RequestedLine]:
    """Set the ordered charge items of paid requests to `cleared`; returns those that changed."""
    rows = await tx.fetch(_CLEAR_LINES, tx.organization_id, list(request_ids), at)
    return [read_row(RequestedLine, row) for row in rows]


# A line stays cleared while another paid request collects it.
_WITHDRAW_LINES = """
    WITH withdrawn AS (
        UPDATE charge_item AS charge SET state = 'ordered', cleared_at = NULL, changed_at = $3
        WHERE organization_id = $1 AND state = 'cleared' AND (visit_id, line) IN (
                SELECT visit_id, line FROM deposit_request_line
                WHERE organization_id = $1 AND request_id = ANY ($2::uuid[]))
            AND NOT EXISTS (
                SELECT FROM deposit_request_line AS other
                JOIN deposit_request AS request ON request.organization_id = $1 AND request.id = other.request_id
                WHERE other.organization_id = $1 AND other.visit_id = charge.visit_id AND other.line = charge.line
                    AND request.state = 'paid')
        RETURNING visit_id, line, order_number
    )
    SELECT visit_id, line, order_number FROM withdrawn ORDER BY visit_id, line
"""


async def withdraw_lines(
    tx: Transaction, request_ids: Sequence[DepositRequestId], *, at: datetime
) -> list[RequestedLine]:
    """Set the cleared charge items of requests that are paid no more back to `ordered`; returns those that changed."""
    rows = await tx.fetch(_WITHDRAW_LINES, tx.organization_id, list(request_ids), at)
    return [read_row(RequestedLine, row) for row in rows]

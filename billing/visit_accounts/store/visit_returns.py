"""The payments of a visit with the place of their money, and what was paid for its lines."""

from collections.abc import Sequence

from billing.core.ids import PaymentId, VisitId
from billing.core.money import Dong
from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.visit_accounts.domain.visit_return import PaymentMoney

_MONEY = """
    SELECT payment.id AS payment_id, payment.method, payment.occurred_at AS received_at,
        payment.bank_reference AS reference, position.credit + position.unallocated AS credit,
        position.on_deposits AS on_deposit
    FROM payment
    JOIN payment_position AS position ON position.organization_id = $1 AND position.payment_id = payment.id
    WHERE payment.organization_id = $1 AND payment.id = ANY ($2::uuid[])
    ORDER BY payment.id DESC
"""


async def read_payment_money(tx: Transaction, payment_ids: Sequence[PaymentId]) -> list[PaymentMoney]:
    """Where the money of payments is, the newest first; nothing is locked."""
    return [read_row(PaymentMoney, row) for row in await tx.fetch(_MONEY, tx.organization_id, list(payment_ids))]


_PAID_LINES = """
    SELECT line.line, sum(line.amount)::bigint AS amount
    FROM deposit_request_line AS line
    JOIN deposit_request AS request ON request.organization_id = $1 AND request.id = line.request_id
    WHERE line.organization_id = $1 AND line.visit_id = $2 AND request.state = 'paid'
    GROUP BY line.line
"""


async def read_paid_lines(tx: Transaction, visit_id: VisitId) -> dict[str, Dong]:
    """What was collected for each line by requests that are paid, in đồng."""
    return {row["line"]: Dong(row["amount"]) for row in await tx.fetch(_PAID_LINES, tx.organization_id, visit_id)}

"""Lists of exceptions, the newest first: a page of rows below a cursor, never a count of all."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from billing.db.database import Transaction

# Ordered by time: some ids are computed from the disagreement (service/exception_rows.py) and contain no timestamp.
_LIST_EXCEPTIONS = """
    SELECT one.id, one.reason, one.state, one.amount, one.delivery_id, one.payment_id, one.intent_id,
        one.owner_id, one.opened_at, one.due_at, account.name AS account
    FROM exception_case AS one
    LEFT JOIN provider_account AS account ON account.organization_id = $1 AND account.id = one.provider_account_id
    WHERE one.organization_id = $1 AND one.state = $4 AND ($5::text IS NULL OR one.reason = $5)
        AND ($2::uuid IS NULL OR (one.opened_at, one.id) < (
            SELECT opened_at, id FROM exception_case WHERE organization_id = $1 AND id = $2))
        AND ($6::timestamptz IS NULL OR one.opened_at >= $6) AND ($7::timestamptz IS NULL OR one.opened_at < $7)
    ORDER BY one.opened_at DESC, one.id DESC LIMIT $3
"""


async def read_exceptions(
    tx: Transaction,
    *,
    after: UUID | None,
    limit: int,
    state: str,
    reason: str | None,
    opened_from: datetime | None,
    opened_before: datetime | None,
) -> list[Mapping[str, Any]]:
    """Exceptions of a state below `after`; None filters nothing."""
    rows = await tx.fetch(_LIST_EXCEPTIONS, tx.organization_id, after, limit, state, reason, opened_from, opened_before)
    return [dict(row) for row in rows]

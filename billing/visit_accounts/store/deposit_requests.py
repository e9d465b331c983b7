"""Deposit requests as they are shown, and the open or paid requests of lines; `payments` writes them."""

from collections.abc import Sequence

from billing.core.ids import DepositRequestId, VisitId
from billing.core.list_slice import ListSlice
from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.payments.domain.deposit import RequestState
from billing.visit_accounts.domain.deposit_request import LineRequest, ListedRequest, RequestDetails

_LIST_REQUESTS = """
    SELECT request.id, request.deposit_id, deposit.visit_id, account.ma_lk, request.kind, request.state,
        request.version, request.amount, request.proposed_amount, request.received, request.requested_at,
        request.requested_by, request.superseded_by
    FROM deposit_request AS request
    JOIN deposit ON deposit.organization_id = $1 AND deposit.id = request.deposit_id
    JOIN visit_account AS account ON account.organization_id = $1 AND account.visit_id = deposit.visit_id
    WHERE request.organization_id = $1
        AND ($2::uuid IS NULL OR request.id < $2) AND ($3::uuid IS NULL OR request.id >= $3)
        AND ($5::uuid IS NULL OR deposit.visit_id = $5) AND ($6::text IS NULL OR request.state = $6)
    ORDER BY request.id DESC LIMIT $4
"""


async def read_requests(
    tx: Transaction, part: ListSlice, *, visit_id: VisitId | None, state: RequestState | None
) -> list[ListedRequest]:
    """Requests of a slice of the list, the newest first; None filters nothing."""
    rows = await tx.fetch(
        _LIST_REQUESTS, tx.organization_id, part.before, part.first, part.limit, visit_id, state and state.value
    )
    return [read_row(ListedRequest, row) for row in rows]


_READ_REQUEST = """
    SELECT request.id, request.deposit_id, deposit.visit_id, account.ma_lk, request.kind, request.state,
        request.version, request.amount, request.proposed_amount, request.received, request.requested_at,
        request.requested_by, request.superseded_by,
        (SELECT coalesce(jsonb_agg(jsonb_build_object('line', line, 'amount', amount) ORDER BY line), '[]')
         FROM deposit_request_line
         WHERE deposit_request_line.organization_id = $1 AND request_id = request.id) AS lines
    FROM deposit_request AS request
    JOIN deposit ON deposit.organization_id = $1 AND deposit.id = request.deposit_id
    JOIN visit_account AS account ON account.organization_id = $1 AND account.visit_id = deposit.visit_id
    WHERE request.organization_id = $1 AND request.id = $2
"""


async def read_request(tx: Transaction, request_id: DepositRequestId) -> RequestDetails | None:
    """A request with its lines; None if there is none."""
    row = await tx.fetchrow(_READ_REQUEST, tx.organization_id, request_id)
    return None if row is None else read_row(RequestDetails, row)


_LINE_REQUESTS = """
    SELECT line.line, request.id AS request_id, request.state, request.requested_at
    FROM deposit_request_line AS line
    JOIN deposit_request AS request ON request.organization_id = $1 AND request.id = line.request_id
    WHERE line.organization_id = $1 AND line.visit_id = $2 AND line.line = ANY ($3::text[])
        AND request.state IN ('requested', 'partly', 'paid')
    ORDER BY line.line, request.id
"""


async def read_line_requests(tx: Transaction, visit_id: VisitId, lines: Sequence[str]) -> list[LineRequest]:
    """The open and paid requests that collect for lines; the deposit is locked, so none is added meanwhile."""
    rows = await tx.fetch(_LINE_REQUESTS, tx.organization_id, visit_id, list(lines))
    return [read_row(LineRequest, row) for row in rows]

"""Deposits and deposit requests: rows read under lock, and their new states written."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from billing.core.ids import DepositId, DepositRequestId, PersonId, VisitId
from billing.core.money import Dong
from billing.db.arrays import columns
from billing.db.database import Transaction
from billing.payments.domain.deposit import Deposit, DepositRequest, DepositState, RequestKind, RequestState

_ADD_DEPOSIT = """
    INSERT INTO deposit (organization_id, id, visit_id, state, version, opened_at)
    VALUES ($1, $2, $3, 'open', 1, $4) ON CONFLICT DO NOTHING
"""


async def add_deposit(tx: Transaction, deposit_id: DepositId, visit_id: VisitId, *, at: datetime) -> None:
    """Open the deposit of a visit account, empty; does nothing where the visit has one."""
    await tx.execute(_ADD_DEPOSIT, tx.organization_id, deposit_id, visit_id, at)


_LOCK_DEPOSIT_OF_VISIT = """
    SELECT id, visit_id, state, version, received, applied, returned FROM deposit
    WHERE organization_id = $1 AND visit_id = $2 FOR NO KEY UPDATE
"""


async def lock_deposit_of_visit(tx: Transaction, visit_id: VisitId) -> Deposit | None:
    """Read the deposit of a visit and lock its row until the transaction ends; None if the visit has no account."""
    row = await tx.fetchrow(_LOCK_DEPOSIT_OF_VISIT, tx.organization_id, visit_id)
    return None if row is None else deposit_of(row)


_LOCK_DEPOSITS = """
    SELECT id, visit_id, state, version, received, applied, returned FROM deposit
    WHERE organization_id = $1 AND id = ANY ($2::uuid[]) ORDER BY id FOR NO KEY UPDATE
"""


async def lock_deposits(tx: Transaction, deposit_ids: Sequence[DepositId]) -> dict[DepositId, Deposit]:
    """Read deposits and lock their rows, in id order."""
    rows = await tx.fetch(_LOCK_DEPOSITS, tx.organization_id, list(deposit_ids))
    return {deposit.id: deposit for deposit in map(deposit_of, rows)}


_READ_DEPOSIT_OF_VISIT = """
    SELECT id, visit_id, state, version, received, applied, returned FROM deposit
    WHERE organization_id = $1 AND visit_id = $2
"""


async def read_deposit_of_visit(tx: Transaction, visit_id: VisitId) -> Deposit | None:
    """The deposit of a visit, not locked."""
    row = await tx.fetchrow(_READ_DEPOSIT_OF_VISIT, tx.organization_id, visit_id)
    return None if row is None else deposit_of(row)


_UPDATE_DEPOSITS = """
    UPDATE deposit SET state = t.state, version = t.version, received = t.received, applied = t.applied,
        returned = t.returned, held = t.held
    FROM unnest($2::uuid[], $3::text[], $4::int[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[])
        AS t (id, state, version, received, applied, returned, held)
    WHERE deposit.organization_id = $1 AND deposit.id = t.id
"""


async def update_deposits(tx: Transaction, deposits: Sequence[Deposit]) -> None:
    """Write the final state of deposits that this transaction holds locked."""
    rows = [
        (one.id, one.state.value, one.version, one.received, one.applied, one.returned, one.held) for one in deposits
    ]
    await tx.execute(_UPDATE_DEPOSITS, tx.organization_id, *columns(rows, 7))


_ADD_REQUEST = """
    INSERT INTO deposit_request (organization_id, id, deposit_id, kind, state, version, amount, proposed_amount,
        requested_by, requested_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""

_ADD_REQUEST_LINES = """
    INSERT INTO deposit_request_line (organization_id, request_id, visit_id, line, amount)
    SELECT $1, $2, $3, line, amount FROM unnest($4::text[], $5::bigint[]) AS t (line, amount)
"""


async def add_request(
    tx: Transaction,
    request: DepositRequest,
    *,
    visit_id: VisitId,
    lines: Mapping[str, Dong],
    requested_by: PersonId | None,
) -> None:
    """Store a new request with the order lines that it collects, each with its amount in đồng."""
    await tx.execute(
        _ADD_REQUEST,
        tx.organization_id,
        request.id,
        request.deposit_id,
        request.kind.value,
        request.state.value,
        request.version,
        request.amount,
        request.proposed_amount,
        requested_by,
        request.requested_at,
    )
    if lines:
        await tx.execute(
            _ADD_REQUEST_LINES, tx.organization_id, request.id, visit_id, list(lines), list(lines.values())
        )


_LOCK_REQUESTS = """
    SELECT id, deposit_id, kind, state, version, amount, proposed_amount, received, requested_at FROM deposit_request
    WHERE organization_id = $1 AND id = ANY ($2::uuid[]) ORDER BY id FOR NO KEY UPDATE
"""


async def lock_requests(
    tx: Transaction, request_ids: Sequence[DepositRequestId]
) -> dict[DepositRequestId, DepositRequest]:
    """Read requests and lock their rows, in id order; their deposits are locked before."""
    rows = await tx.fetch(_LOCK_REQUESTS, tx.organization_id, list(request_ids))
    return {request.id: request for request in map(request_of, rows)}


_LOCK_OPEN_REQUESTS = """
    SELECT id, deposit_id, kind, state, version, amount, proposed_amount, received, requested_at FROM deposit_request
    WHERE organization_id = $1 AND deposit_id = $2 AND state IN ('requested', 'partly') ORDER BY id FOR NO KEY UPDATE
"""


async def lock_open_requests(tx: Transaction, deposit_id: DepositId) -> list[DepositRequest]:
    """Read and lock the requests of a deposit that are still open."""
    return [request_of(row) for row in await tx.fetch(_LOCK_OPEN_REQUESTS, tx.organization_id, deposit_id)]


_READ_OPEN_REQUESTS = """
    SELECT id, deposit_id, kind, state, version, amount, proposed_amount, received, requested_at FROM deposit_request
    WHERE organization_id = $1 AND deposit_id = $2 AND state IN ('requested', 'partly') ORDER BY id
"""


async def read_open_requests(tx: Transaction, deposit_id: DepositId) -> list[DepositRequest]:
    """The requests of a deposit that are still open, not locked."""
    return [request_of(row) for row in await tx.fetch(_READ_OPEN_REQUESTS, tx.organization_id, deposit_id)]


_DEPOSIT_OF_REQUEST = """
    SELECT deposit_id FROM deposit_request WHERE organization_id = $1 AND id = $2
"""


async def find_deposit_of_request(tx: Transaction, request_id: DepositRequestId) -> DepositId | None:
    """The deposit of a request, which never changes; None if there is no such request."""
    found: UUID | None = await tx.fetchval(_DEPOSIT_OF_REQUEST, tx.organization_id, request_id)
    return None if found is None else DepositId(found)


_UPDATE_REQUESTS = """
    UPDATE deposit_request AS request SET state = t.state, version = t.version, received = t.received,
        superseded_by = coalesce(request.superseded_by, t.superseded_by)
    FROM unnest($2::uuid[], $3::text[], $4::int[], $5::bigint[], $6::uuid[])
        AS t (id, state, version, received, superseded_by)
    WHERE request.organization_id = $1 AND request.id = t.id
"""


async def update_requests(
    tx: Transaction, requests: Sequence[DepositRequest], *, superseded_by: DepositRequestId | None = None
) -> None:
    """Write the final state of requests that this transaction holds locked."""
    rows = [(one.id, one.state.value, one.version, one.received, superseded_by) for one in requests]
    await tx.execute(_UPDATE_REQUESTS, tx.organization_id, *columns(rows, 5))


def deposit_of(row: asyncpg.Record) -> Deposit:
    """A deposit from its columns by name."""
    return Deposit(
        id=DepositId(row["id"]),
        visit_id=VisitId(row["visit_id"]),
        state=DepositState(row["state"]),
        version=row["version"],
        received=Dong(row["received"]),
        applied=Dong(row["applied"]),
        returned=Dong(row["returned"]),
    )


def request_of(row: asyncpg.Record) -> DepositRequest:
    """A deposit request from its columns by name."""
    return DepositRequest(
        id=DepositRequestId(row["id"]),
        deposit_id=DepositId(row["deposit_id"]),
        kind=RequestKind(row["kind"]),
        state=RequestState(row["state"]),
        version=row["version"],
        amount=Dong(row["amount"]),
        proposed_amount=Dong(row["proposed_amount"]),
        received=Dong(row["received"]),
        requested_at=row["requested_at"],
    )

"""Proposals and their decisions as stored. The database compares the two persons and refuses a second decision."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from billing.core.ids import PersonId
from billing.core.list_slice import ListSlice
from billing.db.database import Transaction
from billing.organizations.domain.approval import Approval, ApprovalKind, ApprovalState

_ADD_APPROVAL = """
    INSERT INTO approval (organization_id, id, kind, subject_id, payload, state, proposed_by, proposed_at)
    VALUES ($1, $2, $3, $4, $5, 'proposed', $6, $7)
    ON CONFLICT (organization_id, kind, subject_id) WHERE state = 'proposed' DO NOTHING
    RETURNING id
"""


async def add_approval(tx: Transaction, proposal: Approval) -> bool:
    """Add a proposal; False where another one for the same subject waits for its decision."""
    added = await tx.fetchval(
        _ADD_APPROVAL,
        tx.organization_id,
        proposal.id,
        proposal.kind.value,
        proposal.subject_id,
        dict(proposal.payload),
        proposal.proposed_by,
        proposal.proposed_at,
    )
    return added is not None


_LOCK_APPROVAL = """
    SELECT approval.id, approval.kind, approval.subject_id, approval.payload, approval.state, approval.proposed_by,
        approval.proposed_at, approval.decided_by, approval.decided_at, proposer.name AS proposer,
        decider.name AS decider
    FROM approval
    JOIN person AS proposer ON proposer.organization_id = $1 AND proposer.id = approval.proposed_by
    LEFT JOIN person AS decider ON decider.organization_id = $1 AND decider.id = approval.decided_by
    WHERE approval.organization_id = $1 AND approval.id = $2
    FOR NO KEY UPDATE OF approval
"""


async def lock_approval(tx: Transaction, approval_id: UUID) -> Approval | None:
    """Read one proposal and lock its row until the transaction ends; None where there is none."""
    row = await tx.fetchrow(_LOCK_APPROVAL, tx.organization_id, approval_id)
    return None if row is None else _approval(dict(row))


_LOCK_PROPOSED = """
    SELECT id FROM approval
    WHERE organization_id = $1 AND kind = $2 AND subject_id = $3 AND state = 'proposed'
    FOR NO KEY UPDATE
"""


async def lock_proposed(tx: Transaction, kind: ApprovalKind, subject_id: UUID) -> UUID | None:
    """The proposal for a subject that waits for its decision, its row locked; there is at most one."""
    found: UUID | None = await tx.fetchval(_LOCK_PROPOSED, tx.organization_id, kind.value, subject_id)
    return found


_DECIDE = """
    UPDATE approval SET state = $3, decided_by = $4, decided_at = $5 WHERE organization_id = $1 AND id = $2
"""


async def decide_approval(
    tx: Transaction, approval_id: UUID, state: ApprovalState, *, decided_by: PersonId, decided_at: datetime
) -> None:
    """Write the decision on a locked proposal."""
    await tx.execute(_DECIDE, tx.organization_id, approval_id, state.value, decided_by, decided_at)


_LATEST = """
    SELECT DISTINCT ON (approval.subject_id) approval.id, approval.kind, approval.subject_id, approval.payload,
        approval.state, approval.proposed_by, approval.proposed_at, approval.decided_by, approval.decided_at,
        proposer.name AS proposer, decider.name AS decider
    FROM approval
    JOIN person AS proposer ON proposer.organization_id = $1 AND proposer.id = approval.proposed_by
    LEFT JOIN person AS decider ON decider.organization_id = $1 AND decider.id = approval.decided_by
    WHERE approval.organization_id = $1 AND approval.kind = $2 AND approval.subject_id = ANY ($3::uuid[])
    ORDER BY approval.subject_id, approval.id DESC
"""


async def read_latest_approvals(
    tx: Transaction, kind: ApprovalKind, subject_ids: Collection[UUID]
) -> dict[UUID, Approval]:
    """The latest proposal of a kind for each subject, by subject; subjects without one are left out."""
    rows = await tx.fetch(_LATEST, tx.organization_id, kind.value, list(subject_ids))
    return {row["subject_id"]: _approval(dict(row)) for row in rows}


_LIST_APPROVALS = """
    SELECT approval.id, approval.kind, approval.subject_id, approval.payload, approval.state, approval.proposed_by,
        approval.proposed_at, approval.decided_by, approval.decided_at, proposer.name AS proposer,
        decider.name AS decider
    FROM approval
    JOIN person AS proposer ON proposer.organization_id = $1 AND proposer.id = approval.proposed_by
    LEFT JOIN person AS decider ON decider.organization_id = $1 AND decider.id = approval.decided_by
    WHERE approval.organization_id = $1 AND ($2::uuid IS NULL OR approval.id < $2)
        AND ($3::uuid IS NULL OR approval.id >= $3) AND approval.kind = ANY ($5::text[])
        AND ($6::text IS NULL OR approval.state = $6) AND ($7::uuid IS NULL OR approval.id = $7)
    ORDER BY approval.id DESC LIMIT $4
"""


async def read_approvals(
    tx: Transaction,
    part: ListSlice,
    *,
    kinds: Collection[ApprovalKind],
    state: ApprovalState | None = None,
    approval_id: UUID | None = None,
) -> list[Approval]:
    """Proposals of some kinds in a slice, the newest first; None filters nothing."""
    named = [kind.value for kind in kinds]
    rows = await tx.fetch(
        _LIST_APPROVALS, tx.organization_id, part.before, part.first, part.limit, named, state, approval_id
    )
    return [_approval(dict(row)) for row in rows]


def _approval(row: Mapping[str, Any]) -> Approval:
    return Approval(**{**row, "kind": ApprovalKind(row["kind"]), "state": ApprovalState(row["state"])})

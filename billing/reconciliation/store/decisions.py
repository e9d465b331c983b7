"""Decisions on exceptions with their entries, and comments. Rows are only added.

`exceptions.py` has the exceptions themselves. Source: docs/reconciliation.md, Exceptions.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from billing.core.actor import Actor
from billing.core.ids import PersonId
from billing.db.arrays import columns
from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.reconciliation.domain.exception_case import Decision

_ADD_DECISION = """
    INSERT INTO exception_decision (organization_id, id, exception_id, action, reason, is_closing, accounting_date,
        visit_id, invoice_id, deposit_request_id, refund_id, approval_id, reverts_id, actor_kind, actor_id, acting_for,
        recorded_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
"""

_ADD_ENTRIES = """
    INSERT INTO exception_decision_entry (organization_id, decision_id, position, entry_id, amount, allocation_id,
        source)
    SELECT $1, $2, t.position, t.entry_id, t.amount, t.allocation_id, t.source
    FROM unnest($3::int[], $4::uuid[], $5::bigint[], $6::uuid[], $7::text[])
        AS t (position, entry_id, amount, allocation_id, source)
"""


async def add_decision(tx: Transaction, decision: Decision, *, actor: Actor) -> None:
    """Record a decision with its entries; the exception is locked."""
    await tx.execute(
        _ADD_DECISION,
        tx.organization_id,
        decision.id,
        decision.exception_id,
        decision.action.value,
        decision.reason,
        decision.is_closing,
        decision.accounting_date,
        decision.visit_id,
        decision.invoice_id,
        decision.deposit_request_id,
        decision.refund_id,
        decision.approval_id,
        decision.reverts_id,
        actor.kind.value,
        actor.id,
        actor.person,
        decision.recorded_at,
    )
    rows = [
        (number, one.entry_id, one.amount, one.allocation_id, one.source and one.source.value)
        for number, one in enumerate(decision.entries, start=1)
    ]
    if rows:
        await tx.execute(_ADD_ENTRIES, tx.organization_id, decision.id, *columns(rows, 5))


_READ_DECISIONS = """
    SELECT decision.id, decision.exception_id, decision.action, decision.reason, decision.is_closing,
        decision.accounting_date, decision.recorded_at, decision.acting_for AS person_id, person.name AS person,
        decision.visit_id, decision.invoice_id, decision.deposit_request_id, decision.refund_id,
        decision.approval_id, decision.reverts_id, reverting.id AS reverted_by_id,
        (SELECT coalesce(jsonb_agg(jsonb_build_object('entry_id', entry_id, 'amount', amount,
                'allocation_id', allocation_id, 'source', source) ORDER BY position), '[]')
         FROM exception_decision_entry AS entry
         WHERE entry.organization_id = $1 AND entry.decision_id = decision.id) AS entries
    FROM exception_decision AS decision
    LEFT JOIN exception_decision AS reverting ON reverting.organization_id = $1
        AND reverting.reverts_id = decision.id
    LEFT JOIN person ON person.organization_id = $1 AND person.id = decision.acting_for
    WHERE decision.organization_id = $1 AND decision.exception_id = $2
    ORDER BY decision.recorded_at, decision.id
"""


async def read_decisions(tx: Transaction, exception_id: UUID) -> tuple[Decision, ...]:
    """The decisions of an exception, the oldest first."""
    return tuple(read_row(Decision, row) for row in await tx.fetch(_READ_DECISIONS, tx.organization_id, exception_id))


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """What a person wrote about an exception. `person` is the name."""

    id: UUID
    text: str
    person_id: PersonId
    person: str
    written_at: datetime


_ADD_COMMENT = """
    INSERT INTO exception_comment (organization_id, id, exception_id, text, written_by, written_at)
    VALUES ($1, $2, $3, $4, $5, $6)
"""


async def add_comment(
    tx: Transaction, comment_id: UUID, exception_id: UUID, text: str, *, by: PersonId, at: datetime
) -> None:
    """Add a comment to an exception that exists."""
    await tx.execute(_ADD_COMMENT, tx.organization_id, comment_id, exception_id, text, by, at)


_READ_COMMENTS = """
    SELECT comment.id, comment.text, comment.written_by AS person_id, person.name AS person, comment.written_at
    FROM exception_comment AS comment
    JOIN person ON person.organization_id = $1 AND person.id = comment.written_by
    WHERE comment.organization_id = $1 AND comment.exception_id = $2
    ORDER BY comment.written_at, comment.id
"""


async def read_comments(tx: Transaction, exception_id: UUID) -> tuple[Comment, ...]:
    """The comments on an exception, the oldest first."""
    return tuple(read_row(Comment, row) for row in await tx.fetch(_READ_COMMENTS, tx.organization_id, exception_id))


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """A change of the owner or the due time. `person` changed it; both names."""

    owner_id: PersonId | None
    owner: str | None
    due_at: datetime
    person_id: PersonId
    person: str
    assigned_at: datetime


_READ_ASSIGNMENTS = """
    SELECT one.owner_id, owner.name AS owner, one.due_at, one.assigned_by AS person_id, person.name AS person,
        one.assigned_at
    FROM exception_assignment AS one
    JOIN person ON person.organization_id = $1 AND person.id = one.assigned_by
    LEFT JOIN person AS owner ON owner.organization_id = $1 AND owner.id = one.owner_id
    WHERE one.organization_id = $1 AND one.exception_id = $2
    ORDER BY one.assigned_at, one.id
"""


async def read_assignments(tx: Transaction, exception_id: UUID) -> tuple[Assignment, ...]:
    """The changes of owner and due time of an exception, the oldest first."""
    rows = await tx.fetch(_READ_ASSIGNMENTS, tx.organization_id, exception_id)
    return tuple(read_row(Assignment, row) for row in rows)

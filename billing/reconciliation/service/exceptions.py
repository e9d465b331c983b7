"""Read and list exceptions, comment on them, and assign them to persons. `decide_exceptions.py` decides them.

Source: docs/reconciliation.md, Exceptions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from billing.core.actor import Actor
from billing.core.approvals import require_person
from billing.core.errors import InvalidValue, NotFound
from billing.core.ids import OrganizationId, PersonId
from billing.db.context import Context
from billing.db.idempotency import IdempotentRequest, find_previous_result, save_result
from billing.ledger.service.audit import note
from billing.organizations.store.api_keys import read_persons
from billing.payments.domain.exception import OPEN_EXCEPTIONS, ExceptionFilter
from billing.reconciliation.domain.exception_case import Decision, read_comment
from billing.reconciliation.store.decisions import (
    Assignment,
    Comment,
    add_comment,
    read_assignments,
    read_comments,
    read_decisions,
)
from billing.reconciliation.store.exception_lists import ListedException, read_exception, read_exceptions
from billing.reconciliation.store.exceptions import assign_cases, find_case, lock_cases

ASSIGNED_MAX = 500
"""How many exceptions are assigned at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExceptionDetails:
    """An exception with everything that persons did about it, the oldest first."""

    exception: ListedException
    decisions: Sequence[Decision]
    comments: Sequence[Comment]
    assignments: Sequence[Assignment]


async def find_exception(context: Context, organization_id: OrganizationId, exception_id: UUID) -> ExceptionDetails:
    """An exception with its decisions, comments and assignments. Raises NotFound."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        exception = await read_exception(tx, exception_id, now=context.clock())
        if exception is None:
            raise NotFound("no such exception", field="exception_id")
        return ExceptionDetails(
            exception=exception,
            decisions=await read_decisions(tx, exception_id),
            comments=await read_comments(tx, exception_id),
            assignments=await read_assignments(tx, exception_id),
        )


async def list_exceptions(
    context: Context,
    organization_id: OrganizationId,
    wanted: ExceptionFilter = OPEN_EXCEPTIONS,
    *,
    after: UUID | None,
    limit: int,
) -> list[ListedException]:
    """At most `limit` of the exceptions that are wanted, below `after`."""
    async with context.database.transaction(organization_id) as tx:
        return await read_exceptions(tx, wanted, after=after, limit=limit, now=context.clock())


async def comment_exception(
    context: Context,
    organization_id: OrganizationId,
    exception_id: UUID,
    *,
    text: str,
    actor: Actor,
    request: IdempotentRequest | None = None,
) -> UUID:
    """Add a comment to an exception, open or closed; returns its id. A repeated `request` adds none.

    Raises NotFound, InvalidValue, PersonNeeded, or idempotency errors.
    """
    person, comment = require_person(actor), read_comment(text)
    async with context.database.transaction(organization_id) as tx:
        earlier = await find_previous_result(tx, request)
        if earlier is not None:
            return earlier.subjects[0]
        if await find_case(tx, exception_id) is None:
            raise NotFound("no such exception", field="exception_id")
        comment_id, now = context.ids.new(), context.clock()
        await add_comment(tx, comment_id, exception_id, comment, by=person, at=now)
        await save_result(tx, request, [comment_id], now=now)
        await note(tx, context, actor, "exception_commented", ("exception", exception_id))
    context.publish_change(organization_id)
    return comment_id


async def assign_exceptions(
    context: Context,
    organization_id: OrganizationId,
    exception_ids: Sequence[UUID],
    *,
    owner_id: PersonId,
    due_at: datetime | None = None,
    actor: Actor,
) -> None:
    """Give open exceptions an owner, and a due time if one is stated; all of them or none.

    Raises NotFound, ExceptionChanged for a closed one, InvalidValue, PersonNeeded.
    """
    person = require_person(actor)
    ids = sorted(set(exception_ids))
    if not 1 <= len(ids) <= ASSIGNED_MAX:
        raise InvalidValue(f"1 to {ASSIGNED_MAX} exceptions are assigned at once", field="exception_ids")
    now = context.clock()
    if due_at is not None and due_at <= now:
        raise InvalidValue("an exception is due in the future", field="due_at")
    async with context.database.transaction(organization_id) as tx:
        if owner_id not in await read_persons(tx, {owner_id}):
            raise NotFound("no such person", field="owner_id")
        cases = await lock_cases(tx, ids)
        if len(cases) != len(ids):
            raise NotFound("one of these exceptions does not exist", field="exception_ids")
        for case in cases:
            case.require_open(version=case.version)
        rows = [(context.ids.new(), case.id, owner_id, due_at or case.due_at) for case in cases]
        await assign_cases(tx, rows, by=person, at=now)
        for case in cases:
            await note(tx, context, actor, "exception_assigned", ("exception", case.id))
    context.publish_change(organization_id)

"""The one mechanism of two persons: one person proposes a change, another approves or rejects it. These are steps.

Each kind states its effect as an `ApprovalEffect`; the effect runs in the transaction that records the decision. The
database guards the same rule: it compares the two persons and refuses an effect without an approved proposal. An
approval is locked before its subject. Source: docs/design.md §3.5; migrations/0005_persons.sql.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, Protocol, TypeVar, cast
from uuid import UUID

from billing.core.actor import Actor
from billing.core.approvals import require_person, require_two_humans
from billing.core.errors import NotFound, Refused
from billing.core.ids import PersonId
from billing.core.list_slice import ListSlice
from billing.db.context import Context
from billing.db.database import Transaction
from billing.ledger.service.audit import note
from billing.organizations.domain.approval import AlreadyDecided, Approval, ApprovalKind, ApprovalState
from billing.organizations.store.api_keys import read_persons
from billing.organizations.store.approvals import (
    add_approval,
    decide_approval,
    lock_approval,
    lock_proposed,
    read_approvals,
    read_latest_approvals,
)

__all__ = [
    "AlreadyDecided",
    "Approval",
    "ApprovalEffect",
    "ApprovalKind",
    "ApprovalState",
    "ProposalWaiting",
    "approve",
    "find_approval",
    "find_approval_of",
    "propose",
    "read_approvals",
    "read_latest_approvals",
    "reject",
    "reject_proposed",
    "require_second_person",
]

C = TypeVar("C", bound=Context)


class ProposalWaiting(Refused):
    """Another proposal for the same subject waits for its decision."""

    code = "proposal_waiting"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalEffect(Generic[C]):
    """What the decision on a kind of proposals causes, besides the record of the decision itself.

    `check` runs before an approval, with no transaction open. `on_approved` and `on_rejected` are steps in the
    transaction of the decision; an error in them rolls it back. None is no effect. `is_posting`: an approval posts
    money.
    """

    check: Callable[[C, Approval], Awaitable[None]] | None = None
    on_approved: Callable[[Transaction, C, Approval, Actor], Awaitable[None]] | None = None
    on_rejected: Callable[[Transaction, C, Approval, Actor], Awaitable[None]] | None = None
    is_posting: bool = False


async def propose(
    tx: Transaction,
    context: Context,
    kind: ApprovalKind,
    subject_id: UUID,
    *,
    payload: Mapping[str, object],
    actor: Actor,
) -> UUID:
    """Propose a change of a subject; it takes effect when another person approves it.

    Raises PersonNeeded, ProposalWaiting.
    """
    proposal = Approval(
        id=context.ids.new(),
        kind=kind,
        subject_id=subject_id,
        payload=payload,
        state=ApprovalState.PROPOSED,
        proposed_by=require_person(actor),
        proposer="",
        proposed_at=context.clock(),
    )
    if not await add_approval(tx, proposal):
        raise ProposalWaiting("another proposal for this waits to be approved or rejected")
    await _note(tx, context, actor, proposal, ApprovalState.PROPOSED)
    return proposal.id


async def approve(
    tx: Transaction,
    context: C,
    approval_id: UUID,
    *,
    actor: Actor,
    effects: Mapping[ApprovalKind, ApprovalEffect[C]],
) -> None:
    """Approve the proposal of another person; it takes effect in the same transaction.

    Raises PersonNeeded, NotFound, AlreadyDecided, SecondPersonRequired, or the errors of the effect.
    """
    proposal = await _lock(tx, approval_id)
    second = await require_second_person(tx, proposal.proposed_by, actor)
    await decide_approval(tx, approval_id, ApprovalState.APPROVED, decided_by=second, decided_at=context.clock())
    on_approved = effects[proposal.kind].on_approved
    if on_approved is not None:
        await on_approved(tx, context, proposal, actor)
    await _note(tx, context, actor, proposal, ApprovalState.APPROVED)


async def reject(
    tx: Transaction,
    context: C,
    approval_id: UUID,
    *,
    actor: Actor,
    effects: Mapping[ApprovalKind, ApprovalEffect[C]],
) -> None:
    """Reject a proposal, or withdraw one's own. Raises PersonNeeded, NotFound, AlreadyDecided."""
    proposal = await _lock(tx, approval_id)
    await _reject(tx, context, proposal, actor)
    on_rejected = effects[proposal.kind].on_rejected
    if on_rejected is not None:
        await on_rejected(tx, context, proposal, actor)


async def reject_proposed(
    tx: Transaction, context: Context, kind: ApprovalKind, subject_id: UUID, actor: Actor
) -> None:
    """Reject the proposal that waits for a subject, if any, because the subject ends in another way."""
    approval_id = await lock_proposed(tx, kind, subject_id)
    if approval_id is not None:
        await _reject(tx, context, await _lock(tx, approval_id), actor)


async def require_second_person(tx: Transaction, first: PersonId, actor: Actor) -> PersonId:
    """The person who approves the proposal of `first`: another row and another name.

    Raises SecondPersonRequired, PersonNeeded.
    """
    second = require_person(actor)
    persons = await read_persons(tx, {first, second})
    return require_two_humans(persons[first], persons[second])


async def find_approval(tx: Transaction, approval_id: UUID) -> Approval:
    """One proposal with its decision. Raises NotFound."""
    found = await read_approvals(tx, ListSlice(limit=1), kinds=tuple(ApprovalKind), approval_id=approval_id)
    if not found:
        raise NotFound("no such proposal", field="approval_id")
    return found[0]


async def find_approval_of(tx: Transaction, kind: ApprovalKind, subject_id: UUID) -> Approval:
    """The latest proposal of a kind for a subject. Raises NotFound."""
    found = await read_latest_approvals(tx, kind, [subject_id])
    if subject_id not in found:
        raise NotFound("nothing is proposed for this id", field="id")
    return found[subject_id]


async def _lock(tx: Transaction, approval_id: UUID) -> Approval:
    proposal = await lock_approval(tx, approval_id)
    if proposal is None:
        raise NotFound("no such proposal", field="approval_id")
    proposal.require_proposed()
    return proposal


async def _reject(tx: Transaction, context: Context, proposal: Approval, actor: Actor) -> None:
    person = require_person(actor)
    state = ApprovalState.WITHDRAWN if person == proposal.proposed_by else ApprovalState.REJECTED
    await decide_approval(tx, proposal.id, state, decided_by=person, decided_at=context.clock())
    await _note(tx, context, actor, proposal, state)


async def _note(tx: Transaction, context: Context, actor: Actor, proposal: Approval, state: ApprovalState) -> None:
    await note(tx, context, actor, f"{proposal.kind}_{state}", ("approval", proposal.id))


class _Subject(Protocol):
    @property
    def id(self) -> UUID: ...


Subject = TypeVar("Subject", bound=_Subject)


async def with_approvals(tx: Transaction, kind: ApprovalKind, subjects: Sequence[Subject]) -> list[Subject]:
    """The dataclasses with their latest proposal in `approval`; None where there is none."""
    approvals = await read_latest_approvals(tx, kind, [each.id for each in subjects])
    return [replace(cast(Any, each), approval=approvals.get(each.id)) for each in subjects]

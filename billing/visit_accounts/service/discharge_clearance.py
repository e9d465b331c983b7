"""The discharge clearance of a visit, and the override of a blocker by a person with the right.

The final bill checks it again in its own transaction (`discharge.py`).
"""

from dataclasses import dataclass

from billing.core.actor import Actor
from billing.core.approvals import require_person
from billing.core.clock import VIETNAM
from billing.core.ids import OrganizationId, VisitId
from billing.core.reasons import read_reason
from billing.db.context import Context
from billing.db.idempotency import IdempotentRequest, find_previous_result, save_result
from billing.ledger.service.audit import note
from billing.visit_accounts.domain.discharge import (
    Blocker,
    BlockerKind,
    BlockerNotFound,
    BlockerOverridden,
    DischargeClearance,
    Override,
)
from billing.visit_accounts.service.account_writes import lock_open_account
from billing.visit_accounts.service.discharge import compute_discharge_clearance
from billing.visit_accounts.store.discharge import add_overrides

__all__ = [
    "DischargeClearance",
    "NewOverride",
    "find_discharge_clearance",
    "override_blocker",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOverride:
    """An override to make; an empty `line` means every blocker of the kind as it stands now."""

    kind: BlockerKind
    line: str = ""
    reason: str


async def find_discharge_clearance(
    context: Context, organization_id: OrganizationId, visit_id: VisitId
) -> DischargeClearance:
    """Every blocker of the final bill of a visit, as of now. Raises NotFound."""
    return await compute_discharge_clearance(
        context.database.single_reads(organization_id), visit_id, now=context.clock()
    )


async def override_blocker(
    context: Context,
    organization_id: OrganizationId,
    visit_id: VisitId,
    new: NewOverride,
    *,
    actor: Actor,
    request: IdempotentRequest | None = None,
) -> None:
    """Let a visit be billed although something is unfinished: for a person with the right, with a reason.

    The override covers the blockers as they are; a later one of the same kind blocks again. Raises BlockerNotFound,
    BlockerOverridden, VisitClosed, NotFound, InvalidValue, PersonNeeded, or idempotency errors.
    """
    person = require_person(actor)
    reason = read_reason(new.reason)
    async with context.database.transaction(organization_id) as tx:
        if await find_previous_result(tx, request) is not None:
            return
        await lock_open_account(tx, visit_id)
        now = context.clock()
        clearance = await compute_discharge_clearance(tx, visit_id, now=now)
        overrides = [
            Override(
                id=context.ids.new(),
                kind=blocker.kind.value,
                line=blocker.line,
                version=blocker.version,
                reason=reason,
                overridden_by=person,
                overridden_at=now,
            )
            for blocker in _blocking(clearance, new)
        ]
        await add_overrides(tx, visit_id, overrides)
        for override in overrides:
            await note(tx, context, actor, f"{override.kind}_overridden", ("discharge_override", override.id))
        await save_result(tx, request, [override.id for override in overrides], now=now)


def _blocking(clearance: DischargeClearance, new: NewOverride) -> list[Blocker]:
    """The blockers that an override names and nobody has overridden yet."""
    named = [blocker for blocker in clearance.blockers if blocker.kind is new.kind and new.line in ("", blocker.line)]
    if not named:
        raise BlockerNotFound("nothing of this kind blocks the visit now; read its clearance again", field="kind")
    blocking = [blocker for blocker in named if not blocker.is_overridden]
    if not blocking:
        keys = {blocker.key for blocker in named}
        first = next(override for override in clearance.overrides if override.key in keys)
        at = first.overridden_at.astimezone(VIETNAM)
        raise BlockerOverridden(f"person {first.overridden_by} overrode this at {at:%H:%M on %d/%m/%Y}", field="kind")
    return blocking

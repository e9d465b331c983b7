"""How a facility reads what the law leaves open: proposed by one person, in force once another approves it.

Source: the two-person rule of domain/actor.py; docs/design.md §6: open readings are facility settings.
"""

from collections.abc import Mapping
from uuid import UUID

from billing.core.actor import Actor
from billing.core.approvals import require_person
from billing.core.errors import NotFound
from billing.core.ids import FacilityId, OrganizationId
from billing.coverage.formats.policy_json import read_policy_options
from billing.coverage.service.context import PricingContext
from billing.coverage.service.facility_settings import ProposedSetting, SettingScope, propose_setting
from billing.coverage.store.facility_policies import (
    FacilityPolicy,
    NewFacilityPolicy,
    add_facility_policy,
    read_facility_policies,
)
from billing.db.database import Transaction
from billing.db.idempotency import IdempotentRequest
from billing.organizations.domain.approval import ApprovalKind
from billing.organizations.service.approvals import with_approvals
from billing.organizations.service.facilities import require_facility

__all__ = [
    "FacilityPolicy",
    "SettingScope",
    "find_facility_policy",
    "list_facility_policies",
    "propose_facility_policy",
]


async def propose_facility_policy(
    context: PricingContext,
    organization_id: OrganizationId,
    scope: SettingScope,
    options: Mapping[str, str],
    *,
    actor: Actor,
    request: IdempotentRequest | None = None,
) -> UUID:
    """Propose the whole set of a facility's readings for visits admitted from a day on; unnamed ones are the default.

    Raises UnknownPolicyOption, InvalidValue, NotFound, PersonNeeded, or idempotency errors.
    """
    require_person(actor)
    read_policy_options(options)

    async def add(tx: Transaction, policy_id: UUID, facility_id: FacilityId) -> None:
        new = NewFacilityPolicy(id=policy_id, facility_id=facility_id, valid_from=scope.valid_from, options=options)
        await add_facility_policy(tx, new)

    setting = ProposedSetting(
        kind=ApprovalKind.FACILITY_POLICY, scope=scope, content={"options": dict(options)}, add=add
    )
    return await propose_setting(context, organization_id, setting, actor=actor, request=request)


async def find_facility_policy(
    context: PricingContext, organization_id: OrganizationId, policy_id: UUID
) -> FacilityPolicy:
    """One set with who proposed and approved it. Raises NotFound."""
    async with context.database.transaction(organization_id) as tx:
        rows = await with_approvals(
            tx, ApprovalKind.FACILITY_POLICY, await read_facility_policies(tx, limit=1, policy_id=policy_id)
        )
    if not rows:
        raise NotFound("no such readings", field="policy_id")
    return rows[0]


async def list_facility_policies(
    context: PricingContext,
    organization_id: OrganizationId,
    *,
    after: UUID | None = None,
    limit: int,
    facility_code: str | None = None,
) -> list[FacilityPolicy]:
    """Sets and proposals of a facility or all, the newest first. Raises NotFound for the facility."""
    async with context.database.transaction(organization_id) as tx:
        if facility_code is not None:
            await require_facility(tx, facility_code, field="facility")
        rows = await read_facility_policies(tx, after=after, limit=limit, facility_code=facility_code)
        return await with_approvals(tx, ApprovalKind.FACILITY_POLICY, rows)
